package availability_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

// beside builds a second read model and waits until it has what is readable.
func (s *scenario) beside() (*availability.Beside, *views.Beside) {
	s.Helper()
	db, err := s.db.Beside()
	if err != nil {
		s.Fatal(err)
	}
	b := availability.StartBeside(availability.BesideConfig{Store: s.Store, Documents: db.Availability(), Policies: db.Policies(), Log: quiet})
	s.Cleanup(sync.OnceFunc(func() {
		b.Stop()
		_ = db.Close() // the test may have
	}))
	ctx, done := s.patience()
	defer done()
	if err := b.WaitFor(ctx, s.Position()); err != nil {
		s.Fatal(err)
	}
	return b, db
}

// drifts compares with a second read model.
func (s *scenario) drifts(b *availability.Beside) map[string]*availability.Drift {
	s.Helper()
	ctx, done := s.patience()
	defer done()
	found := map[string]*availability.Drift{}
	skipped, err := s.NewChecker(s.Store).CompareBeside(ctx, b, func(int) error { return nil }, func(d *availability.Drift) error {
		found[d.SKU] = d
		return nil
	})
	if err != nil || skipped > 0 {
		s.Fatalf("%v, %d skipped", err, skipped)
	}
	return found
}

func (s *scenario) exchange(b *availability.Beside, db *views.Beside) {
	s.Helper()
	err := s.Exchange(s.Context(), func(ctx context.Context, least uint64) error {
		return errors.Join(b.Finish(ctx, least), db.Exchange(ctx))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		s.Fatal(err)
	}
}

func TestASecondReadModelShowsEverythingThatIsWrongAndTakesThePlace(t *testing.T) {
	s := shop(t)
	for _, sku := range []string{"cap", "hat", "shoe", "sock"} {
		s.SKU(t, sku, received("berlin", 5))
	}
	s.seen()
	model := s.db.Availability()
	kept := []*availability.Document{}
	for _, sku := range []string{"hat", "shoe", "sock"} { // the cap is lost
		d, err := model.Read(t.Context(), sku)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, d)
	}
	progress, err := model.Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stranger := *kept[0]
	stranger.SKU = "stranger"
	kept[1].Balances.At("berlin").OnHand[stock.Sellable] = 1
	kept[2].Position += 1000 // newer than all that comes
	if err := errors.Join(model.Reset(t.Context()), model.Write(t.Context(), append(kept, &stranger), progress)); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.seen()
	v := s.watch("web", availability.FromNow)
	b, db := s.beside()
	found := s.drifts(b)
	want := map[string]availability.DriftKind{"cap": availability.DriftMissing, "shoe": availability.DriftDiffers,
		"sock": availability.DriftUnfounded, "stranger": availability.DriftUnfounded}
	for sku, kind := range want {
		if d := found[sku]; d == nil || d.Kind != kind || d.Explanation() == "" {
			t.Errorf("%q: got %+v, want %s", sku, d, kind)
		}
	}
	if len(found) != len(want) {
		t.Errorf("got %v", found)
	}
	s.exchange(b, db)
	s.seen()
	s.wantOracle()
	if err := s.Announce(t.Context(), []string{"cap", "shoe", "sock", "stranger"}); err != nil {
		t.Fatal(err)
	}
	v.until("shoe", 5)
	if d, err := s.Stock(t.Context(), "stranger"); d != nil || err != nil {
		t.Errorf("the stranger is %+v, %v", d, err)
	}
	s.SKU(t, "sock", received("berlin", 1))
	s.seen()
	s.want("sock", "web", 6)
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// While it is built, compared and exchanged the one that serves goes on; readers never go back, and in the end all is as if nothing had happened.
func TestExchangesUnderLiveUpdatesEndEqual(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		s.run()
		facts := viewtest.NewFacts(17)
		facts.Policies = true
		facts.Add(t, s.History, 300)
		s.seen()
		stop := make(chan struct{})
		var writing sync.WaitGroup
		writing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					facts.Add(t, s.History, 5)
				}
			}
		})
		writing.Go(func() { s.neverBack(stop) })
		for range 5 {
			b, db := s.beside()
			if found := s.drifts(b); len(found) > 0 {
				for sku, d := range found {
					t.Errorf("%q: %s %+v", sku, d.Explanation(), d.Differences)
				}
			}
			s.exchange(b, db)
		}
		close(stop)
		writing.Wait()
		s.seen()
		s.wantOracle()
		stored := s.documents()
		s.stop()
		s.wantFreshFold(stored)
	}
}

// neverBack reads until it is stopped.
func (s *scenario) neverBack(stop chan struct{}) {
	last := map[string]uint64{}
	for {
		select {
		case <-stop:
			return
		default:
		}
		page, err := s.Scan(s.Context(), "", 50)
		if err != nil {
			continue // being loaded
		}
		for _, x := range page {
			d, err := s.Stock(s.Context(), x.SKU)
			if err != nil || d == nil {
				continue
			}
			if d.Position < last[d.SKU] {
				s.Errorf("%q went back from %d to %d", d.SKU, last[d.SKU], d.Position)
			}
			last[d.SKU] = max(last[d.SKU], d.Position)
		}
	}
}

// An exchange that fails leaves what serves, which goes on.
func TestAnExchangeThatFailsChangesNothing(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	broken := errors.New("no room")
	if err := s.Exchange(t.Context(), func(context.Context, uint64) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	s.SKU(t, "shoe", received("berlin", 2))
	s.seen()
	s.want("shoe", "web", 7)
	if status := s.Status(t.Context()); status.Error != "" {
		t.Errorf("status %+v", status)
	}
}

// What took the place can be read, and told of, at once.
func TestWhatWasExchangedCanBeRead(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	for range 200 {
		err := s.Exchange(t.Context(), func(context.Context, uint64) error { return nil })
		if err = errors.Join(err, s.Announce(t.Context(), []string{"shoe"})); err != nil {
			t.Fatal(err)
		}
		s.want("shoe", "web", 5)
	}
}

// A power cut at any moment around an exchange leaves one of both models, from which all is folded on.
func TestACrashAroundAnExchangeLeavesOneModel(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := prepare(t)
		s.run()
		facts := viewtest.NewFacts(seed)
		facts.Policies = true
		facts.Add(t, s.History, 200)
		s.seen()
		if seed%2 == 0 {
			s.corrupt(s.known()[0], func(d *availability.Document) { d.Position++ })
		}
		b, db := s.beside()
		facts.Add(t, s.History, 30)
		err := s.Exchange(t.Context(), func(ctx context.Context, least uint64) error {
			return errors.Join(b.Finish(ctx, least), db.Exchange(ctx))
		})
		if err != nil {
			t.Fatal(err)
		}
		facts.Add(t, s.History, 30)
		s.crash(random.IntN(101), random)
		if err := views.RemoveBeside("views", s.fs); err != nil {
			t.Fatal(err)
		}
		facts.Add(t, s.History, 10)
		s.seen()
		s.wantOracle()
		stored := s.documents()
		s.stop()
		s.wantFreshFold(stored)
	}
}
