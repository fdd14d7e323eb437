package reservations_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is the projection over a real event store and read model.
type scenario struct {
	testing.TB
	*viewtest.History
	fs       *vfs.MemFS
	db       *views.DB
	memTable uint64 // small, so that much of it is in tables
	gather   int    // small, so that much of it is stored
	workers  int
	cache    int64
	wrap     func(reservations.ReadModel) reservations.ReadModel
	*reservations.Projection
	stop func()
}

func prepare(t testing.TB) *scenario {
	return &scenario{TB: t, History: viewtest.NewHistory(t), fs: vfs.NewCrashableMem(), workers: 2, memTable: 16 << 10, gather: 4 << 10, stop: func() {},
		wrap: func(m reservations.ReadModel) reservations.ReadModel { return m }}
}

func start(t testing.TB) *scenario {
	s := prepare(t)
	s.run()
	return s
}

func (s *scenario) run() {
	s.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := views.Open("views", views.Options{FS: s.fs, MemTableBytes: s.memTable, GatherBytes: s.gather, Log: quiet})
	if err != nil {
		s.Fatal(err)
	}
	s.db = db
	s.Projection = reservations.New(reservations.Config{Store: s.Store, Model: s.wrap(db.Reservations()),
		Workers: s.workers, CacheBytes: s.cache, Log: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Projection.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		for _, err := range []error{<-done, db.Close()} {
			if err != nil {
				s.Error(err)
			}
		}
	})
	s.Cleanup(s.stop)
}

func (s *scenario) restart() {
	s.stop()
	s.run()
}

// crash goes on with what a power cut at this moment leaves of the read model: some of what was not synced.
func (s *scenario) crash(percent int, random *rand.Rand) {
	clone := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random})
	s.stop()
	s.fs = clone
	s.run()
}

func (s *scenario) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.Context(), 20*time.Second)
}

// seen waits until everything stored is readable.
func (s *scenario) seen() {
	s.Helper()
	ctx, done := s.patience()
	defer done()
	end, err := s.Store.End(ctx)
	if err != nil {
		s.Fatal(err)
	}
	if err := s.WaitFor(ctx, end); err != nil {
		s.Fatalf("%v; status %+v", err, s.Status(s.Context()))
	}
}

// get returns the only reservation with an id, nil when there is none.
func (s *scenario) get(id string) *reservations.Record {
	s.Helper()
	ctx, done := s.patience()
	defer done()
	list, err := s.Get(ctx, id)
	switch {
	case err != nil && len(list) == 0 && strings.Contains(err.Error(), reservations.ErrNotFound.Error()):
		return nil
	case err != nil || len(list) != 1:
		s.Fatalf("got %v, %v", list, err)
	}
	return list[0]
}

// listed pages through all reservations of a SKU.
func (s *scenario) listed(sku string, liveOnly bool, page int) (list []*reservations.Record) {
	s.Helper()
	for after := uint64(0); ; {
		part, next, err := s.List(s.Context(), sku, liveOnly, after, page)
		if err != nil {
			s.Fatal(err)
		}
		if len(part) > page {
			s.Fatalf("a page of %d", len(part))
		}
		if list = append(list, part...); next == 0 {
			return list
		}
		after = next
	}
}

// dump shows everything that can be read: all records by SKU, live ones, due times and ended ones.
func (s *scenario) dump() string {
	s.Helper()
	s.seen()
	skus := map[string]bool{}
	s.Replay(s, func(stream string, _ aggregates.Event, _ aggregates.Metadata) {
		skus[strings.TrimPrefix(stream, aggregates.SKUPrefix)] = true
	})
	var lines []string
	for sku := range skus {
		for _, r := range s.listed(sku, false, 7) {
			lines = append(lines, fmt.Sprintf("%q %+v", sku, *r))
			if got := s.get(r.ID); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", r) {
				s.Fatalf("by id %+v, listed %+v", got, r)
			}
		}
		for _, r := range s.listed(sku, true, 3) {
			lines = append(lines, fmt.Sprintf("live %q %q", sku, r.ID))
		}
	}
	due, _, err := s.Due(s.Context(), math.MaxInt64, nil, reservations.MaxPage)
	if err != nil {
		s.Fatal(err)
	}
	lines = append(lines, fmt.Sprint("due ", due))
	slices.Sort(lines[:len(lines)-1])
	return strings.Join(lines, "\n")
}

// oracle folds every stream in a State of the domain, and returns what it knows of each reservation, by id.
func (s *scenario) oracle() map[string]stock.Reservation {
	s.Helper()
	states, ids := map[string]*stock.State{}, map[string]string{}
	s.Replay(s, func(stream string, fact aggregates.Event, m aggregates.Metadata) {
		if states[stream] == nil {
			states[stream] = &stock.State{}
		}
		states[stream].Evolve(fact, m)
		if p, ok := fact.(*stock.ReservationPlaced); ok {
			ids[p.ReservationID] = stream
		}
	})
	all := map[string]stock.Reservation{}
	for id, stream := range ids {
		// as recorded: at an instant at which no hold has ended
		r, err := stock.Find(states[stream], id, 0)
		if err != nil {
			s.Fatal(err)
		}
		all[id] = r
	}
	return all
}

func (s *scenario) wantOracle() {
	s.Helper()
	s.seen()
	for id, want := range s.oracle() {
		got := s.get(id)
		if got == nil || fmt.Sprintf("%+v", got.Reservation) != fmt.Sprintf("%+v", want) {
			s.Fatalf("reservation %q: got %+v, want %+v", id, got, want)
		}
	}
}
