package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of what a Trace keeps of one location beside its numbers.
const (
	MaxLatest       = 5 // changes since the count
	MaxObservations = 5
)

// Trace folds a SKU's stream and keeps, for each number, which events set it. Feed it the events from the first on, up to
// the instant that is asked about. The zero value is of an unknown SKU.
type Trace struct {
	Balances
	Events uint64 // folded
	Last   Cause  // the latest

	places  map[string]*PlaceTrace
	holds   map[string]*HoldTrace
	sources map[string]bool // that number what they send
}

// Cause is an event that set a number.
type Cause struct {
	Record   aggregates.Record // without its data
	Metadata aggregates.Metadata
	Effect   int64 // change of what is sellable at the location; of an observation what it said
}

// PlaceTrace tells where the numbers of one location come from. CountedLeft plus Changed is what lies there, sellable.
type PlaceTrace struct {
	Count       *Cause // in force, of sellable units; nil when there was none
	Counted     int64  // what was counted
	CountedLeft int64  // what lay there once it was recorded: what was counted, and what had happened since its as-of time
	Changes     int64  // events that changed what lies there, recorded since
	Changed     int64  // by how much, together
	Latest      []Cause
	Absorbed    int64  // facts recorded since that came late and are covered by a count
	SafetyStock *Cause // nil when none was ever set

	Observed     int64 // facts of others than the system of record
	Observations []Cause
}

// HoldTrace is a live reservation.
type HoldTrace struct {
	Reservation
	Placed Cause
	state  reservation
}

// Add folds the event that comes next in the stream.
func (t *Trace) Add(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
	r.Data = nil
	cause := Cause{Record: r, Metadata: m}
	t.before(e, cause)
	t.Balances.Evolve(e)
	if counted, ok := e.(*StockCounted); ok && counted.Condition == Sellable && !counted.Absorbed.Is() {
		t.place(counted.Location).CountedLeft = t.At(counted.Location).OnHand[Sellable]
	}
	t.hold(e, cause)
	if m.Source.Sequence != "" && len(t.sources) < MaxOrigins {
		t.sources = note(t.sources, m.Source.System)
	}
	t.Events, t.Last = t.Events+1, cause
}

func note(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[name] = true
	return set
}

func (t *Trace) place(location string) *PlaceTrace {
	if t.places == nil {
		t.places = map[string]*PlaceTrace{}
	}
	p := t.places[location]
	if p == nil {
		p = &PlaceTrace{}
		t.places[location] = p
	}
	return p
}

// before notes what an event does to the numbers of locations.
func (t *Trace) before(e aggregates.Event, cause Cause) {
	switch e := e.(type) {
	case *SafetyStockSet:
		t.place(e.Location).SafetyStock = &cause
	case *ObservationRecorded:
		p := t.place(e.Location)
		p.Observed++
		cause.Effect = e.Quantity
		p.Observations = latest(p.Observations, cause, MaxObservations)
	}
	legs(e, func(l leg) {
		if l.condition != Sellable {
			return
		}
		p := t.place(l.location)
		cause := cause
		cause.Effect = l.effect()
		switch {
		case l.absorbed.Is():
			p.Absorbed++
		case l.count:
			*p = PlaceTrace{Count: &cause, Counted: e.(*StockCounted).Counted, SafetyStock: p.SafetyStock,
				Observed: p.Observed, Observations: p.Observations}
		case l.delta != 0:
			p.Changes++
			p.Changed += l.delta
			p.Latest = latest(p.Latest, cause, MaxLatest)
		}
	})
}

func latest(list []Cause, x Cause, most int) []Cause {
	if list = append(list, x); len(list) > most {
		list = slices.Delete(list, 0, 1)
	}
	return list
}

// hold follows the live reservations.
func (t *Trace) hold(e aggregates.Event, cause Cause) {
	if placed, ok := e.(*ReservationPlaced); ok {
		if t.holds == nil {
			t.holds = map[string]*HoldTrace{}
		}
		t.holds[placed.ReservationID] = &HoldTrace{Placed: cause, state: newReservation(placed, &cause.Metadata, cause.Record.Revision)}
		return
	}
	h := t.holds[reservationOf(e)]
	if h == nil {
		return
	}
	if h.state.apply(e, cause.Metadata.RecordedAt); h.state.end != notEnded {
		delete(t.holds, reservationOf(e))
	}
}

// Place tells where the numbers of a location come from.
func (t *Trace) Place(location string) PlaceTrace {
	if p := t.places[location]; p != nil {
		return *p
	}
	return PlaceTrace{}
}

// Held returns the reservations that are live at an instant, the largest first, then by id.
func (t *Trace) Held(now aggregates.Instant) (list []HoldTrace) {
	for _, h := range t.holds {
		if h.state.live(now) {
			x := *h
			x.Reservation = h.state.view()
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b HoldTrace) int {
		return cmp.Or(cmp.Compare(b.Remaining, a.Remaining), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Numbers tells whether a source that numbers what it sends ever said something of the SKU.
func (t *Trace) Numbers(system string) bool { return t.sources[system] }
