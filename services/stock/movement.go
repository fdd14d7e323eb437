package stock

import (
	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// checkMovement checks every field of a movement.
func checkMovement(c *validation.Checker, m *pb.Movement) {
	c.ID("movement_id", m.MovementId)
	c.ID("source", m.Source)
	c.ID("sku", m.Sku)
	if !optionalLocation(m) {
		c.ID("location", m.Location)
	}
	checkOccurred(c, "occurred_at", instant(m.OccurredAt))
	if m.OccurredAt != nil && !m.OccurredAt.IsValid() {
		c.Fail("occurred_at", "must be a time within the years 1 to 9999")
	}
	_, signed := m.Kind.(*pb.Movement_Adjusted_)
	checkAmount(c, m.Quantity, m.Decimal, signed)
	c.Text("document", m.Document, validation.MaxID)
	c.Text("line", m.Line, validation.MaxID)
	c.Text("correlation_id", m.CorrelationId, validation.MaxID)
	c.Text("actor", m.Actor, validation.MaxID)
	checkKind(c, m)
}

func checkKind(c *validation.Checker, m *pb.Movement) {
	switch k := m.Kind.(type) {
	case *pb.Movement_Received_:
		checkCondition(c, "received.condition", k.Received.GetCondition())
		checkCost(c, "received.", k.Received.GetUnitCost(), k.Received.GetCurrency())
	case *pb.Movement_Sold_:
		c.Text("sold.channel", k.Sold.GetChannel(), validation.MaxID)
		c.Text("sold.reservation_id", k.Sold.GetReservationId(), validation.MaxID)
	case *pb.Movement_Returned_:
		checkCondition(c, "returned.condition", k.Returned.GetCondition())
		c.Text("returned.channel", k.Returned.GetChannel(), validation.MaxID)
	case *pb.Movement_Adjusted_:
		checkCondition(c, "adjusted.condition", k.Adjusted.GetCondition())
		c.Text("adjusted.reason", k.Adjusted.GetReason(), validation.MaxNote)
	case *pb.Movement_Counted_:
		checkCondition(c, "counted.condition", k.Counted.GetCondition())
	case *pb.Movement_ConditionChanged_:
		checkCondition(c, "condition_changed.from", k.ConditionChanged.GetFrom())
		checkCondition(c, "condition_changed.to", k.ConditionChanged.GetTo())
		c.Text("condition_changed.reason", k.ConditionChanged.GetReason(), validation.MaxNote)
		if condition(k.ConditionChanged.GetFrom()) == condition(k.ConditionChanged.GetTo()) {
			c.Fail("condition_changed.to", "must differ from the condition before")
		}
	case *pb.Movement_TransferShipped:
		c.ID("transfer_shipped.destination", k.TransferShipped.GetDestination())
		c.Text("transfer_shipped.transfer_id", k.TransferShipped.GetTransferId(), validation.MaxID)
		if k.TransferShipped.GetDueAt() != nil {
			checkDue(c, "transfer_shipped.due_at", k.TransferShipped.GetDueAt())
		}
	case *pb.Movement_TransferReceived:
		c.ID("transfer_received.origin", k.TransferReceived.GetOrigin())
		c.Text("transfer_received.transfer_id", k.TransferReceived.GetTransferId(), validation.MaxID)
		checkCondition(c, "transfer_received.condition", k.TransferReceived.GetCondition())
	case *pb.Movement_SupplyExpected, *pb.Movement_SupplyRescheduled, *pb.Movement_SupplyCancelled:
		checkSupply(c, m)
	case *pb.Movement_CostCorrected_:
		checkCorrection(c, k.CostCorrected)
	default:
		c.Fail("kind", "must be given: one of received, sold, returned, adjusted, counted, condition_changed, "+
			"transfer_shipped, transfer_received, supply_expected, supply_rescheduled, supply_cancelled, cost_corrected")
	}
}

// movementOf translates a movement that passed the checks.
func movementOf(m *pb.Movement) domain.Movement {
	d := domain.Movement{Location: m.Location, Quantity: m.Quantity, Decimal: m.Decimal}
	switch k := m.Kind.(type) {
	case *pb.Movement_Received_:
		d.Kind, d.Condition = domain.KindReceived, condition(k.Received.GetCondition())
		d.Cost = costOf(k.Received.GetUnitCost(), k.Received.GetCurrency())
	case *pb.Movement_CostCorrected_:
		d.Kind, d.InsteadOf = domain.KindCostCorrected, k.CostCorrected.GetInsteadOf()
		d.Cost = costOf(k.CostCorrected.GetUnitCost(), k.CostCorrected.GetCurrency())
	case *pb.Movement_Sold_:
		d.Kind, d.Channel, d.ReservationID = domain.KindSold, k.Sold.GetChannel(), k.Sold.GetReservationId()
	case *pb.Movement_Returned_:
		d.Kind, d.Condition, d.Channel = domain.KindReturned, condition(k.Returned.GetCondition()), k.Returned.GetChannel()
	case *pb.Movement_Adjusted_:
		d.Kind, d.Condition, d.Reason = domain.KindAdjusted, condition(k.Adjusted.GetCondition()), k.Adjusted.GetReason()
	case *pb.Movement_Counted_:
		d.Kind, d.Condition = domain.KindCounted, condition(k.Counted.GetCondition())
	case *pb.Movement_ConditionChanged_:
		d.Kind, d.Reason = domain.KindConditionChanged, k.ConditionChanged.GetReason()
		d.Condition, d.To = condition(k.ConditionChanged.GetFrom()), condition(k.ConditionChanged.GetTo())
	case *pb.Movement_TransferShipped:
		d.Kind, d.Other = domain.KindTransferShipped, k.TransferShipped.GetDestination()
		d.TransferID, d.DueAt = k.TransferShipped.GetTransferId(), instant(k.TransferShipped.GetDueAt())
	case *pb.Movement_TransferReceived:
		d.Kind, d.Other = domain.KindTransferReceived, k.TransferReceived.GetOrigin()
		d.TransferID, d.Condition = k.TransferReceived.GetTransferId(), condition(k.TransferReceived.GetCondition())
	default:
		supplyOf(m, &d)
	}
	return d
}

// factOf makes the fact of a movement that passed the checks. origin adds what only the message knows.
func factOf(m *pb.Movement, origin aggregates.Metadata) Fact {
	f := Fact{SKU: m.Sku, Movement: movementOf(m), Metadata: origin}
	meta := &f.Metadata
	meta.OccurredAt = instant(m.OccurredAt)
	meta.CorrelationID = m.CorrelationId
	meta.Actor = m.Actor
	meta.Source.System, meta.Source.MessageID = m.Source, m.MovementId
	meta.Source.Document, meta.Source.Line = m.Document, m.Line
	meta.IdempotencyKey = idempotencyKey(m.Source, m.MovementId, 0)
	meta.Fingerprint = fingerprint(&f)
	return f
}

// fingerprint condenses what a fact says. What may differ between two tellings of it is left out: sequence,
// correlation, actor, and the way it came.
func fingerprint(f *Fact) uint64 {
	d := &f.Movement
	kinds := [...]byte{byte(d.Kind), byte(d.Condition), byte(d.To)}
	if d.Order != "" {
		return aggregates.Fingerprint(f.SKU, d.Location, timeText(f.Metadata.OccurredAt), string(kinds[:]), quantityText(d.Quantity), d.Decimal,
			d.Document, d.Line, timeText(d.DueAt), quantityText(int64(d.Supply)), d.Order, d.OrderLine)
	}
	if d.Cost != nil {
		return aggregates.Fingerprint(f.SKU, d.Location, timeText(f.Metadata.OccurredAt), string(kinds[:]), quantityText(d.Quantity),
			d.Decimal, f.Metadata.Source.Document, f.Metadata.Source.Line, quantityText(d.Cost.Unit), d.Cost.Currency, quantityText(d.InsteadOf))
	}
	if d.DueAt != 0 || d.Supply != 0 {
		return aggregates.Fingerprint(f.SKU, d.Location, timeText(f.Metadata.OccurredAt), string(kinds[:]), quantityText(d.Quantity),
			d.Decimal, d.Other, d.TransferID, d.Reason, d.Document, d.Line, timeText(d.DueAt), quantityText(int64(d.Supply)))
	}
	return aggregates.Fingerprint(f.SKU, d.Location, timeText(f.Metadata.OccurredAt), string(kinds[:]), quantityText(d.Quantity),
		d.Decimal, d.Other, d.TransferID, d.Channel, d.ReservationID, d.Reason, f.Metadata.Source.Document, f.Metadata.Source.Line)
}
