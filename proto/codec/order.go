package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// setOrdered fills the message of what orders add to a SKU's stream.
func setOrdered(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *stock.ReservationReallocated:
		p.Payload = &pb.Event_ReservationReallocated{ReservationReallocated: &pb.ReservationReallocated{ReservationId: e.ReservationID,
			From: toSplits(e.From), To: toSplits(e.To), ExpiresAt: toTimestamp(e.ExpiresAt), Reason: e.Reason,
			PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel, Cause: pb.ReallocationCause(e.Cause), PolicyPosition: e.PolicyPosition}}
	case *stock.ReservationChanged:
		p.Payload = &pb.Event_ReservationChanged{ReservationChanged: &pb.ReservationChanged{ReservationId: e.ReservationID,
			Added: toSplits(e.Added), Removed: toSplits(e.Removed), ExpiresAt: toTimestamp(e.ExpiresAt),
			PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel, PolicyPosition: e.PolicyPosition}}
	case *stock.ReservationBarred:
		p.Payload = &pb.Event_ReservationBarred{ReservationBarred: &pb.ReservationBarred{ReservationId: e.ReservationID,
			OrderId: e.OrderID, Version: e.Version}}
	case *stock.ReservationOrdered:
		p.Payload = &pb.Event_ReservationOrdered{ReservationOrdered: &pb.ReservationOrdered{ReservationId: e.ReservationID,
			OrderId: e.OrderID, Version: e.Version}}
	default:
		return setOrder(p, e)
	}
	return nil
}

// setOrder fills the message of an order's event.
func setOrder(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *order.Received:
		p.Payload = &pb.Event_OrderReceived{OrderReceived: &pb.OrderReceived{Channel: e.Channel, Lines: toLines(e.Lines),
			Sold: e.Sold, Partial: e.Partial, Confirm: e.Confirm, ExpiresAt: toTimestamp(e.ExpiresAt)}}
	case *order.Reserved:
		p.Payload = &pb.Event_OrderReserved{OrderReserved: &pb.OrderReserved{Short: Shortages(e.Short), Version: e.Version}}
	case *order.Rejected:
		p.Payload = &pb.Event_OrderRejected{OrderRejected: &pb.OrderRejected{Short: Shortages(e.Short)}}
	case *order.Confirmed:
		p.Payload = &pb.Event_OrderConfirmed{OrderConfirmed: &pb.OrderConfirmed{}}
	case *order.Extended:
		p.Payload = &pb.Event_OrderExtended{OrderExtended: &pb.OrderExtended{ExpiresAt: toTimestamp(e.ExpiresAt)}}
	case *order.Cancelled:
		p.Payload = &pb.Event_OrderCancelled{OrderCancelled: &pb.OrderCancelled{OrderVersion: e.OrderVersion, Reason: e.Reason}}
	case *order.Closed:
		p.Payload = &pb.Event_OrderClosed{OrderClosed: &pb.OrderClosed{}}
	case *order.LineChanged:
		p.Payload = &pb.Event_OrderLineChanged{OrderLineChanged: &pb.OrderLineChanged{Line: e.ID, Sku: e.SKU, Quantity: e.Quantity,
			OrderVersion: e.OrderVersion, Location: e.Location, Method: e.Method}}
	case *order.Settled:
		p.Payload = &pb.Event_OrderSettled{OrderSettled: &pb.OrderSettled{Version: e.Version}}
	case *order.Oversold:
		p.Payload = &pb.Event_OrderOversold{OrderOversold: Oversold(e)}
	case *order.Observed:
		p.Payload = &pb.Event_OrderObserved{OrderObserved: &pb.OrderObserved{Message: e.Message, Location: e.Location,
			Lines: toLines(e.Lines), Owners: e.Owners, OwnedSince: toTimestamp(e.Since)}}
	case *order.HoldLost:
		p.Payload = &pb.Event_OrderHoldLost{OrderHoldLost: &pb.OrderHoldLost{Sku: e.SKU, ReservationId: e.ReservationID}}
	default:
		return setUnits(p, e)
	}
	return nil
}

