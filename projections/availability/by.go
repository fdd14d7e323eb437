package availability

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
)

// By returns what one channel can sell of one SKU for a way of handing over, as of now: which locations may serve it depends on the time of day. It is
// computed when it is asked for; of a kit from its components, each by that way. ErrUnknownChannel, *stock.MethodError.
func (p *Projection) By(ctx context.Context, sku, channel string, way stock.Way) (Availability, error) {
	a, d, c, at, err := p.asOfNow(ctx, sku, channel)
	if d == nil || err != nil {
		return a, err
	}
	if d.Balances.AsKit() == nil {
		a.Offer, err = d.Balances.OfferBy(c.Policy, way, at)
		return a, err
	}
	components, at, err := p.components(ctx, d, &a, at)
	if err != nil {
		return a, err
	}
	a.Offer, err = stock.KitOfferBy(&d.Balances, components, c.Policy, way, at)
	return a, err
}

// AtEach returns what one channel can sell of one SKU at each location that may serve a method now, in order of location; the first answer has everything
// but an Offer. ErrUnknownChannel, *stock.MethodError.
func (p *Projection) AtEach(ctx context.Context, sku, channel, method string) (Availability, []stock.Free, error) {
	a, d, c, at, err := p.asOfNow(ctx, sku, channel)
	if err != nil {
		return a, nil, err
	}
	if d == nil {
		d = &Document{}
	}
	if d.Balances.AsKit() == nil {
		list, err := d.Balances.AvailableAtEach(c.Policy, method, at)
		return a, list, err
	}
	components, at, err := p.components(ctx, d, &a, at)
	if err != nil {
		return a, nil, err
	}
	list, err := stock.KitsAtEach(&d.Balances, components, c.Policy, method, at)
	return a, list, err
}

// components finds what a kit is made of, in its order, and moves an answer about the kit on to the last of their events. All of them are asked about as of one
// instant, not before any of them was last changed: which locations may serve a method is then the same for all.
func (p *Projection) components(ctx context.Context, kit *Document, a *Availability, at aggregates.Instant) ([]*stock.Balances, aggregates.Instant, error) {
	of := kit.Balances.AsKit().Components
	list := make([]*stock.Balances, len(of))
	for i, c := range of {
		x, err := p.document(ctx, c.SKU)
		if err != nil {
			return nil, 0, err
		}
		if x == nil { // not known here yet: there is nothing of it
			x = &Document{}
		}
		if x.Position > a.Position {
			a.Position, a.RecordedAt = x.Position, x.RecordedAt
		}
		list[i], at = &x.Balances, max(at, x.RecordedAt)
	}
	return list, at, nil
}

// asOfNow finds a document, nil when there is none, with its channel, and what an answer says beside the numbers. The policy is that of the directory: one that
// only serves methods otherwise is no new version of prices.
func (p *Projection) asOfNow(ctx context.Context, sku, channel string) (a Availability, d *Document, c *policies.Channel, at aggregates.Instant, err error) {
	a = Availability{SKU: sku, Channel: channel}
	c, ok := p.dir.Channel(channel)
	if !ok {
		return a, nil, nil, 0, fmt.Errorf("%w: %q", ErrUnknownChannel, channel)
	}
	if a.CurrentAt, a.From, err = p.standing(); err != nil {
		return a, nil, c, 0, err
	}
	if d, err = p.document(ctx, sku); d == nil || err != nil {
		return a, nil, c, 0, err
	}
	a.SKU, a.Known, a.Decimals, a.Position, a.RecordedAt = d.SKU, true, d.Balances.Item.Decimals, d.Position, d.RecordedAt
	if c.Position > a.Position {
		a.Position, a.RecordedAt = c.Position, c.RecordedAt
	}
	return a, d, c, max(aggregates.At(p.runner.Now()), a.RecordedAt), nil
}
