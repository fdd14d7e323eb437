package reconciliation

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reconciliation/classify"
	"github.com/stockfold/stockfold/services/refusals"
)

// available is what of a SKU was available on the channel at an instant, by what was recorded then.
func (c *comparison) available(ctx context.Context, sku string, at aggregates.Instant) (ats int64, item stock.Item, err error) {
	a, err := c.History.ExplainAvailability(ctx, &pb.ExplainAvailabilityRequest{Sku: sku, Channel: c.header.Channel, At: codec.Timestamp(at)})
	var undefined *refusals.UnknownChannel
	if errors.As(err, &undefined) { // not at that instant
		return 0, item, nil
	}
	if err != nil {
		return 0, item, err
	}
	return a.Ats, stock.Item{Decimals: int(a.Decimals)}, nil
}

// shown compares what a channel shows of a SKU with what it could sell; no rows are of a SKU that a complete snapshot leaves out.
func (c *comparison) shown(ctx context.Context, sku string, rows []reconciliation.Row) error {
	ats, item, err := c.available(ctx, sku, c.header.AsOf)
	if err != nil {
		return err
	}
	r := reconciliation.Row{SKU: sku}
	said := int64(0)
	if len(rows) > 0 {
		r = rows[0]
		if said, err = quantity(&r, &item); err != nil {
			c.refuse(sku, r.Line, err)
			return nil
		}
	}
	x := &classify.Case{Source: c.header.Source, AsOf: c.header.AsOf, Said: said, Held: ats, Then: ats}
	a := &account{item: item}
	if len(rows) > 1 {
		c.note(a, &r, x, classify.Finding{Class: reconciliation.Duplicate, Evidence: repeated(rows)})
		return nil
	}
	if !x.Differs() {
		return nil
	}
	if x.Shown, err = c.earlier(ctx, sku, ats, said); err != nil {
		return err
	}
	c.note(a, &r, x, classify.Explain(x))
	return nil
}

// earlier is what was available before each of the latest changes, the newest first, and what became of telling the channel: back to one that it was told of, or
// to what it shows.
func (c *comparison) earlier(ctx context.Context, sku string, ats, said int64) (list []classify.Shown, err error) {
	a, err := c.Service.read(ctx, sku, c.header.Source, c.header.AsOf, c.until)
	if err != nil {
		return nil, err
	}
	for i := len(a.moments) - 1; i >= 0; i-- {
		m := a.moments[i]
		if i > 0 && a.moments[i-1].at == m.at {
			continue // recorded together, and published together
		}
		before, _, err := c.available(ctx, sku, m.at-1)
		if err != nil {
			return nil, err
		}
		if before == ats && i > 0 {
			continue // nothing to tell
		}
		x := classify.Shown{Available: ats, RecordedAt: m.at, ID: m.id, Published: m.at}
		if c.Publications != nil {
			p, ok, err := c.Publications.Published(ctx, Change{SKU: sku, Channel: c.header.Channel, Position: m.position, RecordedAt: m.at, By: c.header.AsOf})
			if err != nil {
				return nil, err
			}
			if ok {
				x.Published, x.Trouble = p.At, clip(p.Trouble)
			}
		}
		list = append(list, x)
		if x.Delivered(c.header.AsOf) || before == said {
			return append(list, classify.Shown{Available: before, Published: c.header.AsOf}), nil // what was before it matters no more
		}
		ats = before
	}
	return append(list, classify.Shown{Available: ats, Published: c.header.AsOf}), nil
}
