package availability

import (
	"context"
	"fmt"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
)

// Begun is a stretch of the store.
type Begun struct {
	SKUs    []string // whose streams begin in it
	Events  int      // of SKUs
	Reached uint64   // position where it ends
}

// Begun reads what was recorded after a position of the store, up to another one that is readable, and tells of the SKUs whose streams begin there: every SKU that
// has events is told of once, whether it has a document or not. It calls each with those of every batch, in order of position, and with how far that
// reaches, until each returns false or an error. Streams that do not begin with their first event any more are not told of.
func (c *Checker) Begun(ctx context.Context, after, through uint64, each func(Begun) (more bool, err error)) error {
	if after >= through {
		return nil
	}
	sub, err := c.runner.Store.Subscribe(ctx, after, aggregates.SKUPrefix)
	if err != nil {
		return fmt.Errorf("read events after position %d: %w", after, err)
	}
	defer sub.Close()
	for after < through {
		b, err := sub.Next(ctx)
		if err != nil {
			return fmt.Errorf("read events after position %d: %w", after, err)
		}
		begun := Begun{Events: len(b.Records), Reached: min(b.Through, through)}
		for i := range b.Records {
			if r := &b.Records[i]; r.Revision == 0 && r.Position <= through {
				begun.SKUs = append(begun.SKUs, strings.Clone(r.Stream[len(aggregates.SKUPrefix):]))
			}
		}
		after = b.Through
		if more, err := each(begun); err != nil || !more {
			return err
		}
	}
	return nil
}

// Documented tells whether a document of a SKU is stored, in its place.
func (c *Checker) Documented(ctx context.Context, sku string) (bool, error) {
	d, err := c.model.Read(ctx, sku)
	if err != nil {
		return false, fmt.Errorf("%w: read the document of SKU %q: %w", ErrUnreadable, sku, err)
	}
	return d.is(sku), nil
}
