package codec

import (
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A receipt has a cost when it has a currency.
func toReceived(e *stock.StockReceived) *pb.StockReceived {
	v := &pb.StockReceived{Location: e.Location, Condition: toCondition(e.Condition), Quantity: e.Quantity,
		AbsorbedBy: toAbsorbed(e.Absorbed), Supply: toSupplyChanges(e.Supply)}
	if c := e.Cost; c != nil {
		v.UnitCost, v.Currency, v.Value = c.Unit, c.Currency, c.Value
	}
	return v
}

func fromReceived(v *pb.StockReceived) *stock.StockReceived {
	e := &stock.StockReceived{Location: v.Location, Condition: fromCondition(v.Condition), Quantity: v.Quantity,
		Absorbed: fromAbsorbed(v.AbsorbedBy), Supply: fromSupplyChanges(v.Supply)}
	if v.Currency != "" {
		e.Cost = &stock.Cost{Unit: v.UnitCost, Currency: v.Currency, Value: v.Value}
	}
	return e
}

func toCorrected(e *stock.ReceiptCostCorrected) *pb.ReceiptCostCorrected {
	return &pb.ReceiptCostCorrected{Location: e.Location, Quantity: e.Quantity, UnitCost: e.Unit, InsteadOf: e.InsteadOf,
		Currency: e.Currency, Value: e.Value}
}

func fromCorrected(v *pb.ReceiptCostCorrected) *stock.ReceiptCostCorrected {
	return &stock.ReceiptCostCorrected{Location: v.Location, Quantity: v.Quantity, Unit: v.UnitCost, InsteadOf: v.InsteadOf,
		Currency: v.Currency, Value: v.Value}
}
