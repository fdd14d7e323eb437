package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Needs tells whether more of an event of the stream is needed than what numbers are made of: it is a rule, its command may be repeated, or it is about a
// reservation, an order or a document of supply that the state knows.
func (s *State) Needs(e aggregates.Event, m *aggregates.Metadata) bool {
	switch e := e.(type) {
	case *StockCounted, *StockReceived, *StockReturned, *StockAdjusted, *StockConditionChanged, *ReceiptCostCorrected, *OversoldDetected, *ShortfallDetected:
	case *StockSold:
		if s.reservations.find(e.ReservationID) != nil {
			return true
		}
	case *TransferShipped, *TransferReceived, *SupplyExpected, *SupplyRescheduled, *SupplyCancelled:
	case *ObservationRecorded:
	default:
		if id := reservationOf(e); id == "" || s.reservations.find(id) != nil {
			return true
		}
	}
	if f, ok := supplyFactOf(e, m); ok && s.supply.get(f.supplyKey) != nil {
		return true
	}
	return m.IdempotencyKey != "" && s.remembered(hashKey(m.IdempotencyKey)) != nil
}

// OfReservation tells whether an event is about a reservation.
func OfReservation(e aggregates.Event) bool { return reservationOf(e) != "" }

// SamePast tells whether two events, of which one is condensed, say the same to those who look at the past: what moved when, what is promised and
// expected, at what cost, and which counts replace each other.
func SamePast(a, b aggregates.Event, m, n *aggregates.Metadata) bool {
	return a.EventType() == b.EventType() && occurred(m) == occurred(n) && m.RecordedAt == n.RecordedAt && countNumber(a, m) == countNumber(b, n) &&
		slices.Equal(legsOf(a), legsOf(b)) && slices.EqualFunc(postings(a, m), postings(b, n), samePosting)
}

func legsOf(e aggregates.Event) (list []leg) {
	legs(e, func(l leg) { list = append(list, l) })
	return list
}

func postings(e aggregates.Event, m *aggregates.Metadata) (list []Posting) {
	Post(e, m, func(p Posting) { list = append(list, p) })
	return list
}

func samePosting(a, b Posting) bool {
	if (a.Cost == nil) != (b.Cost == nil) || a.Cost != nil && *a.Cost != *b.Cost {
		return false
	}
	a.Cost, b.Cost = nil, nil
	return a == b
}
