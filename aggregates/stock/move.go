package stock

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// Kind of a movement.
type Kind uint8

// The kinds of physical facts. The direction of a movement follows from its kind.
const (
	KindReceived Kind = iota + 1
	KindSold
	KindReturned
	KindAdjusted // signed
	KindCounted
	KindConditionChanged
	KindTransferShipped
	KindTransferReceived
	KindSupplyExpected
	KindSupplyRescheduled
	KindSupplyCancelled
	KindCostCorrected
)

// Movement is one physical fact. When it occurred is in the metadata that its events carry.
type Movement struct {
	Kind          Kind
	Location      string    // where it happened; the caller knows that it exists
	Quantity      int64     // base units, 0 to MaxQuantity; signed when adjusted; what lay there when counted
	Decimal       string    // instead of Quantity: in the item's unit, e.g. "5.5"
	Condition     Condition // of the units, before a change of condition; what is sold or shipped is sellable
	To            Condition // after a change of condition
	Other         string    // where a shipped transfer goes, where a received one came from
	TransferID    string
	Channel       string // that sold, or took back
	ReservationID string // that a sale fulfils
	Reason        string // of an adjustment or a change of condition
	Supply        SupplyKind
	DueAt         aggregates.Instant // of supply; of a shipped transfer, 0 when nobody knows. Rounded up to a whole second
	Document      string             // of supply
	Line          string             // of it; "" for all, when it is rescheduled or cancelled
	Order         string             // purchase order that an expected shipping notice is part of
	OrderLine     string             // of it; "" when the notice does not say
	Replayed      bool               // comes from the dead letters, so its offset was never applied, however old it is
	History       *History
	Owner         *Owner // systems of record of what it is about; nil: every source is believed
	Cost          *Cost  // of a receipt, or its correction; nil when nobody said. Its value is resolved here
	InsteadOf     int64  // what had been said that a unit cost, when it is corrected
}

// Moved is the result of a movement.
type Moved struct {
	Effect    int64 // change of the balance now, of the movement's condition; 0 when a count already covers it
	Oversold  bool  // it left less than is promised
	Short     bool  // it left less than is promised for a later date
	Duplicate bool  // it was recorded before, with this result
	ByOffset  bool  // a duplicate told by its offset alone: so old that its key, and its result, are forgotten

	Observed   bool // its source is not the system of record: kept as an observation, it moved nothing
	Superseded bool // a count that its source had already counted anew, by its own numbers; it changed nothing now
}

// Move decides what a physical fact changes. It is never refused for want of stock. A SKU that nobody knows is
// registered by default. What is wrong with the request itself is an error: *QuantityError, *NumberError,
// *DecimalsError, *OverflowError, *KeyReusedError, *KitError, *SupplyError, *TooManySupplyError, *CostError, ErrUnknownKind, ErrUnknownCondition;
// *NeedHistory asks for more. What the facts leave too little for, at a later date, is recorded as ShortfallDetected.
func Move(s *State, r Movement, m aggregates.Metadata, now aggregates.Instant) (Moved, []aggregates.Event, error) {
	first, err := s.recall(&m)
	if err != nil {
		return Moved{}, nil, err
	}
	if first != nil {
		return Moved{
			Effect: first.effect, Oversold: first.oversold, Short: first.short, Duplicate: true, Observed: first.observed,
			Superseded: first.superseded,
		}, nil, nil
	}
	if !r.Replayed && s.outlived(&m) {
		return Moved{Duplicate: true, ByOffset: true}, nil, nil
	}
	if kit := s.AsKit(); kit != nil {
		return Moved{}, nil, &KitError{Kit: *kit}
	}
	quantity, err := r.units(&s.Item)
	if err != nil {
		return Moved{}, nil, err
	}
	if r.Owner != nil && !r.Owner.is(m.Source.System) {
		return Moved{Observed: true}, r.observed(s, quantity), nil
	}
	q := inquiry{s: s, history: r.History}
	if r.Kind == KindCounted {
		q.number = numberOf(&m.Source)
	}
	events, err := r.decide(&q, quantity, occurred(&m), now)
	if err != nil {
		return Moved{}, nil, err
	}
	if err := s.resolveSupply(events, &m); err != nil {
		return Moved{}, nil, err
	}
	return s.conclude(events, now)
}

// units reads the quantity and checks what else bounds the movement.
func (r *Movement) units(item *Item) (int64, error) {
	if r.Condition >= conditions || r.To >= conditions {
		return 0, fmt.Errorf("%w: %d", ErrUnknownCondition, max(r.Condition, r.To))
	}
	lowest := int64(0)
	if r.Kind == KindAdjusted {
		lowest = -MaxQuantity
	}
	return units(r.Quantity, r.Decimal, item, lowest)
}

