package stock

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// inSteps folds a log once more, each event on the Next of what there was before. What there was must stay; and what channels can sell, as it follows from the
// locations that changed, must be what a look at all of them under all rules says. It returns how many pools were followed.
func inSteps(t testing.TB, log []logged, policies []*Policy) (followed int) {
	last, then := &Balances{}, aggregates.Instant(0)
	for _, x := range log {
		before, now := contents(last), max(then, x.meta.RecordedAt)
		next := ptr(last.Next())
		next.Evolve(x.event)
		if contents(last) != before {
			t.Fatal("what there was before", x.event.EventType(), "changed from", before, "to", contents(last))
		}
		for _, p := range policies {
			if next.Adds() && next.AvailableOf(next.Pool(p, now), p, now) != next.availableUnderRules(p, now, now) {
				t.Fatal(p.Channel, "can sell", next.availableUnderRules(p, now, now), "which is not what its pool says,", next.Pool(p, now))
			}
			if !follows(last, next, p, then, now) {
				continue
			}
			followed++
			if pool, ok := poolAfter(last, next, p, then, now); !ok || pool != next.Pool(p, now) {
				t.Fatal(x.event.EventType(), "makes", pool, ok, "of", last.Pool(p, then), "not", next.Pool(p, now))
			}
		}
		next.Settle()
		last, then = next, now
	}
	var alone Balances
	for _, x := range log {
		alone.Evolve(x.event)
	}
	if contents(last) != contents(&alone) {
		t.Fatal("folded in steps:", contents(last), "at once:", contents(&alone))
	}
	return followed
}

// follows tells whether a pool follows from the one before.
func follows(last, next *Balances, p *Policy, then, now aggregates.Instant) bool {
	begins := func(at aggregates.Instant) bool { return at != 0 && at <= now }
	return last.Adds() && next.Adds() && last.rules == next.rules && last.Item == next.Item && !begins(p.NextBoundary(then)) && !begins(last.NextBoundary(then))
}

func poolAfter(last, next *Balances, p *Policy, then, now aggregates.Instant) (pool Pool, ok bool) {
	pool, ok = last.Pool(p, then), true
	change := func(was, is *Balance) {
		x := is
		if is == nil {
			x = was
		}
		if ok && p.Sells(x.Location) {
			pool, ok = next.PoolAfter(pool, was, is, p, then, now)
		}
	}
	next.Since(last, change)
	for _, x := range next.list {
		if slices.Contains(last.list, x) && x.NextChange(then) <= now {
			change(x, x)
		}
	}
	return pool, ok
}

// What is free changes at no other instants than those that are told.
func TestNothingChangesBeforeItsTime(t *testing.T) {
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		now := clock("12:00")
		for x := range spread(t, now).Each {
			for at := now - 5*aggregates.Second; at < now+9*aggregates.Second; at += aggregates.Second / 2 {
				later := at + aggregates.Second/2
				if x.Free(at) == x.Free(later) && x.Short(at) == x.Short(later) {
					continue
				}
				if changed++; x.NextChange(at) > later {
					t.Fatalf("%+v, %+v: %d free at %d, %d at %d, told to change at %d", x, x.Later, x.Free(at), at, x.Free(later), later, x.NextChange(at))
				}
			}
		}
	})
	if changed == 0 {
		t.Error("nothing ever changed")
	}
}

func TestPoolThatCannotBeToldIsAddedUpAgain(t *testing.T) {
	var b Balances
	b.Evolve(&StockReceived{Location: "berlin", Quantity: 1<<63 - 1})
	b.Evolve(&StockReceived{Location: "hamburg", Quantity: 5})
	p := NewPolicy("web", []string{"berlin", "hamburg"}, 0, 0)
	if pool, ok := b.PoolAfter(b.Pool(p, 1), b.At("berlin"), nil, p, 1, 1); ok {
		t.Fatal("told as", pool)
	}
}

func TestSinceTellsWhatIsNotThereAnyMore(t *testing.T) {
	var was, is Balances
	for _, at := range []string{"aachen", "berlin", "celle"} {
		was.Evolve(&StockReceived{Location: at, Quantity: 1})
	}
	is = was.Next()
	is.Evolve(&StockReceived{Location: "berlin", Quantity: 1})
	is.Evolve(&StockReceived{Location: "bonn", Quantity: 1})
	is.list = slices.Delete(is.list, 0, 1)
	var list []string
	name := func(x *Balance) string {
		if x == nil {
			return "-"
		}
		return x.Location
	}
	is.Since(&was, func(a, b *Balance) { list = append(list, name(a)+" "+name(b)) })
	if !slices.Equal(list, []string{"aachen -", "berlin berlin", "- bonn"}) {
		t.Fatal(list)
	}
}
