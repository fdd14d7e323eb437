package availability_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

func TestWatchOfAllSKUsBeginsWithTheCurrentValues(t *testing.T) {
	s := shop(t)
	for i := range 2500 {
		s.SKU(t, fmt.Sprint(i), received("berlin", int64(i)))
	}
	s.seen()
	s.restart() // nothing is left in memory
	s.seen()
	v := s.watch("web", availability.FromStart)
	for !v.caughtUp {
		v.next()
	}
	if len(v.values) != 2500 || v.values["web 1234"].ATS != 1234 {
		t.Fatalf("%d values when caught up", len(v.values))
	}
	end, _ := s.Store.End(t.Context())
	if v.position != end {
		t.Fatalf("position %d, want %d", v.position, end)
	}
	s.SKU(t, "7", received("berlin", 1))
	s.seen()
	if got := v.next(); len(got) != 1 || got[0].ATS != 8 || v.position != end+1 {
		t.Fatalf("got %+v at %d", got, v.position)
	}
}

func TestWatchFromNowTellsOnlyWhatChanges(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	for _, skus := range [][]string{nil, {"shoe", "boot"}} {
		v := s.watch("web", availability.FromNow, skus...)
		if got := v.next(); len(got) != 0 || !v.caughtUp {
			t.Fatalf("got %+v, caught up %v", got, v.caughtUp)
		}
		at := s.SKU(t, "boot", received("berlin", 2))
		if got := v.next(); len(got) != 1 || got[0].SKU != "boot" || got[0].Position != at {
			t.Fatalf("got %+v", got)
		}
		s.SKU(t, "boot", sold("berlin", 2))
		v.until("boot", 0)
	}
}

func TestWatchOfNamedSKUsTellsOfThemAlone(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.SKU(t, "sock", received("berlin", 5))
	s.seen()
	v := s.watch("web", availability.FromStart, "shoe", "unknown", "shoe")
	got := v.next()
	if len(got) != 2 || got[0].ATS != 5 || got[1].Known || got[1].SKU != "unknown" || !v.caughtUp {
		t.Fatalf("got %+v", got)
	}
	s.SKU(t, "sock", sold("berlin", 1))
	s.SKU(t, "unknown", received("berlin", 9))
	if got := v.next(); len(got) != 1 || got[0].SKU != "unknown" || !got[0].Known || got[0].ATS != 9 {
		t.Fatalf("got %+v", got)
	}
}

func TestWatchTellsChangesOfValuesOnly(t *testing.T) {
	s := shop(t)
	s.Location(t, "hamburg")
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	v := s.watch("web", availability.FromNow)
	v.next()
	s.SKU(t, "shoe", received("hamburg", 5)) // web does not sell from there
	s.SKU(t, "sock", received("berlin", 1))
	if got := v.next(); len(got) != 1 || got[0].SKU != "sock" {
		t.Fatalf("got %+v", got)
	}
}

func TestWatchOfEveryChannel(t *testing.T) {
	s := shop(t)
	s.Channel(t, "app", 1, "berlin")
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	all, named := s.watch("", availability.FromStart), s.watch("", availability.FromStart, "shoe")
	for _, v := range []*viewer{all, named} {
		for !v.caughtUp {
			v.next()
		}
		if v.values["web shoe"].ATS != 5 || v.values["app shoe"].ATS != 4 {
			t.Fatalf("has %+v", v.values)
		}
	}
	s.Channel(t, "late", 2, "berlin") // defined after the watch began
	s.SKU(t, "shoe", received("berlin", 1))
	all.settled()
	named.settled()
}

// A slow reader gets each SKU's last value, and not those in between.
func TestSlowWatcherSeesTheLastValues(t *testing.T) {
	s := shop(t)
	all, named := s.watch("web", availability.FromNow), s.watch("web", availability.FromNow, "0", "1", "2")
	all.next()
	named.next()
	for i := range 300 {
		s.SKU(t, fmt.Sprint(i%3), received("berlin", 1))
	}
	s.seen()
	for _, v := range []*viewer{all, named} {
		got := v.next()
		if len(got) != 3 {
			t.Fatalf("%d changes of 3 SKUs: %+v", len(got), got)
		}
		for _, a := range got {
			if a.ATS != 100 {
				t.Fatalf("got %+v, want the last value 100", a)
			}
		}
	}
}

func TestPolicyChangeReachesWatchers(t *testing.T) {
	s := prepare(t)
	s.heartbeat = time.Millisecond // a watcher that has every value hears by it that the pass is over
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	for i := range 500 {
		s.SKU(t, fmt.Sprint(i), received("berlin", int64(10+i)))
	}
	s.seen()
	v := s.watch("web", availability.FromNow)
	named := s.watch("web", availability.FromNow, "17", "18")
	at := s.Channel(t, "web", 10, "berlin")
	v.settled()
	named.settled()
	for v.position < at || named.position < at {
		if v.position < at {
			v.next()
		}
		if named.position < at {
			s.SKU(t, "17", received("berlin", 1))
			named.next()
		}
	}
}

func TestHeartbeatMovesAnIdleWatcherOn(t *testing.T) {
	s := prepare(t)
	s.heartbeat = time.Millisecond
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	s.SKU(t, "shoe", received("berlin", 1))
	s.converged()
	all, named := s.watch("web", availability.FromNow), s.watch("web", availability.FromNow, "shoe")
	at := s.SKU(t, "boot", &stock.ItemRegistered{Name: "Boot"})
	for all.position < at || named.position < at {
		for _, v := range []*viewer{all, named} {
			if got := v.next(); len(got) > 0 && got[0].SKU != "boot" {
				t.Fatalf("got %+v", got)
			}
		}
	}
	if !all.caughtUp || !named.caughtUp {
		t.Fatal("not caught up")
	}
}