// setUnits fills the message of what happened to units of a line.
func setUnits(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *order.LineCut:
		p.Payload = &pb.Event_OrderLineCut{OrderLineCut: &pb.OrderLineCut{Line: e.Line, Sku: e.SKU, Quantity: e.Quantity, Reason: e.Reason}}
	case *order.LineFulfilled:
		p.Payload = &pb.Event_OrderLineFulfilled{OrderLineFulfilled: &pb.OrderLineFulfilled{Line: e.Line, Sku: e.SKU, Quantity: e.Quantity,
			Location: e.Location, Shipment: e.Shipment}}
	case *order.LineDelivered:
		p.Payload = &pb.Event_OrderLineDelivered{OrderLineDelivered: &pb.OrderLineDelivered{Line: e.Line, Sku: e.SKU, Quantity: e.Quantity,
			Shipment: e.Shipment}}
	case *order.LineReturned:
		p.Payload = &pb.Event_OrderLineReturned{OrderLineReturned: &pb.OrderLineReturned{Line: e.Line, Sku: e.SKU, Quantity: e.Quantity,
			Location: e.Location, Condition: toCondition(e.Condition), ReturnId: e.ReturnID, Reason: e.Reason, PolicyPosition: e.PolicyPosition}}
	case *order.Inspected:
		p.Payload = &pb.Event_OrderReturnInspected{OrderReturnInspected: &pb.OrderReturnInspected{Line: e.Line, Sku: e.SKU, Quantity: e.Quantity,
			Location: e.Location, Condition: toCondition(e.Condition), ReturnId: e.ReturnID}}
	default:
		return setRule(p, e)
	}
	return nil
}

// ordered returns what orders add to a SKU's stream, or an order's event.
func ordered(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_ReservationReallocated:
		v := x.ReservationReallocated
		return &stock.ReservationReallocated{ReservationID: v.ReservationId, From: fromSplits(v.From), To: fromSplits(v.To),
			ExpiresAt: fromTimestamp(v.ExpiresAt), Reason: v.Reason, PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel,
			Cause: stock.ReallocationCause(v.Cause), PolicyPosition: v.PolicyPosition}
	case *pb.Event_ReservationChanged:
		v := x.ReservationChanged
		return &stock.ReservationChanged{ReservationID: v.ReservationId, Added: fromSplits(v.Added), Removed: fromSplits(v.Removed),
			ExpiresAt: fromTimestamp(v.ExpiresAt), PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel,
			PolicyPosition: v.PolicyPosition}
	case *pb.Event_ReservationBarred:
		v := x.ReservationBarred
		return &stock.ReservationBarred{ReservationID: v.ReservationId, OrderID: v.OrderId, Version: v.Version}
	case *pb.Event_ReservationOrdered:
		v := x.ReservationOrdered
		return &stock.ReservationOrdered{ReservationID: v.ReservationId, OrderID: v.OrderId, Version: v.Version}
	}
	return orderEvent(p)
}

func orderEvent(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_OrderReceived:
		v := x.OrderReceived
		return &order.Received{Channel: v.Channel, Lines: Lines(v.Lines), Sold: v.Sold, Partial: v.Partial, Confirm: v.Confirm,
			ExpiresAt: fromTimestamp(v.ExpiresAt)}
	case *pb.Event_OrderReserved:
		return &order.Reserved{Short: fromShortages(x.OrderReserved.Short), Version: x.OrderReserved.Version}
	case *pb.Event_OrderRejected:
		return &order.Rejected{Short: fromShortages(x.OrderRejected.Short)}
	case *pb.Event_OrderConfirmed:
		return &order.Confirmed{}
	case *pb.Event_OrderExtended:
		return &order.Extended{ExpiresAt: fromTimestamp(x.OrderExtended.ExpiresAt)}
	case *pb.Event_OrderCancelled:
		return &order.Cancelled{OrderVersion: x.OrderCancelled.OrderVersion, Reason: x.OrderCancelled.Reason}
	case *pb.Event_OrderClosed:
		return &order.Closed{}
	case *pb.Event_OrderLineChanged:
		v := x.OrderLineChanged
		return &order.LineChanged{Line: order.Line{ID: v.Line, SKU: v.Sku, Quantity: v.Quantity, Location: v.Location, Method: v.Method},
			OrderVersion: v.OrderVersion}
	case *pb.Event_OrderSettled:
		return &order.Settled{Version: x.OrderSettled.Version}
	case *pb.Event_OrderOversold:
		return fromOversold(x.OrderOversold)
	case *pb.Event_OrderObserved:
		v := x.OrderObserved
		return &order.Observed{Message: v.Message, Location: v.Location, Lines: Lines(v.Lines), Owners: v.Owners, Since: fromTimestamp(v.OwnedSince)}
	case *pb.Event_OrderHoldLost:
		return &order.HoldLost{SKU: x.OrderHoldLost.Sku, ReservationID: x.OrderHoldLost.ReservationId}
	}
	return units(p)
}

