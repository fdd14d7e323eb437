package stock

import "github.com/stockfold/stockfold/aggregates"

// ReleaseRequest gives promised units back.
type ReleaseRequest struct {
	ReservationID string
	Quantity      int64 // base units; 0 means all that remains
	Reason        string
}

// Release gives back some or all of what a reservation still holds, last choice first. A retry, by key, yields the first
// result. Releasing the whole of what ended by release or by time yields the reservation and no events: nothing is
// promised any more, as was asked. When the rest was handed over instead it returns *NotLiveError, as for a part of any
// ended reservation. It also returns ErrUnknownReservation, *ExceedsError, *QuantityError and *KeyReusedError.
func Release(s *State, r ReleaseRequest, m aggregates.Metadata, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
	if first, done, err := s.again(&m); done || err != nil {
		return first, nil, err
	}
	k, err := s.find(r.ReservationID)
	if err != nil {
		return Reservation{}, nil, err
	}
	held := k.reservation()
	if !held.live(now) {
		if r.Quantity == 0 && held.end != endedByFulfilment {
			return held.viewAt(now), nil, nil
		}
		return Reservation{}, nil, held.notLive(now)
	}
	quantity, err := held.part(r.Quantity)
	if err != nil {
		return Reservation{}, nil, err
	}
	return held.after(&m, &ReservationReleased{
		ReservationID: held.id, Splits: held.pickLast(quantity), ExpiresAt: held.until,
		Closed: quantity == held.remaining(), Reason: r.Reason, PromiseAt: held.promiseAt, Channel: s.tallyOf(&held),
	})
}
