package availability

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
)

// By returns what one channel can sell of one SKU for a way of handing over, as of now: which locations may serve it depends on the time of day. It is
// computed when it is asked for. ErrUnknownChannel, *stock.MethodError.
func (p *Projection) By(ctx context.Context, sku, channel string, way stock.Way) (Availability, error) {
	a, d, c, at, err := p.asOfNow(ctx, sku, channel)
	if d == nil || err != nil {
		return a, err
	}
	a.Offer, err = d.Balances.OfferBy(c.Policy, way, at)
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
	list, err := d.Balances.AvailableAtEach(c.Policy, method, at)
	return a, list, err
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
