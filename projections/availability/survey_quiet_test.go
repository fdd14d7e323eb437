package availability_test

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

// A stored document that a survey passes over has no rules of its own, nothing promised and nothing to come; damaged bytes are never passed over.
func TestAQuietDocumentHasNothingToKnowOf(t *testing.T) {
	const due = aggregates.Instant(1_900_000_000_000_000)
	for name, x := range map[string]struct {
		events []aggregates.Event
		quiet  bool
	}{
		"on hand":  {[]aggregates.Event{received("berlin", 3), received("köln", 4)}, true},
		"promised": {[]aggregates.Event{received("berlin", 3), &stock.ReservationPlaced{ReservationID: "r", Channel: "web", Quantity: 1, Splits: []stock.Split{{Location: "berlin", Quantity: 1}}}}, false},
		"to come": {[]aggregates.Event{received("berlin", 3), &stock.SupplyExpected{Document: "po", Line: "1", Location: "berlin", Quantity: 4, DueAt: due,
			Supply: []stock.SupplyChange{{Location: "berlin", DueAt: due, Open: 4}}}}, false},
		"rule": {[]aggregates.Event{received("berlin", 3), &stock.SellingRuleSet{Rule: stock.SellingRule{Channel: "web", Backorders: 7, LowStock: 50}}}, false},
	} {
		d := &availability.Document{SKU: "tea"}
		for _, e := range x.events {
			d.Balances.Evolve(e)
		}
		stored, err := new(availability.Encoder).Append(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		if got := availability.Quiet(stored); got != x.quiet {
			t.Errorf("%s: quiet is %v", name, got)
		}
		for n := range stored {
			if cut := stored[:n]; availability.Quiet(cut) && !x.quiet {
				if d, err := availability.Decode(cut); err != nil {
					t.Errorf("%s, %d of %d bytes: quiet, and is no document (%v)", name, n, len(stored), d)
				}
			}
		}
	}
}
