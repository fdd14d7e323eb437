package stock

import "github.com/stockfold/stockfold/aggregates"

// PastChange is one change of what lies somewhere, for those who look at the past: Delta at At and, when a count covers it, minus Delta at AbsorbedAt.
type PastChange struct {
	Location   string
	Condition  Condition
	Delta      int64
	At         aggregates.Instant // when it occurred
	AbsorbedAt aggregates.Instant // as-of time of the count that covers it; 0 for none
	Count      bool               // the change that a count makes
	Counted    int64              // by it
}

// Changes yields the physical changes of an event.
func Changes(e aggregates.Event, m *aggregates.Metadata, yield func(PastChange)) {
	at := occurred(m)
	counted, _ := e.(*StockCounted)
	legs(e, func(l leg) {
		c := PastChange{Location: l.location, Condition: l.condition, Delta: l.delta, At: at, AbsorbedAt: l.absorbed.AsOf, Count: l.count}
		if counted != nil {
			c.Counted = counted.Counted
		}
		yield(c)
	})
}

// Until is what the change adds to what lay there at an instant, on the occurred axis, what occurred then included.
func (c *PastChange) Until(at aggregates.Instant) int64 {
	switch {
	case c.At > at:
		return 0
	case c.AbsorbedAt != 0 && c.AbsorbedAt <= at:
		return 0
	}
	return c.Delta
}

// ParseDecimal reads a decimal number as base units of an item. It returns *NumberError, *DecimalsError and *QuantityError.
func ParseDecimal(text string, item *Item) (int64, error) {
	return units(0, text, item, -MaxQuantity)
}
