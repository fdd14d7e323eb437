package availability

import (
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// sums are what a document's locations add up to. Those of the next document follow from the locations that changed, however many there are. They
// are immutable.
type sums struct {
	pools  []stock.Pool       // by channel of the pricing; nil when ATS does not follow from sums
	risky  int                // locations where promises are surely at risk; see pricing.sure
	bytes  int                // what the balances take in memory, about
	steady aggregates.Instant // before then nothing of that changes but by events
}

// sumsAfter returns the sums of a document under a pricing, made from those of the one before if they follow from them.
func (d *Document) sumsAfter(before *Document, p *pricing) *sums {
	if !d.follows(before, p) {
		return d.addUp(p)
	}
	s := *before.sums
	moved := d.moved(before)
	for _, m := range moved {
		s.take(m, p, before.RecordedAt, d.RecordedAt)
	}
	if s.steady <= d.RecordedAt {
		s.steady = math.MaxInt64
		for b := range d.Balances.Each {
			s.steady = min(s.steady, b.NextChange(d.RecordedAt))
		}
	}
	if s.pools != nil {
		s.pools = d.poolsAfter(before, p, moved)
	}
	return &s
}

// follows tells whether the sums of a document follow from those of the one before: they were made under the same policies and rules of the SKU.
func (d *Document) follows(before *Document, p *pricing) bool {
	if before == nil || before.sums == nil || before.prices != p {
		return false
	}
	return d.Balances.Rules() == before.Balances.Rules() && d.Balances.Item == before.Balances.Item
}

// addUp looks at all locations.
func (d *Document) addUp(p *pricing) *sums {
	s := &sums{steady: math.MaxInt64}
	for b := range d.Balances.Each {
		s.take(move{is: b}, p, 0, d.RecordedAt)
	}
	if d.Balances.Adds() {
		s.pools = make([]stock.Pool, len(p.channels))
		for i, c := range p.tables.Channels() {
			s.pools[i] = d.Balances.Pool(c.Policy, d.at(&p.channels[i]))
		}
	}
	return s
}

// move is a location where something may have changed, by events or by time.
type move struct{ was, is *stock.Balance } // nil for nothing

func (m *move) location() string {
	if m.is == nil {
		return m.was.Location
	}
	return m.is.Location
}

// moved lists the locations where a document may differ from the one before.
func (d *Document) moved(before *Document) (list []move) {
	d.Balances.Since(&before.Balances, func(was, is *stock.Balance) { list = append(list, move{was, is}) })
	if d.RecordedAt == before.RecordedAt || d.RecordedAt < before.sums.steady {
		return list
	}
	events, next := len(list), 0
	for b := range d.Balances.Each {
		for next < events && list[next].location() < b.Location {
			next++
		}
		if listed := next < events && list[next].is == b; !listed && b.NextChange(before.RecordedAt) <= d.RecordedAt {
			list = append(list, move{b, b})
		}
	}
	return list
}

// take follows what moved.
func (s *sums) take(m move, p *pricing, then, now aggregates.Instant) {
	if m.was != nil {
		s.bytes -= balanceSize(m.was)
		if p.sure(m.was, then) {
			s.risky--
		}
	}
	if m.is != nil {
		s.bytes += balanceSize(m.is)
		if p.sure(m.is, now) {
			s.risky++
		}
		s.steady = min(s.steady, m.is.NextChange(now))
	}
}

// poolsAfter are the pools once locations moved. Those of channels that do not sell from there stay.
func (d *Document) poolsAfter(before *Document, p *pricing, moved []move) []stock.Pool {
	pools := slices.Clone(before.sums.pools)
	for i, c := range p.tables.Channels() {
		then, now := before.at(&p.channels[i]), d.at(&p.channels[i])
		until := p.channels[i].until(before)
		ok := until == 0 || now < until
		for k := 0; k < len(moved) && ok; k++ {
			if c.Policy.Sells(moved[k].location()) {
				pools[i], ok = d.Balances.PoolAfter(pools[i], moved[k].was, moved[k].is, c.Policy, then, now)
			}
		}
		if !ok {
			pools[i] = d.Balances.Pool(c.Policy, now)
		}
	}
	return pools
}
