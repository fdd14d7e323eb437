package availability_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is the projection over a real event store and read model.
type scenario struct {
	testing.TB
	*viewtest.History
	fs        *vfs.MemFS
	db        *views.DB
	wrap      func(availability.ReadModel) availability.ReadModel
	memTable  uint64 // small, so that much of it is in tables
	gather    int    // small, so that much of it is stored
	workers   int
	cache     int64
	heartbeat time.Duration
	keep      int // changes to resume from; the default when 0
	dir       *policies.Directory
	*availability.Projection
	stop func()
}

var quiet = slog.New(slog.DiscardHandler)

// prepare makes a scenario that does not run yet.
func prepare(t testing.TB) *scenario {
	return &scenario{TB: t, History: viewtest.NewHistory(t), fs: vfs.NewCrashableMem(), workers: 2, memTable: 16 << 10, gather: 4 << 10, stop: func() {},
		wrap: func(m availability.ReadModel) availability.ReadModel { return m }}
}

func start(t testing.TB) *scenario {
	s := prepare(t)
	s.run()
	return s
}

// run opens the read model and runs the directory and the projection until stop is called or the test ends.
func (s *scenario) run() {
	s.Helper()
	db, err := views.Open("views", views.Options{FS: s.fs, MemTableBytes: s.memTable, GatherBytes: s.gather, StoreID: s.Store.ID(), Log: quiet})
	if err != nil {
		s.Fatal(err)
	}
	s.db = db
	s.dir = policies.New(policies.Config{Store: s.Store, Model: db.Policies(), Log: quiet})
	s.Projection = availability.New(availability.Config{Store: s.Store, Model: s.wrap(db.Availability()), Policies: s.dir,
		Workers: s.workers, CacheBytes: s.cache, Heartbeat: s.heartbeat, Log: quiet})
	if s.keep > 0 {
		s.KeepChanges(s.keep)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { report(s, s.dir.Run(ctx)) })
	running.Go(func() { report(s, s.Projection.Run(ctx)) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		report(s, db.Close())
	})
	s.Cleanup(s.stop)
}

func report(t testing.TB, err error) {
	if err != nil {
		t.Error(err)
	}
}

func (s *scenario) restart() {
	s.stop()
	s.run()
}

// patience bounds every wait of a test.
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
		s.Fatalf("%v; status %+v, of policies %+v", err, s.Status(s.Context()), s.dir.Status(s.Context()))
	}
}

func (s *scenario) want(sku, channel string, ats int64) availability.Availability {
	s.Helper()
	a, err := s.Get(s.Context(), sku, channel)
	if err != nil {
		s.Fatal(err)
	}
	if a.ATS != ats || a.SKU != sku || a.Channel != channel {
		s.Fatalf("got %+v, want ATS %d of %q on %q", a, ats, sku, channel)
	}
	return a
}

// documents are all stored documents in their stored form, in hex, by SKU. It waits until they are under the policies in
// force.
func (s *scenario) documents() string {
	s.Helper()
	s.converged()
	var e availability.Encoder
	var text strings.Builder
	for after := ""; ; {
		page, err := s.db.Availability().Scan(s.Context(), after, 100)
		if err != nil {
			s.Fatal(err)
		}
		if len(page) == 0 {
			return text.String()
		}
		for _, d := range page {
			b, err := e.Append(nil, d)
			if err != nil {
				s.Fatal(err)
			}
			fmt.Fprintf(&text, "%q %d %d %s\n", d.SKU, d.Position, d.Policies(), hex.EncodeToString(b))
			after = d.SKU
		}
	}
}

// converged waits until every stored document is known to include the policies in force.
func (s *scenario) converged() {
	s.Helper()
	s.seen()
	ctx, done := s.patience()
	defer done()
	for {
		p, err := s.db.Availability().Progress(ctx)
		if err != nil {
			s.Fatalf("%v; status %+v", err, s.Status(s.Context()))
		}
		if p.Own == s.dir.Tables().Version() {
			return
		}
	}
}

// oracle computes every document apart from the projection: each stream folded alone, under the policies in force.
func (s *scenario) oracle() map[string]map[string]int64 {
	s.Helper()
	balances, recorded := map[string]*stock.Balances{}, map[string]aggregates.Instant{}
	s.Replay(s, func(stream string, fact aggregates.Event, m aggregates.Metadata) {
		sku, ok := strings.CutPrefix(stream, aggregates.SKUPrefix)
		if !ok {
			return
		}
		if balances[sku] == nil {
			balances[sku] = &stock.Balances{}
		}
		balances[sku].Evolve(fact)
		recorded[sku] = m.RecordedAt
	})
	all := map[string]map[string]int64{}
	for sku, b := range balances {
		all[sku] = map[string]int64{}
		for _, c := range s.dir.Channels() {
			all[sku][c.ID] = b.Available(c.Policy, max(recorded[sku], c.RecordedAt))
		}
	}
	return all
}

// wantOracle compares every read with the oracle.
func (s *scenario) wantOracle() {
	s.Helper()
	for sku, channels := range s.oracle() {
		for channel, ats := range channels {
			s.want(sku, channel, ats)
		}
		d, err := s.Stock(s.Context(), sku)
		if err != nil {
			s.Fatal(err)
		}
		for _, c := range d.Channels() {
			if c.ATS != channels[c.Channel] {
				s.Fatalf("document of %q: %+v, want ATS %d", sku, c, channels[c.Channel])
			}
		}
	}
}

// crash goes on with what a power cut at this moment leaves of the read model: some of what was not synced.
func (s *scenario) crash(percent int, random *rand.Rand) {
	clone := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random})
	s.stop()
	s.fs = clone
	s.run()
}
