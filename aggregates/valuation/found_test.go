package valuation

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates/stock"
)

// What units would be worth that nobody could have received is not made up: they are shown as without a cost.
func TestUnitsThatWouldBeWorthMoreThanMayBeHaveNoCost(t *testing.T) {
	for _, x := range []struct{ quantity, value, uncosted int64 }{
		{1_000, 1_000 * stock.MaxUnitCost, 0}, {1_001, 0, 1_001}, {1_000_000_000_000_000, 0, 1_000_000_000_000_000},
	} {
		p := Pool{Last: Layer{Quantity: 1, Value: stock.MaxUnitCost}}
		parts := p.Found(x.quantity)
		if parts.Value() != x.value || parts.Uncosted != x.uncosted {
			t.Errorf("%d units: worth %d, %d without a cost", x.quantity, parts.Value(), parts.Uncosted)
		}
	}
}
