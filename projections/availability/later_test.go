package availability_test

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

// A watcher of a channel that has nothing to sell hears when that will change, and when that moves.
func TestTheNextDateIsTold(t *testing.T) {
	s := shop(t)
	due := aggregates.Instant(4_000_000_000) * aggregates.Second
	change := func(at aggregates.Instant, open int64) stock.SupplyChange {
		return stock.SupplyChange{Location: "berlin", DueAt: at, Open: open}
	}
	v := s.watch("web", availability.FromNow)
	v.next()
	told := func(ats int64, next aggregates.Instant) {
		t.Helper()
		if got := v.next(); len(got) != 1 || got[0].ATS != ats || got[0].NextAt != next {
			t.Fatalf("told %+v, expected %d and %d", got, ats, next)
		}
		s.seen()
		if a := s.want("shoe", "web", ats); a.NextAt != next {
			t.Fatalf("read %+v", a)
		}
	}
	s.SKU(t, "shoe", &stock.SupplyExpected{Document: "po", Line: "1", Location: "berlin", Quantity: 4, DueAt: due,
		Supply: []stock.SupplyChange{change(due, 4)}})
	told(0, due)
	s.SKU(t, "shoe", &stock.SupplyRescheduled{Document: "po", DueAt: due + aggregates.Second,
		Supply: []stock.SupplyChange{change(due, -4), change(due+aggregates.Second, 4)}})
	told(0, due+aggregates.Second)
	s.Channel(t, "app", 0, "berlin")
	s.converged()
	s.restart()
	s.seen()
	for _, channel := range []string{"web", "app"} {
		if a := s.want("shoe", channel, 0); a.NextAt != due+aggregates.Second {
			t.Fatalf("after a restart %+v", a)
		}
	}
	v = s.watch("web", availability.FromNow)
	v.next()
	s.SKU(t, "shoe", &stock.StockReceived{Location: "berlin", Quantity: 4, Supply: []stock.SupplyChange{change(due+aggregates.Second, -4)}})
	told(4, 0)
}
