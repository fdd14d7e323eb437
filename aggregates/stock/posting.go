package stock

import (
	"math"

	"github.com/stockfold/stockfold/aggregates"
)

// Dimension is what a posting changes.
type Dimension uint8

// The dimensions of a ledger.
const (
	PostOnHand Dimension = iota
	PostReserved
	PostInTransit
	PostIncoming
	PostCost    // what so many units cost that had been received
	PostNothing // an event that changed nothing on this axis, and is counted
)

// Flow says what made units come or go, for a report between two instants.
type Flow uint8

// The flows. What is on hand at the end is what was there at the beginning, plus each of them.
const (
	FlowNone Flow = iota
	FlowReceived
	FlowSold
	FlowReturned
	FlowAdjusted // counts, adjustments, changes of condition
	FlowTransferred
	Flows // their number
)

// Never is the instant of a posting that is not on an axis.
const Never aggregates.Instant = math.MaxInt64

// Posting is one change of one number at a location, and when it holds on the axis of occurred time. Most hold from
// their recording on, on the axis of recorded time; those marked Past cancel out there, and those that come Due hold
// from At on, should that be after the recording.
type Posting struct {
	Location  string
	Condition Condition // of what is on hand
	Dimension Dimension
	Flow      Flow
	Delta     int64
	At        aggregates.Instant
	Count     bool  // comes before movements of the same instant
	Net       bool  // is one change with what the same event does besides
	Past      bool  // a count covers it
	Due       bool  // the end of a hold
	Cost      *Cost // of units that were received, or its correction
}

// Post yields what an event changes, in the order in which it does. Adding up the postings up to an instant gives the balance at
// that instant. What is incoming follows the facts as they were resolved when they were recorded.
func Post(e aggregates.Event, m *aggregates.Metadata, yield func(Posting)) {
	at := occurred(m)
	if received, ok := e.(*TransferReceived); ok {
		yield(Posting{Location: received.Location, Dimension: PostInTransit, Flow: FlowTransferred, Delta: -received.Quantity, At: at})
	}
	postLegs(e, at, yield)
	switch e := e.(type) {
	case *TransferShipped:
		if e.Destination != "" {
			yield(Posting{Location: e.Destination, Dimension: PostInTransit, Flow: FlowTransferred, Delta: e.Quantity, At: at})
		}
	case *ReceiptCostCorrected:
		yield(Posting{Location: e.Location, Dimension: PostCost, Flow: FlowReceived, Delta: e.Quantity, At: at,
			Cost: &Cost{Unit: e.Unit, Currency: e.Currency, Value: e.Value}})
	default:
		postPromise(e, at, yield)
	}
	for _, c := range supplyOf(e) {
		if c.Lost != 0 {
			yield(Posting{Location: c.Location, Dimension: PostInTransit, Delta: -c.Lost, At: at})
		}
		if c.Open != 0 {
			yield(Posting{Location: c.Location, Dimension: PostIncoming, Delta: c.Open, At: at})
		}
	}
}

// postLegs yields what moved. What a count covers is taken back at its as-of time.
func postLegs(e aggregates.Event, at aggregates.Instant, yield func(Posting)) {
	flow := flowOf(e)
	_, net := e.(*StockConditionChanged)
	legs(e, func(l leg) {
		p := Posting{
			Location: l.location, Condition: l.condition, Flow: flow, Delta: l.delta, At: at, Count: l.count, Net: net,
			Past: l.absorbed.Is(),
		}
		if received, ok := e.(*StockReceived); ok {
			p.Cost = received.Cost
		}
		yield(p)
		if p.Past {
			yield(Posting{Location: l.location, Condition: l.condition, Flow: FlowAdjusted, Delta: -l.delta, At: l.absorbed.AsOf, Count: true, Past: true})
		}
	})
}

func flowOf(e aggregates.Event) Flow {
	switch e.(type) {
	case *StockReceived:
		return FlowReceived
	case *StockSold, *ReservationFulfilled:
		return FlowSold
	case *StockReturned:
		return FlowReturned
	case *TransferShipped, *TransferReceived:
		return FlowTransferred
	}
	return FlowAdjusted
}

// postPromise yields what reservations do. A hold counts until it ends, whenever that is recorded: so its end is posted with it, and taken
// back by whatever ends or changes the hold before.
func postPromise(e aggregates.Event, at aggregates.Instant, yield func(Posting)) {
	hold := func(location string, quantity int64, until aggregates.Instant) {
		yield(Posting{Location: location, Dimension: PostReserved, Delta: quantity, At: at})
		if until != 0 {
			yield(Posting{Location: location, Dimension: PostReserved, Delta: -quantity, At: max(until, at), Due: true})
		}
	}
	all := func(splits []Split, sign int64, until aggregates.Instant) {
		for _, x := range splits {
			hold(x.Location, sign*x.Quantity, until)
		}
	}
	switch e := e.(type) {
	case *ReservationPlaced:
		all(e.Splits, +1, e.ExpiresAt)
	case *ReservationReleased:
		all(e.Splits, -1, e.ExpiresAt)
	case *ReservationExpired:
		all(e.Splits, -1, e.ExpiresAt)
	case *ReservationConfirmed:
		all(e.Splits, -1, e.ExpiredAt)
		all(e.Splits, +1, 0)
	case *ReservationExtended:
		all(e.Splits, -1, e.From)
		all(e.Splits, +1, e.ExpiresAt)
	case *ReservationFulfilled:
		for _, x := range e.Splits {
			hold(x.ReservedAt, -x.Quantity, e.ExpiresAt)
		}
	case *ReservationReallocated:
		all(e.From, -1, e.ExpiresAt)
		all(e.To, +1, e.ExpiresAt)
	case *ReservationChanged:
		all(e.Removed, -1, e.ExpiresAt)
		all(e.Added, +1, e.ExpiresAt)
	}
}
