package stock

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
)

// State is what decisions about a SKU are made on: a fold of its stream. The zero value is the initial state. It has
// one owner; a State must not be copied.
type State struct {
	Balances
	Version uint64 // number of events folded, the revision of the next one

	latest       aggregates.Instant // recording of an event so far, should a clock have gone back
	used         bool               // quantities were recorded, in the item's decimals
	reservations book
	due          dueHeap
	ended        endedQueue
	facts        seen // keys of movements
	calls        seen // keys of calls on reservations
	origins      origins
	entries      int       // journal entries at all locations
	supply       *supplies // documents of supply; nil when there was none
	said         said.Memory
}

// Evolve folds the event that comes next in the stream.
func (s *State) Evolve(e aggregates.Event, m aggregates.Metadata) {
	s.Balances.Evolve(e)
	s.record(e, &m)
	s.evolveReservation(e, &m)
	s.remember(e, &m)
	s.said.Evolve(e, &m)
	s.evolveSupply(e, &m)
	s.forget(m.RecordedAt)
	s.latest = max(s.latest, m.RecordedAt)
	s.Version++
}

// record keeps what a later fact, or a fact that comes late, will need to know.
func (s *State) record(e aggregates.Event, m *aggregates.Metadata) {
	switch e.(type) {
	case *ItemRegistered, *SafetyStockSet, *ReservationBarred, *AllocationSet, *SellingRuleSet, *SafetyPeriodPassed, *BufferSet, *said.Taken, *KitMembershipSet:
		return
	}
	s.used = true
	at, number := occurred(m), countNumber(e, m)
	legs(e, func(l leg) {
		x := s.At(l.location)
		if x.journal == nil {
			x.journal = &journal{}
		}
		before := len(x.journal.entries)
		x.journal.record(l, at, s.Version, number)
		s.entries += len(x.journal.entries) - before
	})
}

func (s *State) evolveReservation(e aggregates.Event, m *aggregates.Metadata) {
	if placed, ok := e.(*ReservationPlaced); ok {
		r := newReservation(placed, m, s.Version)
		s.place(&r)
		return
	}
	if barred, ok := e.(*ReservationBarred); ok {
		s.bar(barred, m.RecordedAt)
		return
	}
	id := reservationOf(e)
	if id == "" {
		return
	}
	k := s.reservations.find(id)
	if k == nil || k.end != notEnded {
		return
	}
	r := k.read(&s.reservations.room)
	r.apply(e, m.RecordedAt)
	s.reservations.set(k, &r)
	switch {
	case k.end != notEnded:
		s.due.remove(k)
		s.ended.push(k, m.RecordedAt)
	case k.until == 0:
		s.due.remove(k)
	default:
		s.due.fix(int(k.due))
	}
}

// place takes in a live reservation.
func (s *State) place(r *reservation) {
	if k := s.reservations.put(r); k.until != 0 {
		s.due.push(k)
	}
}

// reservationOf names the reservation that an event changes, "" for other events.
func reservationOf(e aggregates.Event) string {
	switch e := e.(type) {
	case *ReservationPlaced:
		return e.ReservationID
	case *ReservationConfirmed:
		return e.ReservationID
	case *ReservationExtended:
		return e.ReservationID
	case *ReservationFulfilled:
		return e.ReservationID
	case *ReservationReleased:
		return e.ReservationID
	case *ReservationExpired:
		return e.ReservationID
	case *ReservationReallocated:
		return e.ReservationID
	case *ReservationChanged:
		return e.ReservationID
	case *ReservationOrdered:
		return e.ReservationID
	}
	return ""
}

// Latest is the latest time at which an event was recorded. No decision should be made as of an earlier one: it could
// bring a hold back to life whose units are promised again.
func (s *State) Latest() aggregates.Instant { return s.latest }

// Live is the number of reservations that have not ended, as far as recorded.
func (s *State) Live() int { return s.reservations.len() - s.ended.len() }

// NextDue is the end of the hold that ends first; ok is false when there is no hold.
func (s *State) NextDue() (at aggregates.Instant, ok bool) {
	if len(s.due) == 0 {
		return 0, false
	}
	return s.due[0].until, true
}

// Find shows a reservation at an instant, read from the state itself. It returns ErrUnknownReservation for one that was never
// placed, or ended more than KeepSeen ago.
func Find(s *State, id string, now aggregates.Instant) (Reservation, error) {
	k, err := s.find(id)
	if err != nil {
		return Reservation{}, err
	}
	r := k.reservation()
	return r.viewAt(now), nil
}

// endedQueue holds ended reservations, the first to end first.
type endedQueue struct {
	list []endedAt // from head on
	head int
}

type endedAt struct {
	*kept
	at aggregates.Instant
}

func (q *endedQueue) len() int { return len(q.list) - q.head }

func (q *endedQueue) push(k *kept, at aggregates.Instant) {
	q.list = append(tight(q.list), endedAt{k, at})
}

func (q *endedQueue) pop() *kept {
	k := q.list[q.head].kept
	q.list[q.head] = endedAt{}
	q.head++
	if q.head > len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = lessRoom(q.list[:n]), 0
	}
	return k
}

func (s *State) forgetEnded(now aggregates.Instant) {
	q := &s.ended
	for q.len() > 0 && (q.len() > MaxSeen || q.list[q.head].at < now-KeepSeen) {
		s.reservations.remove(q.pop())
	}
}
