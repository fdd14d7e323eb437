// Package valuation says what units in stock are worth: moving average and first in, first out.
//
// It owns the pool, the units of one SKU at one place with what they cost, and its written rules. It is pure: the same changes in the same
// order give the same values. Values are whole minor units of one currency; a part of a value is value × part / whole, computed in 128 bits
// and rounded half away from zero, and what is left of a value is what was not taken: so parts always add up.
//
// The rules:
//
//   - A receipt with a cost adds units at that cost: by moving average to one layer, by FIFO as the youngest layer.
//   - Units that come without a cost (found by a count, returned, received without one) are worth the last known unit cost of the place:
//     the average, or the youngest layer's. Before any cost is known, or when they would be worth more than a receipt may be, they are units
//     without a cost, worth nothing and shown as such.
//   - Units without a cost leave first, then the oldest layer.
//   - Below zero, units leave at the last known unit cost, which makes the value negative. What comes next makes up for them first; the
//     difference between what they left at and what they cost is told as the cost of what was sold (Settled).
//   - What is transferred takes its layers with it.
//   - A correction of a receipt's cost goes to the youngest units that are still there, as far as they are; the rest is Settled.
package valuation

import "github.com/stockfold/stockfold/aggregates/stock"

// Method of valuation.
type Method uint8

// The methods.
const (
	Average Method = iota
	FIFO
	Methods // their number
)

// MaxLayers bounds the layers of one pool; beyond it the two oldest become one.
const MaxLayers = 1_000

// Layer is units, in base units, and what they are worth together.
type Layer struct {
	Quantity int64
	Value    int64
}

// Pool is the units of one SKU at one place. The zero value is empty. A pool has either units, or owes some.
type Pool struct {
	Uncosted  int64   // units without a known cost
	Layers    []Layer // the oldest first; by average at most one
	Owed      int64   // units that left and were not there
	OwedValue int64   // what they left at
	Last      Layer   // the last known unit cost, as a ratio
}

// Parts are units on their way, with what they cost.
type Parts struct {
	Uncosted int64
	Layers   []Layer
}

// Value of the parts.
func (p *Parts) Value() (v int64) {
	for _, l := range p.Layers {
		v += l.Value
	}
	return v
}

// Quantity of the pool; negative when it owes.
func (p *Pool) Quantity() int64 {
	q := p.Uncosted - p.Owed
	for _, l := range p.Layers {
		q += l.Quantity
	}
	return q
}

// Value of the pool; negative when it owes.
func (p *Pool) Value() int64 {
	v := -p.OwedValue
	for _, l := range p.Layers {
		v += l.Value
	}
	return v
}

// Begin makes a pool of units without a cost.
func Begin(quantity int64) Pool {
	if quantity < 0 {
		return Pool{Owed: -quantity}
	}
	return Pool{Uncosted: quantity}
}

// Found is units that come without a cost of their own.
func (p *Pool) Found(quantity int64) Parts {
	value, ok := stock.Proportion(p.Last.Value, quantity, p.Last.Quantity)
	if p.Last.Quantity <= 0 || !ok || value > stock.MaxValue {
		return Parts{Uncosted: quantity}
	}
	return Parts{Layers: []Layer{{quantity, value}}}
}

// In adds units. It returns by how much those that had left before cost more than they left at.
func (p *Pool) In(m Method, parts Parts) (settled int64) {
	uncosted := min(parts.Uncosted, p.Owed)
	p.Owed, p.OwedValue, settled = p.Owed-uncosted, p.OwedValue-p.owed(uncosted), -p.owed(uncosted)
	p.Uncosted += parts.Uncosted - uncosted
	for _, l := range parts.Layers {
		settled += p.layer(m, l)
	}
	return settled
}

// owed is what a part of the owed units left at.
func (p *Pool) owed(quantity int64) int64 { return share(p.OwedValue, quantity, p.Owed) }

func (p *Pool) layer(m Method, l Layer) (settled int64) {
	if l.Quantity <= 0 {
		return 0
	}
	p.Last = l
	if covered := min(l.Quantity, p.Owed); covered > 0 {
		cost, left := share(l.Value, covered, l.Quantity), p.owed(covered)
		p.Owed, p.OwedValue = p.Owed-covered, p.OwedValue-left
		l.Quantity, l.Value, settled = l.Quantity-covered, l.Value-cost, cost-left
	}
	if l.Quantity == 0 {
		return settled
	}
	p.Layers = append(p.Layers, l)
	if m == Average || len(p.Layers) > MaxLayers {
		p.join()
	}
	if m == Average {
		p.Last = p.Layers[0]
	}
	return settled
}

// join makes the two oldest layers one.
func (p *Pool) join() {
	if len(p.Layers) < 2 {
		return
	}
	p.Layers[1].Quantity += p.Layers[0].Quantity
	p.Layers[1].Value += p.Layers[0].Value
	p.Layers = append(p.Layers[:0], p.Layers[1:]...)
}

// Out takes units, also those that are not there.
func (p *Pool) Out(quantity int64) (parts Parts) {
	parts.Uncosted = min(quantity, p.Uncosted)
	p.Uncosted -= parts.Uncosted
	quantity -= parts.Uncosted
	gone := 0
	for quantity > 0 && gone < len(p.Layers) {
		l := &p.Layers[gone]
		taken := Layer{min(quantity, l.Quantity), 0}
		taken.Value = share(l.Value, taken.Quantity, l.Quantity)
		parts.Layers = append(parts.Layers, taken)
		l.Quantity, l.Value, quantity = l.Quantity-taken.Quantity, l.Value-taken.Value, quantity-taken.Quantity
		if l.Quantity == 0 {
			gone++
		}
	}
	p.Layers = append(p.Layers[:0], p.Layers[gone:]...)
	if quantity > 0 {
		owed := p.Found(quantity)
		p.Owed, p.OwedValue = p.Owed+quantity, p.OwedValue+owed.Value()
		parts.Uncosted += owed.Uncosted
		parts.Layers = append(parts.Layers, owed.Layers...)
	}
	return parts
}

// Correct changes what the youngest units cost by a value for so many of them. It returns the part that is about units which are
// gone.
func (p *Pool) Correct(quantity, value int64) (settled int64) {
	if len(p.Layers) == 0 || quantity <= 0 {
		return value
	}
	left := value
	for i := len(p.Layers) - 1; i >= 0 && quantity > 0; i-- {
		l := &p.Layers[i]
		n := min(l.Quantity, quantity)
		part := share(left, n, quantity)
		l.Value, left, quantity = l.Value+part, left-part, quantity-n
	}
	p.Last = p.Layers[len(p.Layers)-1]
	return left
}

// Costed gives a cost to the youngest of so many units that came before it was known: first to those without one, then as a correction.
func (p *Pool) Costed(m Method, quantity, value int64) (settled int64) {
	n := min(p.Uncosted, quantity)
	if n > 0 {
		part := share(value, n, quantity)
		p.Uncosted, value, quantity = p.Uncosted-n, value-part, quantity-n
		settled = p.layer(m, Layer{n, part})
	}
	return settled + p.Correct(quantity, value)
}

// share is the part of a value; all of it for the whole.
func share(value, part, whole int64) int64 {
	if part == 0 || value == 0 {
		return 0
	}
	v, ok := stock.Proportion(value, part, whole)
	if !ok {
		return value
	}
	return v
}

// Clone returns a copy that shares nothing.
func (p *Pool) Clone() Pool {
	c := *p
	c.Layers = append([]Layer(nil), p.Layers...)
	return c
}
