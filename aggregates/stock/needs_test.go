package stock_test

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// What a state knows is needed, and once it has forgotten it, it is not: but rules are for ever.
func TestEventsAreNeededUntilTheyAreForgotten(t *testing.T) {
	const first = 1_700_000_000 * aggregates.Second
	type told struct {
		e aggregates.Event
		m aggregates.Metadata
	}
	var all []told
	s := &stock.State{}
	tell := func(at aggregates.Instant, key string, e aggregates.Event) {
		m := aggregates.Metadata{RecordedAt: at, OccurredAt: at, IdempotencyKey: key}
		s.Evolve(e, m)
		all = append(all, told{e, m})
	}
	splits := []stock.Split{{Location: "x", Quantity: 1}}
	tell(first, "a", &stock.StockReceived{Location: "x", Quantity: 9})
	tell(first, "b", &stock.ReservationPlaced{ReservationID: "kept", Channel: "web", Quantity: 1, Splits: splits})
	tell(first, "c", &stock.ReservationPlaced{ReservationID: "gone", Channel: "web", Quantity: 1, Splits: splits})
	tell(first, "d", &stock.ReservationReleased{ReservationID: "gone", Splits: splits, Closed: true})
	tell(first, "e", &stock.SupplyExpected{Kind: stock.SupplyPurchaseOrder, Document: "po", Location: "x", Quantity: 5})
	tell(first, "f", &stock.SafetyStockSet{Location: "x", Quantity: 1})
	needed := func() (list []bool) {
		for i := range all[:6] {
			list = append(list, s.Needs(all[i].e, &all[i].m))
		}
		return list
	}
	expect := func(when string, want ...bool) {
		t.Helper()
		for i, got := range needed() {
			if got != want[i] {
				t.Errorf("%s, %s: %v, want %v", when, all[i].e.EventType(), got, want[i])
			}
		}
	}
	expect("at once", true, true, true, true, true, true)
	tell(first+2*stock.KeepSeen, "g", &stock.StockSold{Location: "x", Quantity: 1})
	expect("two days later", false, true, false, false, true, true)
}

func TestSamePast(t *testing.T) {
	sold := func(quantity int64, location, id string) *stock.StockSold {
		return &stock.StockSold{Location: location, Quantity: quantity, ReservationID: id}
	}
	m := aggregates.Metadata{OccurredAt: 5, RecordedAt: 7, Actor: "somebody"}
	for name, c := range map[string]struct {
		b    aggregates.Event
		n    aggregates.Metadata
		want bool
	}{
		"without names":     {sold(2, "x", "~1"), aggregates.Metadata{OccurredAt: 5, RecordedAt: 7}, true},
		"another quantity":  {sold(3, "x", "r"), m, false},
		"another place":     {sold(2, "y", "r"), m, false},
		"at another time":   {sold(2, "x", "r"), aggregates.Metadata{OccurredAt: 6, RecordedAt: 7}, false},
		"recorded later":    {sold(2, "x", "r"), aggregates.Metadata{OccurredAt: 5, RecordedAt: 8}, false},
		"another fact":      {&stock.StockAdjusted{Location: "x", Delta: -2}, m, false},
		"covered by counts": {&stock.StockSold{Location: "x", Quantity: 2, Absorbed: stock.AbsorbedBy{Revision: 1, AsOf: 9}}, m, false},
	} {
		if got := stock.SamePast(sold(2, "x", "r"), c.b, &m, &c.n); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	received := func(value int64) *stock.StockReceived {
		return &stock.StockReceived{Location: "x", Quantity: 2, Cost: &stock.Cost{Unit: value / 2, Currency: "EUR", Value: value}}
	}
	if !stock.SamePast(received(4), received(4), &m, &m) || stock.SamePast(received(4), received(6), &m, &m) {
		t.Error("costs are not compared")
	}
}
