package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/services/commands"
)

// partSKUs is how many SKUs a part of a run is about.
const partSKUs = 20

// eventDiscrepancies is how many discrepancies, and rows that cannot be compared, one event keeps; a part that has more is kept by several.
const eventDiscrepancies = 100

// part is what was found of some SKUs and is not kept yet.
type part struct {
	skus          int
	last          string // of them
	discrepancies []reconciliation.Discrepancy
	refused       []refusal
}

// refusal is a row that cannot be compared.
type refusal struct {
	sku string
	reconciliation.Refused
}

// kept is what the run's stream has of what was found: by this process, by one before it, or by another that compares the run at the same time. What they find may
// differ, for facts and SKUs come in meanwhile; the first to keep something of a SKU decides.
type kept struct {
	next    uint64 // revision of the run's stream that is not read yet
	parts   int64  // place of the next event of what was found
	through string // up to this SKU all is kept
	beyond  map[placed]bool
	lines   map[int64]bool // of rows behind it that cannot be compared
}

// placed is a place of a SKU.
type placed struct{ sku, location, condition string }

// take notes an event that the stream has.
func (k *kept) take(e *reconciliation.Found) {
	k.parts = e.Part + 1
	if e.Through != "" {
		k.through, k.beyond, k.lines = e.Through, nil, nil
		return
	}
	if k.beyond == nil {
		k.beyond, k.lines = map[placed]bool{}, map[int64]bool{}
	}
	for i := range e.Discrepancies {
		d := &e.Discrepancies[i]
		k.beyond[placed{d.SKU, d.Location, d.Condition}] = true
	}
	for _, r := range e.Refused {
		k.lines[r.Line] = true
	}
}

// drop leaves out what the stream has.
func (p *part) drop(k *kept) {
	p.discrepancies = slices.DeleteFunc(p.discrepancies, func(d reconciliation.Discrepancy) bool {
		return d.SKU <= k.through || k.beyond[placed{d.SKU, d.Location, d.Condition}]
	})
	p.refused = slices.DeleteFunc(p.refused, func(r refusal) bool { return r.sku <= k.through || k.lines[r.Line] })
}

// event is the first that keeps something of the part.
func (p *part) event(place int64) *reconciliation.Found {
	n, m := min(len(p.discrepancies), eventDiscrepancies), min(len(p.refused), eventDiscrepancies)
	e := &reconciliation.Found{Part: place, Discrepancies: p.discrepancies[:n:n]}
	for _, r := range p.refused[:m] {
		e.Refused = append(e.Refused, r.Refused)
	}
	if n == len(p.discrepancies) && m == len(p.refused) {
		e.Through = p.last
	}
	return e
}

// refuse notes a row that cannot be compared.
func (c *comparison) refuse(sku string, line int64, err error) {
	c.part.refused = append(c.part.refused, refusal{sku, reconciliation.Refused{Line: line, Reason: clip(err.Error())}})
}

// keepPart keeps what was found of the SKUs since the last part.
func (c *comparison) keepPart(ctx context.Context) error {
	for {
		if c.part.drop(&c.kept); len(c.part.discrepancies)+len(c.part.refused) == 0 {
			c.part = part{}
			return nil
		}
		e := c.part.event(c.kept.parts)
		_, err := c.Runs.Do(ctx, c.id, metadata(c.id, fmt.Sprintf("part %d", e.Part), &c.header, c.Now()), deciding[reconciliation.State](
			func(x *reconciliation.State) ([]aggregates.Event, error) { return reconciliation.Keep(x, *e) }))
		switch {
		case errors.Is(err, reconciliation.ErrOvertaken):
			err = c.catchUp(ctx)
		case err == nil:
			c.kept.take(e)
		}
		if err != nil {
			return err
		}
	}
}

// catchUp reads what others kept.
func (c *comparison) catchUp(ctx context.Context) error {
	before := c.kept.parts
	err := c.each(ctx, c.kept.next, func(e aggregates.Event, revision uint64) error {
		c.kept.next = revision + 1
		if f, ok := e.(*reconciliation.Found); ok && f.Part >= before {
			c.kept.take(f)
		}
		return nil
	})
	if err == nil && c.kept.parts == before {
		return fmt.Errorf("%w: %w", commands.ErrUnavailable, reconciliation.ErrOvertaken) // the store does not show yet by what
	}
	return err
}
