package availability

import (
	"cmp"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/policies"
)

// pricing is what a document's values were computed with, shared by all documents computed with the same policies.
// It is immutable.
type pricing struct {
	version  uint64           // of the tables
	previous uint64           // version of the pricing that readers were given before this one; 0 for the first, or when restored
	channels []priced         // by id
	tables   *policies.Tables // nil when restored from storage
	sellers  map[string]int   // how many channels sell from a location; nil when restored
}

type priced struct {
	id         string
	position   uint64 // of the last change of the channel's policy
	recordedAt aggregates.Instant
	boundary   aggregates.Instant // when terms of the policy begin or end next, after recordedAt; 0 when none do, or when restored
}

func newPricing(t *policies.Tables, before *pricing) *pricing {
	p := &pricing{version: t.Version(), tables: t, channels: make([]priced, len(t.Channels()))}
	if before != nil {
		p.previous = before.version
	}
	for i, c := range t.Channels() {
		p.channels[i] = priced{id: c.ID, position: c.Position, recordedAt: c.RecordedAt, boundary: c.Policy.NextBoundary(c.RecordedAt)}
	}
	p.countSellers()
	return p
}

// find returns the place of a channel.
func (p *pricing) find(id string) (int, bool) {
	if p.tables != nil {
		return p.tables.Index(id)
	}
	return slices.BinarySearchFunc(p.channels, id, func(c priced, id string) int { return cmp.Compare(c.id, id) })
}

// value is the document's ATS for the i-th channel of a current pricing: the stored one, or computed when the channel's
// policy has changed since.
func (d *Document) value(p *pricing, i int) int64 {
	if d.prices == p {
		return d.values[i]
	}
	if d.prices != nil {
		j, ok := d.prices.find(p.channels[i].id)
		if ok && d.prices.channels[j].position == p.channels[i].position {
			return d.values[j]
		}
	}
	return d.Balances.Available(p.tables.Channels()[i].Policy, d.at(&p.channels[i]))
}

// price computes the document's values; before it is published. before is the document that it was folded on, nil when that is not known.
func (d *Document) price(p *pricing, before *Document) {
	s := d.sumsAfter(before, p)
	values := make([]int64, len(p.channels))
	for i, c := range p.tables.Channels() {
		at := d.at(&p.channels[i])
		if s.pools != nil {
			values[i] = d.Balances.AvailableOf(s.pools[i], c.Policy, at)
		} else {
			values[i] = d.Balances.Available(c.Policy, at)
		}
	}
	d.prices, d.values, d.sums = p, values, s
	d.boundary = d.Balances.NextBoundary(d.RecordedAt)
	d.Balances.Settle()
}

// under returns the document with values of a current pricing: itself, or a copy.
func (d *Document) under(p *pricing) *Document {
	if d.prices == p {
		return d
	}
	c := *d
	c.prices, c.values, c.sums = p, make([]int64, len(p.channels)), nil
	for i := range c.values {
		c.values[i] = d.value(p, i)
	}
	return &c
}

// availability is the i-th channel's value of a current pricing, as of now when rules have begun or ended since it was computed; a nil now leaves it as it was
// computed. d is nil for a SKU that nothing was recorded for.
func (p *pricing) availability(d *Document, sku string, i int, now func() time.Time) Availability {
	c := &p.channels[i]
	a := Availability{SKU: sku, Channel: c.id}
	if d == nil {
		return a
	}
	a.SKU, a.Known, a.Decimals = d.SKU, true, d.Balances.Item.Decimals
	a.Offer, a.Position, a.RecordedAt = d.offer(p, i, now), d.Position, d.RecordedAt
	if c.position > a.Position {
		a.Position, a.RecordedAt = c.position, c.recordedAt
	}
	return a
}
