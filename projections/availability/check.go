package availability

import (
	"context"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Checker compares documents with what their streams come to, and mends those that differ. Any number of goroutines may use it.
type Checker struct {
	*Projection
	streams Streams
}

// NewChecker makes a checker of the projection's documents.
func (p *Projection) NewChecker(streams Streams) *Checker { return &Checker{p, streams} }

// Check folds a SKU's stream afresh and compares its documents, the stored and the remembered one, with that: they must say what the events up to their
// position come to, and include every event that is readable. It returns nil when they do; ErrAhead and ErrCut when they cannot be compared;
// ErrUnreadable while the read model is built again.
func (c *Checker) Check(ctx context.Context, sku string) (d *Drift, err error) {
	steady, err := c.runner.Steadily(func() (err error) {
		d, err = c.check(ctx, sku)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !steady:
		return nil, errRepairing
	}
	return d, nil
}

// check finds out how far the projection is before it reads the documents: they include everything up to there.
func (c *Checker) check(ctx context.Context, sku string) (*Drift, error) {
	readable := c.runner.Position()
	stored, err := c.model.Read(ctx, sku)
	if err != nil {
		return nil, fmt.Errorf("%w: read the document of SKU %q: %w", ErrUnreadable, sku, err)
	}
	if !stored.is(sku) {
		stored = nil
	}
	d, err := c.compare(ctx, &Drift{SKU: sku, Copy: CopyStored}, stored, readable)
	if d != nil || err != nil {
		return d, err
	}
	readable = c.runner.Position()
	if remembered := c.cache.Get(sku); remembered != nil {
		return c.compare(ctx, &Drift{SKU: sku, Copy: CopyMemory}, remembered, readable)
	}
	return nil, nil
}

// is tells whether a document is there, and of a SKU: in its place there could be another one's.
func (d *Document) is(sku string) bool { return d != nil && d.SKU == sku }

// compare compares one document, nil when there is none, that was read when everything up to a position was readable. It returns the drift with what was found,
// nil when nothing was.
func (c *Checker) compare(ctx context.Context, d *Drift, live *Document, readable uint64) (*Drift, error) {
	prices := c.prices()
	if live != nil {
		d.Position = live.Position
	}
	f := &fresh{Document: Document{SKU: d.SKU}}
	if err := f.follow(ctx, c.streams, through(d.Position), nil); err != nil {
		return nil, err
	}
	exact := f.Position == d.Position
	if exact && live != nil {
		if err := d.find(live, f, prices); err != nil {
			return nil, err
		}
	}
	if d.Position < readable {
		if err := f.follow(ctx, c.streams, through(readable), nil); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Position > d.Position && !exact:
		d.Kind = DriftVersion
	case f.Position > d.Position && live == nil:
		d.Kind = DriftMissing
	case f.Position > d.Position:
		d.Kind = DriftLacks
	case !exact:
		return nil, fmt.Errorf("%w: SKU %q at position %d, its stream ends at %d", ErrAhead, d.SKU, d.Position, f.Position)
	case len(d.Differences) > 0:
		d.Kind = DriftDiffers
	default:
		return nil, nil
	}
	if d.Kind != DriftDiffers && live != nil {
		d.Differences, d.More = nil, 0
		if err := d.find(live, f, prices); err != nil {
			return nil, err
		}
	}
	d.Should, d.fresh = f.Position, f
	return d, c.blame(ctx, d, live)
}

// find adds what a document says otherwise than its stream.
func (d *Drift) find(live *Document, f *fresh, prices *pricing) error {
	var e Encoder
	is, err := flatten(&e, live)
	if err != nil {
		return err
	}
	should, err := flatten(&e, &f.Document)
	if err != nil {
		return err
	}
	d.add(differences(is, should))
	d.add(valueDifferences(live, &f.Document, prices))
	return nil
}

// blame finds the events concerned: it folds the stream once more, and looks at the fields that differ after each event.
func (c *Checker) blame(ctx context.Context, d *Drift, live *Document) error {
	is := fields{}
	var e Encoder
	if live != nil {
		var err error
		if is, err = flatten(&e, live); err != nil {
			return err
		}
	}
	f := &fresh{Document: Document{SKU: d.SKU}}
	var last []EventRef
	before := fields{}
	err := f.follow(ctx, c.streams, through(d.Should), func() error {
		last = keepLast(last, f.last)
		if f.next+maxLookedAt < d.fresh.next {
			return nil
		}
		now, err := flatten(&e, &f.Document)
		if err != nil {
			return err
		}
		d.follow(f.last, is, before, now)
		before = now
		return nil
	})
	if d.Kind == DriftMissing || d.Kind == DriftLacks && d.AsOf == nil {
		d.Concerned = slices.DeleteFunc(last, func(x EventRef) bool { return x.Position <= d.Position })
	} else if len(d.Concerned) == 0 {
		d.Concerned = last[max(0, len(last)-1):]
	}
	return err
}

// follow notes what an event has to do with the fields that differ, values of channels not included: those follow from the rest.
func (d *Drift) follow(e EventRef, is, before, now fields) {
	stored, equal, changed := 0, true, false
	for _, x := range d.Differences {
		if _, ok := is[x.Field]; !ok && now[x.Field] == "" && before[x.Field] == "" {
			continue
		}
		stored++
		equal = equal && is[x.Field] == now[x.Field]
		changed = changed || before[x.Field] != now[x.Field]
	}
	switch {
	case stored == 0:
	case equal:
		d.AsOf, d.Concerned = &e, nil
	case changed:
		d.Concerned = keepLast(d.Concerned, e)
	}
}

func keepLast(list []EventRef, e EventRef) []EventRef {
	if len(list) == MaxConcerned {
		list = list[:copy(list, list[1:])]
	}
	return append(list, e)
}

// through lets events up to a position be folded.
func through(position uint64) func(*aggregates.Record, aggregates.Metadata) bool {
	return func(r *aggregates.Record, _ aggregates.Metadata) bool { return r.Position <= position }
}

// SKUs lists up to limit SKUs that have stored documents, after a SKU; "" is before all.
func (c *Checker) SKUs(ctx context.Context, after string, limit int) ([]string, error) {
	list, err := c.model.Scan(ctx, after, min(limit, MaxScan))
	if err != nil {
		return nil, fmt.Errorf("%w: scan documents after SKU %q: %w", ErrUnreadable, after, err)
	}
	skus := make([]string, len(list))
	for i, d := range list {
		skus[i] = d.SKU
	}
	return skus, nil
}
