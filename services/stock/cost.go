package stock

import (
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// checkCost checks what a unit cost, when that is said.
func checkCost(c *validation.Checker, prefix string, unit int64, currency string) {
	if unit < 0 || unit > domain.MaxUnitCost {
		c.Fail(prefix+"unit_cost", "must be 0 to %d minor units, is %d", domain.MaxUnitCost, unit)
	}
	if currency == "" && unit != 0 {
		c.Fail(prefix+"currency", "must be given with a unit cost")
	}
	if currency != "" && !isCurrency(currency) {
		c.Fail(prefix+"currency", "must be three capital letters, such as EUR")
	}
}

func isCurrency(code string) bool {
	if len(code) != 3 {
		return false
	}
	for i := range len(code) {
		if code[i] < 'A' || code[i] > 'Z' {
			return false
		}
	}
	return true
}

func checkCorrection(c *validation.Checker, k *pb.Movement_CostCorrected) {
	checkCost(c, "cost_corrected.", k.GetUnitCost(), k.GetCurrency())
	if k.GetCurrency() == "" {
		c.Fail("cost_corrected.currency", "must be given")
	}
	if k.GetInsteadOf() < 0 || k.GetInsteadOf() > domain.MaxUnitCost {
		c.Fail("cost_corrected.instead_of", "must be 0 to %d minor units, is %d", domain.MaxUnitCost, k.GetInsteadOf())
	}
}

// costOf is what a unit cost; nil when nobody said.
func costOf(unit int64, currency string) *domain.Cost {
	if currency == "" {
		return nil
	}
	return &domain.Cost{Unit: unit, Currency: currency}
}
