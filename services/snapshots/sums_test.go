package snapshots

import (
	"errors"
	"math"
	"testing"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/services/refusals"
)

// Two places of which only the sum does not fit.
func large(change func(*ledger.Place)) []ledger.SKU {
	list := []ledger.SKU{{SKU: "ale", Places: make([]ledger.Place, 1)}, {SKU: "milk", Places: make([]ledger.Place, 1)}}
	for i := range list {
		change(&list[i].Places[0])
	}
	return list
}

func TestSumsThatDoNotFitAreRefusedAndNotToldWrong(t *testing.T) {
	for name, change := range map[string]func(*ledger.Place){
		"on hand":  func(p *ledger.Place) { p.OnHand[stock.Sellable] = math.MaxInt64 - 1 },
		"owed":     func(p *ledger.Place) { p.OnHand[stock.Sellable] = math.MinInt64 + 1 },
		"value":    func(p *ledger.Place) { p.OnHand[stock.Sellable], p.Value = 1, math.MaxInt64/2+1 },
		"reserved": func(p *ledger.Place) { p.Reserved = math.MaxInt64 },
		"uncosted": func(p *ledger.Place) { p.Uncosted = math.MaxInt64 },
	} {
		for _, by := range []dimensions{{department: true}, {condition: true}} {
			x := &taking{dimensions: by, digest: newDigest()}
			for i := range large(change) {
				x.add(&large(change)[i])
			}
			var overflow *refusals.SumOverflow
			if err := x.flush(); !errors.As(err, &overflow) {
				t.Errorf("%s by %+v: %v", name, by, err)
			}
		}
		x := &taking{dimensions: dimensions{sku: true, location: true}, digest: newDigest()} // by themselves they fit
		for i := range large(change) {
			x.add(&large(change)[i])
			if err := x.flush(); err != nil {
				t.Errorf("%s by SKU: %v", name, err)
			}
		}
	}
}

func TestTotalsThatDoNotFitAreRefused(t *testing.T) {
	for name, line := range map[string]ledger.Line{
		"opening": {Opening: ledger.Amount{Units: math.MaxInt64}},
		"closing": {Closing: ledger.Amount{Value: math.MinInt64}},
		"a flow":  {Flow: [stock.Flows]ledger.Amount{stock.FlowSold: {Units: math.MinInt64 / 2 * 2}}},
	} {
		totals := map[rowKey]*ledger.Line{}
		first, second := total(totals, &line), total(totals, &line)
		var overflow *refusals.SumOverflow
		if first != nil || !errors.As(second, &overflow) {
			t.Errorf("%s: %v, then %v", name, first, second)
		}
	}
}
