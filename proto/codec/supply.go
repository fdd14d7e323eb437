package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// SupplyKind is a kind of supply as the contract writes it.
func SupplyKind(k stock.SupplyKind) pb.SupplyKind {
	return pb.SupplyKind(k) + pb.SupplyKind_SUPPLY_KIND_PURCHASE_ORDER
}

// The contract's kinds start at 1, the domain's at 0; "unspecified" means a purchase order.
func fromSupplyKind(k pb.SupplyKind) stock.SupplyKind {
	if k == pb.SupplyKind_SUPPLY_KIND_UNSPECIFIED {
		return stock.SupplyPurchaseOrder
	}
	return stock.SupplyKind(k - pb.SupplyKind_SUPPLY_KIND_PURCHASE_ORDER)
}

// setSupply fills the message of an event about supply; false when it is of another kind.
func setSupply(p *pb.Event, e aggregates.Event) bool {
	switch e := e.(type) {
	case *stock.SupplyExpected:
		p.Payload = &pb.Event_SupplyExpected{SupplyExpected: &pb.SupplyExpected{Kind: SupplyKind(e.Kind), Document: e.Document,
			Line: e.Line, Location: e.Location, Quantity: e.Quantity, DueAt: toTimestamp(e.DueAt), Supply: toSupplyChanges(e.Supply),
			OrderDocument: e.Order, OrderLine: e.OrderLine}}
	case *stock.SupplyRescheduled:
		p.Payload = &pb.Event_SupplyRescheduled{SupplyRescheduled: &pb.SupplyRescheduled{Kind: SupplyKind(e.Kind),
			Document: e.Document, Line: e.Line, DueAt: toTimestamp(e.DueAt), Supply: toSupplyChanges(e.Supply)}}
	case *stock.SupplyCancelled:
		p.Payload = &pb.Event_SupplyCancelled{SupplyCancelled: &pb.SupplyCancelled{Kind: SupplyKind(e.Kind),
			Document: e.Document, Line: e.Line, Reason: e.Reason, Supply: toSupplyChanges(e.Supply)}}
	case *stock.ShortfallDetected:
		p.Payload = &pb.Event_ShortfallDetected{ShortfallDetected: toShortfall(e)}
	default:
		return false
	}
	return true
}

// supply returns an event about supply, or nil when it is of another kind.
func supply(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_SupplyExpected:
		v := x.SupplyExpected
		return &stock.SupplyExpected{Kind: fromSupplyKind(v.Kind), Document: v.Document, Line: v.Line, Location: v.Location,
			Quantity: v.Quantity, DueAt: fromTimestamp(v.DueAt), Supply: fromSupplyChanges(v.Supply),
			Order: v.OrderDocument, OrderLine: v.OrderLine}
	case *pb.Event_SupplyRescheduled:
		v := x.SupplyRescheduled
		return &stock.SupplyRescheduled{Kind: fromSupplyKind(v.Kind), Document: v.Document, Line: v.Line,
			DueAt: fromTimestamp(v.DueAt), Supply: fromSupplyChanges(v.Supply)}
	case *pb.Event_SupplyCancelled:
		v := x.SupplyCancelled
		return &stock.SupplyCancelled{Kind: fromSupplyKind(v.Kind), Document: v.Document, Line: v.Line, Reason: v.Reason,
			Supply: fromSupplyChanges(v.Supply)}
	case *pb.Event_ShortfallDetected:
		return fromShortfall(x.ShortfallDetected)
	}
	return nil
}

func toShortfall(e *stock.ShortfallDetected) *pb.ShortfallDetected {
	v := &pb.ShortfallDetected{Location: e.Location, At: toTimestamp(e.At), Missing: e.Missing, More: int32(e.More)}
	for _, p := range e.Promises {
		v.Promises = append(v.Promises, &pb.BrokenPromise{ReservationId: p.ReservationID, PromiseAt: toTimestamp(p.PromiseAt),
			Quantity: p.Quantity})
	}
	return v
}

func fromShortfall(v *pb.ShortfallDetected) *stock.ShortfallDetected {
	e := &stock.ShortfallDetected{Location: v.Location, At: fromTimestamp(v.At), Missing: v.Missing, More: int(v.More)}
	for _, p := range v.Promises {
		e.Promises = append(e.Promises, stock.BrokenPromise{ReservationID: p.ReservationId, PromiseAt: fromTimestamp(p.PromiseAt),
			Quantity: p.Quantity})
	}
	return e
}

func toSupplyChanges(list []stock.SupplyChange) []*pb.SupplyChange {
	if len(list) == 0 {
		return nil
	}
	out := make([]*pb.SupplyChange, len(list))
	for i, c := range list {
		out[i] = &pb.SupplyChange{Location: c.Location, DueAt: toTimestamp(c.DueAt), Open: c.Open, Lost: c.Lost}
	}
	return out
}

func fromSupplyChanges(list []*pb.SupplyChange) []stock.SupplyChange {
	if len(list) == 0 {
		return nil
	}
	out := make([]stock.SupplyChange, len(list))
	for i, c := range list {
		out[i] = stock.SupplyChange{Location: c.Location, DueAt: fromTimestamp(c.DueAt), Open: c.Open, Lost: c.Lost}
	}
	return out
}

// SupplyUses is what a promise counts on, as the contract writes it.
func SupplyUses(list []stock.SupplyUse) []*pb.SupplyUse {
	if len(list) == 0 {
		return nil
	}
	out := make([]*pb.SupplyUse, len(list))
	for i, u := range list {
		out[i] = &pb.SupplyUse{Kind: SupplyKind(u.Kind), Document: u.Document, Line: u.Line, Location: u.Location,
			DueAt: toTimestamp(u.DueAt), Quantity: u.Quantity}
	}
	return out
}

func fromSupplyUses(list []*pb.SupplyUse) []stock.SupplyUse {
	if len(list) == 0 {
		return nil
	}
	out := make([]stock.SupplyUse, len(list))
	for i, u := range list {
		out[i] = stock.SupplyUse{Kind: fromSupplyKind(u.Kind), Document: u.Document, Line: u.Line, Location: u.Location,
			DueAt: fromTimestamp(u.DueAt), Quantity: u.Quantity}
	}
	return out
}
