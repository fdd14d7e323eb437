package projections

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// flood records events at a rate that others are busy with, for a while.
func flood(t *testing.T, store *journal, d time.Duration) (last uint64) {
	for began := time.Now(); time.Since(began) < d; time.Sleep(currentEvery / 2) {
		for range 2 * busyEvents {
			last = store.sold(t, "sku-a", 1)
		}
	}
	return last
}

func TestAProjectionInTheBackgroundGivesWayAndCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		store.batch = 1000
		store.sold(t, "sku-a", 1)
		r, stop := run(t, p, Config{Store: store, Workers: 1, Background: true})
		defer stop()
		reached(t, r, 1)
		last := flood(t, store, maxWay/2)
		if at := r.Position(); at > last/4 { // what came before it knew that others are busy
			t.Errorf("it came to %d of %d while others were busy", at, last)
		}
		if s := r.Status(t.Context()); s.Error != "" || s.Lag == 0 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(3 * currentEvery) // quiet
		synctest.Wait()
		if at := r.Position(); at != last {
			t.Errorf("it came to %d of %d when it was quiet", at, last)
		}
	})
}

func TestAProjectionInTheBackgroundIsNotLateForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		store.batch = 1000
		r, stop := run(t, p, Config{Store: store, Workers: 1, Background: true})
		defer stop()
		flood(t, store, maxWay-2*time.Second)
		was := r.Position()
		last := flood(t, store, 4*time.Second)
		if at := r.Position(); was > last/4 || at < last/2 {
			t.Errorf("it was at %d, and at %d of %d when it was late", was, at, last)
		}
	})
}

func TestWhoWaitsForAProjectionInTheBackgroundDoesNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		store.batch = 1000
		r, stop := run(t, p, Config{Store: store, Workers: 1, Background: true})
		defer stop()
		last := flood(t, store, 2*time.Second)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.WaitFor(ctx, last); err != nil || time.Since(began) > currentEvery {
			t.Errorf("waited %s, %v", time.Since(began), err)
		}
	})
}

func TestAProjectionLetsAnotherCatchUpFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newJournal()
		last := store.sold(t, "sku-a", 3)
		var others atomic.Bool
		others.Store(true)
		r, stop := run(t, newTally(1), Config{Store: store, Workers: 1, After: others.Load})
		defer stop()
		time.Sleep(maxWay / 2)
		synctest.Wait()
		if r.Position() != 0 || r.Still() > silentAfter {
			t.Errorf("it came to %d, silent for %s", r.Position(), r.Still())
		}
		others.Store(false)
		time.Sleep(2 * wayStep)
		synctest.Wait()
		if at := r.Position(); at != last {
			t.Errorf("it came to %d of %d after the other", at, last)
		}
	})
}

func TestAProjectionLetsAnotherCatchUpForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newJournal()
		last := store.sold(t, "sku-a", 3)
		r, stop := run(t, newTally(1), Config{Store: store, Workers: 1, After: func() bool { return true }})
		defer stop()
		time.Sleep(maxWay - wayStep)
		synctest.Wait()
		was := r.Position()
		time.Sleep(3 * wayStep)
		synctest.Wait()
		if at := r.Position(); was != 0 || at != last {
			t.Errorf("it was at %d, and came to %d of %d", was, at, last)
		}
	})
}

func TestWhoWaitsForAProjectionDoesNotWaitForAnotherToCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newJournal()
		last := store.sold(t, "sku-a", 3)
		r, stop := run(t, newTally(1), Config{Store: store, Workers: 1, After: func() bool { return true }})
		defer stop()
		began := time.Now()
		if err := r.WaitFor(t.Context(), last); err != nil || time.Since(began) > 2*wayStep {
			t.Errorf("waited %s, %v", time.Since(began), err)
		}
	})
}

func TestCatchingUpEndsAtWhatTheStoreHeldAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		last := store.sold(t, "sku-a", 3)
		r := NewRunner(p, Config{Name: "tally", Prefixes: []string{"sku-"}, Store: store, Workers: 1})
		if !r.CatchingUp() {
			t.Error("caught up before it began")
		}
		r, stop := run(t, p, Config{Store: store, Workers: 1})
		defer stop()
		reached(t, r, last)
		if r.CatchingUp() {
			t.Error("catching up at the store's end")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		store := newJournal()
		store.sold(t, "sku-a", 3)
		store.put("sku-a", "StockSold", []byte("unreadable"))
		r, stop := run(t, newTally(1), Config{Store: store, Workers: 1})
		defer stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if r.Position() != 1 || r.CatchingUp() {
			t.Errorf("at %d, catching up %v though it does not move", r.Position(), r.CatchingUp())
		}
	})
}
