package projections

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A store that does not tell where it ends, and a subscription that hands out nothing though there is something, are both shown
// after a while, and no longer once they are over.
func TestASilentStoreIsShown(t *testing.T) {
	away := errors.New("away")
	for name, trouble := range map[string]struct{ begin, end func(*testing.T, *journal) }{
		"the store is away": {
			func(_ *testing.T, j *journal) { j.fallSilent(true); j.failEnd(away) },
			func(_ *testing.T, j *journal) { j.failEnd(nil); j.fallSilent(false) },
		},
		"the subscription hands out nothing": {
			func(t *testing.T, j *journal) { j.fallSilent(true); j.sold(t, "sku-a", 1) },
			func(_ *testing.T, j *journal) { j.fallSilent(false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newJournal()
				r, stop := run(t, newTally(1), Config{Store: store, Workers: 1})
				defer stop()
				reached(t, r, store.sold(t, "sku-a", 1))
				trouble.begin(t, store)
				time.Sleep(silentAfter + 2*currentEvery)
				if still := r.Still(); still < silentAfter {
					t.Errorf("still for %s only", still)
				}
				if s := r.Status(t.Context()); !strings.Contains(s.Error, "nothing has come from the event store for 5s") {
					t.Errorf("status %+v", s)
				}
				trouble.end(t, store)
				time.Sleep(2 * currentEvery)
				if still, s := r.Still(), r.Status(t.Context()); still > currentEvery || s.Error != "" || s.Lag != 0 {
					t.Errorf("after it: still for %s, status %+v", still, s)
				}
			})
		})
	}
}

// Neither a store in which nothing happens nor a model that takes its time to catch up is a silence.
func TestAProjectionThatIsAtTheEndOrMovesIsNotStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		before := NewRunner(p, Config{Store: store})
		time.Sleep(time.Hour)
		if still := before.Still(); still != 0 {
			t.Errorf("still for %s before it runs", still)
		}
		p.writing = func(context.Context) error { time.Sleep(silentAfter / 2); return nil }
		r, stop := run(t, p, Config{Store: store, Workers: 1})
		defer stop()
		time.Sleep(time.Hour)
		for range 20 {
			if still := r.Still(); still > silentAfter/2+currentEvery {
				t.Fatalf("still for %s", still)
			}
			if s := r.Status(t.Context()); s.Error != "" {
				t.Fatalf("status %+v", s)
			}
			store.sold(t, "sku-a", 1)
			time.Sleep(silentAfter / 5)
		}
		reached(t, r, 20)
	})
}
