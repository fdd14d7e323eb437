package stock

import "github.com/stockfold/stockfold/aggregates"

// leg is one change of what lies at a location in a condition: delta at the time it occurred and, when a count
// absorbs it, minus delta at that count's as-of time.
type leg struct {
	location  string
	condition Condition
	delta     int64
	absorbed  AbsorbedBy
	count     bool // the change that a count makes
}

// effect is the change of the balance now.
func (l *leg) effect() int64 {
	if l.absorbed.Is() {
		return 0
	}
	return l.delta
}

// replaced tells of a count that another one as of the same instant, which was recorded before, had replaced already.
func (l *leg) replaced(at aggregates.Instant) bool { return l.count && l.absorbed.AsOf == at }

// legs yields the physical changes of an event. Units in a condition that this version does not know are not its
// business.
func legs(e aggregates.Event, yield func(leg)) {
	one := func(location string, c Condition, delta int64, a AbsorbedBy) {
		if c < conditions {
			yield(leg{location: location, condition: c, delta: delta, absorbed: a})
		}
	}
	switch e := e.(type) {
	case *StockCounted:
		if e.Condition < conditions {
			yield(leg{e.Location, e.Condition, e.Delta, e.Absorbed, true})
		}
	case *StockReceived:
		one(e.Location, e.Condition, e.Quantity, e.Absorbed)
	case *StockSold:
		one(e.Location, Sellable, -e.Quantity, e.Absorbed)
	case *StockReturned:
		one(e.Location, e.Condition, e.Quantity, e.Absorbed)
	case *StockAdjusted:
		one(e.Location, e.Condition, e.Delta, e.Absorbed)
	case *StockConditionChanged:
		one(e.Location, e.From, -e.Quantity, e.FromAbsorbed)
		one(e.Location, e.To, e.Quantity, e.ToAbsorbed)
	case *TransferShipped:
		one(e.Location, Sellable, -e.Quantity, e.Absorbed)
	case *TransferReceived:
		one(e.Location, e.Condition, e.Quantity, e.Absorbed)
	case *ReservationFulfilled:
		for _, x := range e.Splits {
			one(x.Location, Sellable, -x.Quantity, x.Absorbed)
		}
	}
}

// effectOf is the change now of the balance that an event is about: that of the first condition, for a change of
// condition; the sum over locations, for a fulfilment.
func effectOf(e aggregates.Event) int64 {
	var sum int64
	changed, between := e.(*StockConditionChanged)
	legs(e, func(l leg) {
		if !between || l.condition == changed.From {
			sum += l.effect()
		}
	})
	return sum
}
