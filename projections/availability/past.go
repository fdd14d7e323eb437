package availability

import (
	"context"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/policies"
)

// Past tells what SKUs came to, and what channels could sell of them, by what was recorded up to a position of the store, or up to an instant. One goroutine at a time
// may use it.
type Past struct {
	streams Streams
	upto    func(*aggregates.Record, aggregates.Metadata) bool
	now     func() time.Time // as of when rules have begun or ended; nil for as of what was recorded last
	prices  *pricing
}

// Past folds the policies up to a position, or when that is 0 up to what was recorded by an instant. That reads everything that was recorded of channels, locations and
// shared rules. Nothing is changed.
func (c *Checker) Past(ctx context.Context, position uint64, at aggregates.Instant) (*Past, error) {
	p := &Past{streams: c.streams, upto: through(position)}
	if position == 0 {
		p.upto = func(_ *aggregates.Record, m aggregates.Metadata) bool { return m.RecordedAt <= at }
		p.now = at.Time
	}
	tables, err := policies.AsOf(ctx, c.runner.Store, p.upto)
	if err != nil {
		return nil, err
	}
	p.prices = newPricing(tables, nil)
	return p, nil
}

// Of folds a SKU's stream, and returns its document with values under the policies of then, as it was stored then, and how many events it includes.
func (p *Past) Of(ctx context.Context, sku string) (*Document, int64, error) {
	f := &fresh{Document: Document{SKU: sku}}
	if err := f.follow(ctx, p.streams, p.upto, nil); err != nil {
		return nil, 0, err
	}
	f.price(p.prices, nil)
	return &f.Document, int64(f.next), nil
}

// Channels is what each channel could sell of a SKU, in order of channel, given its document. Of a kit it is what its components gave: these are folded for it.
func (p *Past) Channels(ctx context.Context, d *Document) (list []Availability, err error) {
	components := map[string]*Document{}
	read := func(ctx context.Context, sku string) (*Document, error) {
		if x, ok := components[sku]; ok {
			return x, nil
		}
		x, events, err := p.Of(ctx, sku)
		if events == 0 {
			x = nil
		}
		components[sku] = x
		return x, err
	}
	for i := range p.prices.channels {
		a := p.prices.availability(d, d.SKU, i, p.now)
		if d.Balances.AsKit() != nil {
			if a, err = p.prices.compose(ctx, d, i, p.now, read); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, nil
}
