package availability

import (
	"context"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// What a channel shows of a kit is computed from the documents of its components whenever it is read, so it is never older than they are,
// and nothing has to be written when one of them changes. A document says which kits its SKU is in; their watchers hear of each
// change of it that changes what they show.

// reading returns the document of a SKU, nil when there is none.
type reading func(ctx context.Context, sku string) (*Document, error)

// maxAnew is how often a kit that is defined anew while it is read is read again.
const maxAnew = 4

var errDefinedAnew = fmt.Errorf("%w: the kit is defined anew all the while", ErrUnreadable)

// answer is what the i-th channel of a current pricing shows of a SKU, whose document is d; of a kit it is made of its components'. Those are of the definition
// that still stands when they are read: a later position of a component than that of the next definition would make positions go back.
func (p *Projection) answer(ctx context.Context, prices *pricing, d *Document, sku string, i int, now func() time.Time) (Availability, error) {
	for range maxAnew {
		a := prices.availability(d, sku, i, now)
		if d == nil || d.Balances.AsKit() == nil {
			return a, nil
		}
		a, err := prices.compose(ctx, d, i, now, p.document)
		if err != nil {
			return a, err
		}
		was := d
		if d, err = p.document(ctx, was.SKU); err != nil || d.definition() == was.definition() {
			return a, err
		}
	}
	return Availability{}, errDefinedAnew
}

// definition is the number of the SKU's definition as a kit, 0 when it never was one.
func (d *Document) definition() uint64 {
	if d == nil || d.Balances.Bundle() == nil {
		return 0
	}
	return d.Balances.Bundle().Version
}

// compose is what the i-th channel shows of a kit. It includes the events that its components' documents do, and has the position of the
// last of them: that only grows, since theirs do.
func (p *pricing) compose(ctx context.Context, d *Document, i int, now func() time.Time, read reading) (Availability, error) {
	a := p.availability(d, d.SKU, i, now)
	policy := p.tables.Channels()[i].Policy
	components := d.Balances.AsKit().Components
	parts := make([]stock.KitPart, len(components))
	for k, c := range components {
		x, err := read(ctx, c.SKU)
		if err != nil {
			return a, err
		}
		if x == nil { // not known here yet: there is nothing of it
			parts[k].Standing = stock.OutOfStock
			continue
		}
		parts[k] = x.Balances.PartOf(x.offer(p, i, now), c.Quantity, policy, x.asOf(p, i, now))
		if x.Position > a.Position {
			a.Position, a.RecordedAt = x.Position, x.RecordedAt
		}
	}
	a.Offer = stock.KitOffer(&d.Balances, parts, policy, max(d.asOf(p, i, now), a.RecordedAt))
	return a, nil
}

// asOf is when the i-th channel's offer is computed as of.
func (d *Document) asOf(p *pricing, i int, now func() time.Time) aggregates.Instant {
	c := &p.channels[i]
	if until := c.until(d); until != 0 && now != nil {
		if at := aggregates.At(now()); at >= until {
			return at
		}
	}
	return d.at(c)
}

// publishPatience is how long publishing waits for documents of kits and components that are not in memory.
const publishPatience = 2 * time.Second

// kitNews finds what changed of kits with the documents that a pending write published; bundled are those of kits and components.
type kitNews struct {
	*fold
	bundled map[string]draft
	prices  *pricing
	changes []Availability
}

// kitChanges lists what channels show of kits that are, or whose components are, in a pending write, as far as it changed.
func (f *fold) kitChanges(c *pending) ([]Availability, error) {
	if len(c.bundled) == 0 {
		return nil, nil
	}
	ctx, done := context.WithTimeout(context.Background(), publishPatience)
	defer done()
	n := kitNews{fold: f, bundled: make(map[string]draft, len(c.bundled)), prices: f.prices()}
	kits := map[string]bool{}
	for _, d := range c.bundled {
		n.bundled[d.SKU] = d
		if d.Balances.AsKit() != nil {
			kits[d.SKU] = true
		}
		for _, m := range d.Balances.Bundle().PartOf {
			kits[m.Kit] = true
		}
	}
	for sku := range kits {
		if err := n.add(ctx, sku); err != nil {
			return nil, err
		}
	}
	return n.changes, nil
}

// add adds what changed of one kit.
func (n *kitNews) add(ctx context.Context, sku string) error {
	d, err := n.Projection.latest(ctx, sku)
	if err != nil || d == nil || d.Balances.AsKit() == nil {
		return err
	}
	for i := range n.prices.channels {
		is, err := n.prices.compose(ctx, d, i, nil, n.Projection.latest)
		if err != nil {
			return err
		}
		same, err := n.showed(ctx, d, i, &is)
		if err != nil {
			return err
		}
		if !same {
			n.changes = append(n.changes, is)
		}
	}
	return nil
}

// showed tells whether the i-th channel showed the same of a kit before.
func (n *kitNews) showed(ctx context.Context, d *Document, i int, is *Availability) (bool, error) {
	before := d
	if own, ok := n.bundled[d.SKU]; ok {
		if before = own.before; before == nil || before.Balances.AsKit() == nil || before.prices == nil {
			return false, nil
		}
		j, found := before.prices.find(n.prices.channels[i].id)
		if !found || before.prices.channels[j].position != n.prices.channels[i].position {
			return false, nil
		}
	}
	unknown := false
	was, err := n.prices.compose(ctx, before, i, nil, func(ctx context.Context, sku string) (*Document, error) {
		if x, ok := n.bundled[sku]; ok {
			unknown = unknown || x.before == nil
			return x.before, nil
		}
		return n.Projection.latest(ctx, sku)
	})
	return !unknown && was.Offer == is.Offer, err
}
