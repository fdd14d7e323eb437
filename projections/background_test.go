package projections

import (
	"context"
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
