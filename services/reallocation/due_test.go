package reallocation

import (
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
)

// Those that surely have something at risk do not wait until many others are looked through.
func TestWhatIsSurelyAtRiskComesFirst(t *testing.T) {
	p := New(Config{Directory: policies.New(policies.Config{}), Now: func() aggregates.Instant { return aggregates.Second }})
	var list []availability.Risky
	for i := range 3 * batch {
		list = append(list, availability.Risky{SKU: fmt.Sprintf("sku-%04d", i), Sure: i%(batch/2) == batch/2-1})
	}
	for round, after := range []string{"", "sku-0150", "sku-0599"} {
		p.after = after
		due := p.due(list)
		if len(due) != batch+6 { // of the others as many as one round may look at
			t.Fatalf("round %d: %d are due, want %d", round, len(due), batch+6)
		}
		for i, x := range due {
			if x.Sure != (i < 6) {
				t.Errorf("round %d: %d of those that are due is %+v", round, i, x)
			}
		}
		if first := due[6].SKU; first <= after && after != "sku-0599" {
			t.Errorf("round %d goes on with %s after %s", round, first, after)
		}
	}
}
