package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
)

var quiet = slog.New(slog.DiscardHandler)

// patience bounds every wait of a test.
const patience = 60 * time.Second

// replica is a projection of availability over a Redis, and over an event store that several replicas share. Policies
// are folded in Redis as well, under a prefix of their own.
type replica struct {
	*availability.Projection
	dir    *policies.Directory
	db     *redis.DB
	losses *losses
	stop   func()
}

// losses is a log that counts what Redis was found to have lost.
type losses struct {
	slog.Handler
	found atomic.Int64
}

func (l *losses) Enabled(context.Context, slog.Level) bool { return true }

func (l *losses) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "Redis lost") {
		l.found.Add(1)
	}
	return nil
}

// foundLoss makes sure that a loss was found since it was last asked.
func (r *replica) foundLoss(t testing.TB) {
	t.Helper()
	if r.losses.found.Swap(0) == 0 {
		t.Error("nothing was found to be lost")
	}
}

// shop is a history of stock in one place, sold on one channel.
type shop struct {
	*viewtest.History
	t    testing.TB
	want map[string]int64 // on hand
}

func newShop(t testing.TB) *shop {
	h := viewtest.NewHistory(t)
	h.Location(t, "berlin")
	h.Channel(t, "web", 0, "berlin")
	return &shop{History: h, t: t, want: map[string]int64{}}
}

// receive adds units of SKUs number from to number before.
func (s *shop) receive(from, before int, quantity int64) {
	s.t.Helper()
	for i := from; i < before; i++ {
		sku := fmt.Sprintf("sku %d", i)
		s.want[sku] += quantity
		s.SKU(s.t, sku, &stock.StockReceived{Location: "berlin", Quantity: quantity})
	}
}

// run runs a replica until stop is called or the test ends. cache is small, so that reads go to Redis.
func (s *shop) run(url string) *replica {
	s.t.Helper()
	l := &losses{Handler: slog.DiscardHandler}
	db, err := redis.Open(redis.URL(url), redis.Options{StoreID: s.Store.ID(), WatchEvery: 20 * time.Millisecond, Log: slog.New(l)})
	if err != nil {
		s.t.Fatal(err)
	}
	dir := policies.New(policies.Config{Store: s.Store, Model: db.Policies(), Log: quiet})
	p := availability.New(availability.Config{Store: s.Store, Model: db.Availability(), Policies: dir, Workers: 2, CacheBytes: 1, Log: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.check(dir.Run(ctx)) })
	running.Go(func() { s.check(p.Run(ctx)) })
	r := &replica{Projection: p, dir: dir, db: db, losses: l}
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait(); db.Close() })
	s.t.Cleanup(r.stop)
	return r
}

func (s *shop) check(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

// seen waits until a replica shows everything, every number right, with no answer from before.
func (s *shop) seen(r *replica) {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), patience)
	defer done()
	end, err := s.Store.End(ctx)
	if err == nil {
		err = r.WaitFor(ctx, end)
	}
	if err != nil {
		s.t.Fatalf("%v; status %+v, policies %+v", err, r.Status(s.t.Context()), r.dir.Status(s.t.Context()))
	}
	for sku, want := range s.want {
		a, err := s.get(ctx, r, sku)
		if err != nil || a.ATS != want {
			s.t.Fatalf("%s: got %d %v, want %d; status %+v", sku, a.ATS, err, want, r.Status(s.t.Context()))
		}
	}
}

// get reads, and waits while the read model says that it cannot be read.
func (s *shop) get(ctx context.Context, r *replica, sku string) (availability.Availability, error) {
	for {
		a, err := r.Get(ctx, sku, "web")
		if !errors.Is(err, availability.ErrUnreadable) || ctx.Err() != nil {
			return a, err
		}
		time.Sleep(time.Millisecond)
	}
}

// honest reads a SKU again and again: an answer is refused or is at least as new as the one before. It ends with the context.
func (s *shop) honest(ctx context.Context, r *replica, skus ...string) (refused int) {
	last := map[string]uint64{}
	for ctx.Err() == nil {
		for _, sku := range skus {
			a, err := r.Get(ctx, sku, "web")
			switch {
			case ctx.Err() != nil:
			case errors.Is(err, availability.ErrUnreadable):
				refused++
			case err != nil:
				s.t.Errorf("%s: %v", sku, err)
				return refused
			case a.Position < last[sku]:
				s.t.Errorf("%s went back from %d to %d", sku, last[sku], a.Position)
				return refused
			default:
				last[sku] = a.Position
			}
		}
	}
	return refused
}

// whileHonest does something while readers make sure that they are told nothing old.
func (s *shop) whileHonest(r *replica, f func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for i := range 2 {
		readers.Go(func() { s.honest(ctx, r, fmt.Sprintf("sku %d", i), fmt.Sprintf("sku %d", i+2)) })
	}
	defer readers.Wait()
	defer cancel()
	f()
}

var _ projections.Watched = (*redis.Availability)(nil)