// decide resolves the movement against the counts that are recorded.
func (r *Movement) decide(q *inquiry, quantity int64, at, now aggregates.Instant) ([]aggregates.Event, error) {
	events := q.s.registered(make([]aggregates.Event, 0, 2))
	var err error
	if r.Kind == KindSold {
		events = r.sold(q, events, quantity, at, now)
	} else {
		var e aggregates.Event
		if e, err = r.fact(q, quantity, at); err == nil {
			events = append(events, e)
		}
	}
	if needed := q.err(); needed != nil {
		return nil, needed
	}
	return events, err
}

// fact makes the event of every kind but a sale.
func (r *Movement) fact(q *inquiry, quantity int64, at aggregates.Instant) (aggregates.Event, error) {
	absorbed := func(c Condition) AbsorbedBy { return q.absorber(r.Location, c, at) }
	switch r.Kind {
	case KindReceived:
		cost, err := costed(r.Cost, quantity, &q.s.Item)
		return &StockReceived{
			Location: r.Location, Condition: r.Condition, Quantity: quantity, Absorbed: absorbed(r.Condition), Cost: cost,
		}, err
	case KindReturned:
		return &StockReturned{
			Location: r.Location, Condition: r.Condition, Quantity: quantity, Absorbed: absorbed(r.Condition), Channel: r.Channel,
		}, nil
	case KindAdjusted:
		return &StockAdjusted{
			Location: r.Location, Condition: r.Condition, Delta: quantity, Reason: r.Reason, Absorbed: absorbed(r.Condition),
		}, nil
	case KindCounted:
		return decideCount(q, r, quantity, at)
	case KindConditionChanged:
		return &StockConditionChanged{
			Location: r.Location, From: r.Condition, To: r.To, Quantity: quantity, Reason: r.Reason,
			FromAbsorbed: absorbed(r.Condition), ToAbsorbed: absorbed(r.To),
		}, nil
	case KindTransferShipped:
		return &TransferShipped{
			Location: r.Location, Destination: r.Other, Quantity: quantity, TransferID: r.TransferID, Absorbed: absorbed(Sellable),
			DueAt: r.DueAt.CeilSecond(),
		}, nil
	case KindTransferReceived:
		return &TransferReceived{
			Location: r.Location, Origin: r.Other, Quantity: quantity, TransferID: r.TransferID, Condition: r.Condition,
			Absorbed: absorbed(r.Condition),
		}, nil
	}
	if r.Kind == KindCostCorrected {
		return r.corrected(quantity, &q.s.Item)
	}
	return r.supplied(quantity)
}

// sold fulfils what the named reservation still holds, and sells the rest without one. It appends the events.
func (r *Movement) sold(q *inquiry, events []aggregates.Event, quantity int64, at, now aggregates.Instant) []aggregates.Event {
	absorbed := q.absorber(r.Location, Sellable, at)
	if k := q.s.reservations.find(r.ReservationID); k != nil && k.live(now) && quantity > 0 {
		held := k.reservation()
		fulfilled := min(quantity, held.remaining())
		e := held.fulfilment(fulfilled, r.Location, func(string) AbsorbedBy { return absorbed })
		e.Channel = q.s.tallyOf(&held)
		events = append(events, e)
		if quantity -= fulfilled; quantity == 0 {
			return events
		}
	}
	return append(events, &StockSold{
		Location: r.Location, Quantity: quantity, Absorbed: absorbed, Channel: r.Channel, ReservationID: r.ReservationID,
	})
}

// conclude checks that the sums fit, adds what the facts oversell, and draws up the result.
func (s *State) conclude(events []aggregates.Event, now aggregates.Instant) (Moved, []aggregates.Event, error) {
	var moved Moved
	for _, e := range events {
		moved.Effect += effectOf(e)
		moved.Superseded = moved.Superseded || superseded(e)
	}
	oversold, err := s.consequences(events, now)
	if err != nil {
		return Moved{}, nil, err
	}
	for _, e := range oversold {
		_, later := e.(*ShortfallDetected)
		moved.Short = moved.Short || later
		moved.Oversold = moved.Oversold || !later
	}
	return moved, append(events, oversold...), nil
}

// registered appends what makes a SKU known that nobody registered.
func (s *State) registered(events []aggregates.Event) []aggregates.Event {
	if s.Item.Registered {
		return events
	}
	return append(events, &ItemRegistered{Unit: DefaultUnit, ByDefault: true})
}
