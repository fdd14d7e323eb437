package availability

import (
	"slices"
	"sync"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// at is when the value of a channel is computed as of: when the last of the events that it includes was recorded.
func (d *Document) at(c *priced) aggregates.Instant { return max(d.RecordedAt, c.recordedAt) }

// offer is what the i-th channel of a current pricing can promise. A value whose rules have begun or ended since it was computed is
// computed anew, as of now; nobody asks for the time unless there are such rules.
func (d *Document) offer(p *pricing, i int, now func() time.Time) stock.Offer {
	c := &p.channels[i]
	policy := p.tables.Channels()[i].Policy
	if until := c.until(d); until != 0 && now != nil {
		if at := aggregates.At(now()); at >= until {
			return d.Balances.Offer(policy, at)
		}
	}
	return d.Balances.OfferOf(d.value(p, i), policy, d.at(c))
}

// until is when a value of the channel changes by itself; 0 when it does not.
func (c *priced) until(d *Document) aggregates.Instant {
	if d.boundary != 0 && (c.boundary == 0 || d.boundary < c.boundary) {
		return d.boundary
	}
	return c.boundary
}

// plainOffers tells whether what channels show follows from their values and policies alone.
func (d *Document) plainOffers() bool { return d.Balances.Rules() == nil && !d.Balances.Expecting() }

// sameOffer tells whether a channel shows the same as before, whose ATS is the same. What it showed under a policy that is not known any more is not
// known.
func (d *draft) sameOffer(j, i int, plain bool) bool {
	was, is := d.before.prices, d.prices
	if was == is && plain {
		return true
	}
	policy := is.tables.Channels()[i].Policy
	now := d.Balances.OfferOf(d.values[i], policy, d.at(&is.channels[i]))
	if was.tables == nil {
		return was.channels[j].position == is.channels[i].position && d.before.Balances.OfferOf(d.values[i], policy, d.before.at(&was.channels[j])) == now
	}
	return d.before.Balances.OfferOf(d.values[i], was.tables.Channels()[j].Policy, d.before.at(&was.channels[j])) == now
}

// boundaries are when rules of SKUs begin or end next, of the SKUs that have such rules.
type boundaries struct {
	mu   sync.Mutex
	next map[string]aggregates.Instant
}

func (b *boundaries) note(d *Document) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case d.boundary != 0 && b.next == nil:
		b.next = map[string]aggregates.Instant{d.SKU: d.boundary}
	case d.boundary != 0:
		b.next[d.SKU] = d.boundary
	default:
		delete(b.next, d.SKU)
	}
}

// Passed lists up to limit SKUs that have rules which began or ended by now, without an event that says so yet, in bytewise order. It
// knows of those whose document was published or scanned by this process.
func (p *Projection) Passed(now aggregates.Instant, limit int) (skus []string) {
	p.boundaries.mu.Lock()
	defer p.boundaries.mu.Unlock()
	for sku, at := range p.boundaries.next {
		if at <= now {
			skus = append(skus, sku)
		}
	}
	slices.Sort(skus)
	return skus[:min(limit, len(skus))]
}

// encodeRules is the stored form of a SKU's own rules, nil when there are none.
func encodeRules(r *stock.Rules) *inventoryv1.RulesDocument {
	if r == nil {
		return nil
	}
	m := &inventoryv1.RulesDocument{Tallied: r.Tallied}
	for _, x := range r.Safety {
		m.Safety = append(m.Safety, codec.ToSafety(x))
	}
	for _, x := range r.Buffers {
		m.Buffers = append(m.Buffers, codec.ToBuffer(x))
	}
	for _, x := range r.Allocations {
		m.Allocations = append(m.Allocations, &inventoryv1.AllocationSet{Channel: x.Channel, Group: x.Group, Locations: x.Locations,
			Fence: x.Fence, Capped: x.Capped, Cap: x.Cap})
		m.Left = append(m.Left, x.Left)
	}
	for _, x := range r.Selling {
		m.Selling = append(m.Selling, codec.ToSelling(x))
	}
	return m
}

func decodeRules(m *inventoryv1.RulesDocument) *stock.Rules {
	if m == nil {
		return nil
	}
	r := &stock.Rules{Tallied: m.Tallied}
	for _, x := range m.Safety {
		r.Safety = append(r.Safety, codec.FromSafety(x))
	}
	for _, x := range m.Buffers {
		r.Buffers = append(r.Buffers, codec.FromBuffer(x))
	}
	for i, x := range m.Allocations {
		a := stock.Allocation{Channel: x.Channel, Group: x.Group, Locations: x.Locations, Fence: x.Fence, Capped: x.Capped, Cap: x.Cap}
		if i < len(m.Left) {
			a.Left = m.Left[i]
		}
		r.Allocations = append(r.Allocations, a)
	}
	for _, x := range m.Selling {
		r.Selling = append(r.Selling, codec.FromSelling(x))
	}
	return r
}

func encodeUses(uses []stock.Use) (list []*inventoryv1.UseDocument) {
	for i := range uses {
		m := &inventoryv1.UseDocument{Channel: uses[i].Channel, Backordered: uses[i].Backordered, Reserved: uses[i].Reserved}
		m.HoldUntil, m.HoldQuantity = appendHolds(nil, nil, &uses[i].Holds)
		list = append(list, m)
	}
	return list
}

func decodeUses(list []*inventoryv1.UseDocument) (uses []stock.Use) {
	for _, m := range list {
		uses = append(uses, stock.Use{Channel: m.Channel, Backordered: m.Backordered, Reserved: m.Reserved,
			Holds: decodeHolds(m.HoldUntil, m.HoldQuantity)})
	}
	return uses
}
