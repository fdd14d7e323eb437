package stock

import "github.com/stockfold/stockfold/aggregates"

// The names of the facts that orders and moves of promises add. They are a contract and never change.
const (
	TypeReservationReallocated = "ReservationReallocated"
	TypeReservationChanged     = "ReservationChanged"
	TypeReservationBarred      = "ReservationBarred"
	TypeReservationOrdered     = "ReservationOrdered"
)

type (
	// ReservationReallocated moves what a reservation holds to other locations; From and To add up to the same.
	ReservationReallocated struct {
		ReservationID string
		From, To      []Split
		ExpiresAt     aggregates.Instant // of the hold, when not confirmed
		Reason        string
		Cause         ReallocationCause
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel

		PolicyPosition uint64 // that it was decided under
	}

	// ReservationChanged promises more or fewer units under the same id. One of Added and Removed is empty.
	ReservationChanged struct {
		ReservationID  string
		Added, Removed []Split
		ExpiresAt      aggregates.Instant // of the hold, when not confirmed
		PromiseAt      aggregates.Instant
		Channel        string // while reservations of the SKU are counted by channel
		PolicyPosition uint64 // that more were promised under; 0 when units were given back
	}

	// ReservationBarred says that nothing may be promised under an id: its order wants nothing any more, and whoever still
	// tries to place it comes too late.
	ReservationBarred struct {
		ReservationID string
		OrderID       string
		Version       uint64
	}

	// ReservationOrdered says that a reservation is what an order wanted of the SKU at a version of the order, the number of
	// its events. What an older version wanted is not done any more.
	ReservationOrdered struct {
		ReservationID string
		OrderID       string
		Version       uint64
	}
)

func (*ReservationReallocated) EventType() string { return TypeReservationReallocated }
func (*ReservationChanged) EventType() string     { return TypeReservationChanged }
func (*ReservationBarred) EventType() string      { return TypeReservationBarred }
func (*ReservationOrdered) EventType() string     { return TypeReservationOrdered }

// applyOrdered folds what orders and moves of promises add.
func (r *reservation) applyOrdered(e aggregates.Event, at aggregates.Instant) {
	switch e := e.(type) {
	case *ReservationReallocated:
		r.splits = with(without(r.splits, e.From), e.To)
		r.policy = e.PolicyPosition
	case *ReservationChanged:
		if len(e.Added) > 0 {
			r.policy = e.PolicyPosition
		}
		for _, x := range e.Added {
			r.quantity += x.Quantity
		}
		r.splits = with(r.splits, e.Added)
		if len(e.Removed) > 0 {
			r.give(e.Removed, &r.released, endedByRelease, at)
		}
	case *ReservationOrdered:
		r.order, r.asked = e.OrderID, e.Version
	}
}

// with returns new splits and what was added.
func with(splits, added []Split) []Split {
	all := make([]Split, len(splits), len(splits)+len(added))
	copy(all, splits)
	for _, x := range added {
		all = addSplit(all, x)
	}
	return all
}

func addSplit(splits []Split, x Split) []Split {
	for i := range splits {
		if splits[i].Location == x.Location && splits[i].Backordered == x.Backordered {
			splits[i].Quantity += x.Quantity
			return splits
		}
	}
	return append(splits, x)
}

// bar keeps an id from being placed.
func (s *State) bar(e *ReservationBarred, at aggregates.Instant) {
	if s.reservations.find(e.ReservationID) != nil {
		return
	}
	s.ended.push(s.reservations.put(&reservation{
		id: e.ReservationID, revision: s.Version, placedAt: at, end: endedByRelease, order: e.OrderID, asked: e.Version,
	}), at)
}
