package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// TypeObservationRecorded names the fact, a contract that never changes.
const TypeObservationRecorded = "ObservationRecorded"

// Owner names the systems of record of what a movement is about, and since when they are, by occurred time.
type Owner struct {
	Sources  []string
	Since    aggregates.Instant // 0: from the beginning of time
	Location string             // whose they are, for a movement that names none
}

func (o *Owner) is(system string) bool { return slices.Contains(o.Sources, system) }

// ObservationRecorded keeps what a source said that is not the system of record, for those who reconcile. It moves no stock.
type ObservationRecorded struct {
	Movement      string // name of the fact that it would have been
	Location      string
	Condition, To Condition
	Quantity      int64 // what was counted or moved; signed when adjusted
	Other         string
	TransferID    string
	Channel       string
	ReservationID string
	Reason        string
	Supply        SupplyKind         // of a fact about supply; its document and line are the source's
	DueAt         aggregates.Instant // when it was to come; 0 when that was not said
	Owner         Owner              // who was believed instead when it was decided; without the location
}

// EventType names the fact.
func (*ObservationRecorded) EventType() string { return TypeObservationRecorded }

// observed keeps a movement without applying it.
func (r *Movement) observed(s *State, quantity int64) []aggregates.Event {
	return append(s.registered(nil), &ObservationRecorded{
		Movement: r.Kind.EventType(), Location: cmp.Or(r.Location, r.Owner.Location), Condition: r.Condition, To: r.To, Quantity: quantity,
		Other: r.Other, TransferID: r.TransferID, Channel: r.Channel, ReservationID: r.ReservationID, Reason: r.Reason,
		Supply: r.Supply, DueAt: r.DueAt.CeilSecond(), Owner: Owner{Sources: r.Owner.Sources, Since: r.Owner.Since},
	})
}

// EventType names the fact that a movement of this kind becomes, "" for an unknown kind.
func (k Kind) EventType() string {
	switch k {
	case KindReceived:
		return TypeStockReceived
	case KindSold:
		return TypeStockSold
	case KindReturned:
		return TypeStockReturned
	case KindAdjusted:
		return TypeStockAdjusted
	case KindCounted:
		return TypeStockCounted
	case KindConditionChanged:
		return TypeStockConditionChanged
	case KindTransferShipped:
		return TypeTransferShipped
	case KindTransferReceived:
		return TypeTransferReceived
	case KindSupplyExpected:
		return TypeSupplyExpected
	case KindSupplyRescheduled:
		return TypeSupplyRescheduled
	case KindSupplyCancelled:
		return TypeSupplyCancelled
	case KindCostCorrected:
		return TypeReceiptCostCorrected
	}
	return ""
}
