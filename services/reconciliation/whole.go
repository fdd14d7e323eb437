package reconciliation

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/services/reconciliation/classify"
)

// leftOut notes places at which something is held, and of which a complete snapshot says nothing.
func (c *comparison) leftOut(ctx context.Context, sku string, a *account, said map[spot]bool) {
	for _, at := range slices.SortedFunc(maps.Keys(a.places), func(x, y spot) int {
		return cmp.Or(cmp.Compare(x.location, y.location), cmp.Compare(x.condition, y.condition))
	}) {
		if said[at] || !c.locations[at.location] {
			continue
		}
		x := c.caseOf(ctx, a, sku, at, 0)
		if !x.Differs() {
			continue
		}
		f := classify.Explain(x)
		f.Evidence = append([]reconciliation.Evidence{{Kind: "row", Text: "the snapshot is complete and leaves it out"}}, f.Evidence...)
		c.note(a, &reconciliation.Row{SKU: sku, Location: at.location, Condition: conditionNames[at.condition]}, x, f)
	}
}

// wholly goes through all SKUs beside the rows of a complete snapshot.
type wholly struct {
	items Items
	page  []string
	after string
	ended bool
}

const scanPage = 500

// peek is the next SKU; "" at the end.
func (w *wholly) peek(ctx context.Context) (string, error) {
	if len(w.page) == 0 && !w.ended {
		list, err := w.items.Scan(ctx, w.after, scanPage)
		if err != nil {
			return "", err
		}
		for _, d := range list {
			w.page = append(w.page, d.SKU)
			w.after = d.SKU
		}
		w.ended = len(list) < scanPage
	}
	if len(w.page) == 0 {
		return "", nil
	}
	return w.page[0], nil
}

// unsaid compares the SKUs that a complete snapshot leaves out before the one that it says something of; "" for all that are left.
func (c *comparison) unsaid(ctx context.Context, before string) error {
	if c.whole == nil {
		return nil
	}
	for {
		sku, err := c.whole.peek(ctx)
		if err != nil || sku == "" || before != "" && sku > before {
			return err
		}
		c.whole.page = c.whole.page[1:]
		if sku == before {
			return nil
		}
		if err := c.sku(ctx, sku, nil); err != nil {
			return err
		}
	}
}
