package viewtest

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// rule makes a fact about a rule of a SKU's own.
func (f *Facts) rule() aggregates.Event {
	switch f.IntN(4) {
	case 0:
		return &stock.SafetyStockSet{Location: f.location(), Channel: f.channel(), BasisPoints: 100 * f.Int64N(20)}
	case 1:
		return &stock.AllocationSet{Channel: f.channel(), Locations: []string{"place 0", "place 1"}, Fence: f.Int64N(9), Capped: f.IntN(2) == 0, Cap: 40}
	case 2:
		return &stock.SellingRuleSet{Rule: stock.SellingRule{Channel: f.channel(), Backorders: f.Int64N(5) - 1, LowStock: f.Int64N(9), SellOut: f.Int64N(3)}}
	default:
		return &stock.SellingRuleSet{Rule: stock.SellingRule{Channel: f.channel()}, Ended: true}
	}
}

// shared makes a fact about a rule that is about more than one SKU.
func (f *Facts) shared() (string, aggregates.Event) {
	stream := aggregates.PolicyPrefix + aggregates.SharedRules
	ended := f.IntN(4) == 0
	switch f.IntN(5) {
	case 0:
		return stream, &rules.SafetySet{Rule: stock.SafetyRule{Category: "c", Portion: stock.Portion{Units: f.Int64N(6)}}, Ended: ended}
	case 1:
		return stream, &rules.GroupDefined{Group: "north", Locations: []string{"place 0", fmt.Sprint("place ", 1+f.IntN(3))}}
	case 2:
		return stream, &rules.FulfilmentSet{Method: "ship", Rule: stock.Method{Kinds: []string{"dc"}, CutOff: stock.NoCutOff}, Ended: ended}
	case 3:
		return stream, &rules.MoveSet{Rule: stock.MoveRule{Channel: f.channel(), Off: f.IntN(2) == 0}, Ended: ended}
	default:
		return stream, &rules.ReturnSet{Rule: rules.ReturnRule{Channel: f.channel(), Condition: stock.Inspection}, Ended: ended}
	}
}