func units(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_OrderLineCut:
		v := x.OrderLineCut
		return &order.LineCut{Part: order.Part{Line: v.Line, SKU: v.Sku, Quantity: v.Quantity}, Reason: v.Reason}
	case *pb.Event_OrderLineFulfilled:
		v := x.OrderLineFulfilled
		return &order.LineFulfilled{Part: order.Part{Line: v.Line, SKU: v.Sku, Quantity: v.Quantity}, Location: v.Location, Shipment: v.Shipment}
	case *pb.Event_OrderLineDelivered:
		v := x.OrderLineDelivered
		return &order.LineDelivered{Part: order.Part{Line: v.Line, SKU: v.Sku, Quantity: v.Quantity}, Shipment: v.Shipment}
	case *pb.Event_OrderLineReturned:
		v := x.OrderLineReturned
		return &order.LineReturned{Part: order.Part{Line: v.Line, SKU: v.Sku, Quantity: v.Quantity}, Location: v.Location,
			Condition: fromCondition(v.Condition), ReturnID: v.ReturnId, Reason: v.Reason, PolicyPosition: v.PolicyPosition}
	case *pb.Event_OrderReturnInspected:
		v := x.OrderReturnInspected
		return &order.Inspected{Part: order.Part{Line: v.Line, SKU: v.Sku, Quantity: v.Quantity}, Location: v.Location,
			Condition: fromCondition(v.Condition), ReturnID: v.ReturnId}
	}
	return nil
}

func toLines(lines []order.Line) []*pb.OrderedLine {
	out := make([]*pb.OrderedLine, len(lines))
	for i, x := range lines {
		out[i] = &pb.OrderedLine{Line: x.ID, Sku: x.SKU, Quantity: x.Quantity, ReservationId: x.ReservationID, Location: x.Location, Method: x.Method}
	}
	return out
}

// Lines reads lines of the contract.
func Lines(lines []*pb.OrderedLine) []order.Line {
	out := make([]order.Line, len(lines))
	for i, x := range lines {
		out[i] = order.Line{ID: x.Line, SKU: x.Sku, Quantity: x.Quantity, ReservationID: x.ReservationId, Location: x.Location, Method: x.Method}
	}
	return out
}

// Shortages writes lines that could not be promised as the contract does.
func Shortages(list []order.Shortage) []*pb.OrderShortage {
	out := make([]*pb.OrderShortage, len(list))
	for i, x := range list {
		out[i] = &pb.OrderShortage{Line: x.Line, Sku: x.SKU, Requested: x.Requested, Available: x.Available, Reason: x.Reason,
			PolicyPosition: x.PolicyPosition, Component: x.Component}
	}
	return out
}

func fromShortages(list []*pb.OrderShortage) []order.Shortage {
	if len(list) == 0 {
		return nil
	}
	out := make([]order.Shortage, len(list))
	for i, x := range list {
		out[i] = order.Shortage{Line: x.Line, SKU: x.Sku, Requested: x.Requested, Available: x.Available, Reason: x.Reason,
			PolicyPosition: x.PolicyPosition, Component: x.Component}
	}
	return out
}

// Oversold writes what an order oversold as the contract does.
func Oversold(e *order.Oversold) *pb.OrderOversold {
	p := &pb.OrderOversold{Sku: e.SKU, Location: e.Location, OnHand: e.OnHand, Reserved: e.Reserved}
	for _, x := range e.Breaks {
		p.Breaks = append(p.Breaks, &pb.PromiseBreak{ReservationId: x.ReservationID, Quantity: x.Quantity})
	}
	return p
}

func fromOversold(p *pb.OrderOversold) *order.Oversold {
	e := &order.Oversold{SKU: p.Sku, Location: p.Location, OnHand: p.OnHand, Reserved: p.Reserved}
	for _, x := range p.Breaks {
		e.Breaks = append(e.Breaks, order.Break{ReservationID: x.ReservationId, Quantity: x.Quantity})
	}
	return e
}
