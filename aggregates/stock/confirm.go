package stock

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// ConfirmRequest turns a hold into a promise that does not expire.
type ConfirmRequest struct{ ReservationID string }

// Confirm takes the end off a live hold. Confirming again yields the reservation as it is and no events, also when it has
// since been fulfilled. It returns ErrUnknownReservation, or *NotLiveError when it ended before.
func Confirm(s *State, r ConfirmRequest, m aggregates.Metadata, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
	k, err := s.find(r.ReservationID)
	if err != nil {
		return Reservation{}, nil, err
	}
	held := k.reservation()
	if held.until == 0 && (held.end == notEnded || held.end == endedByFulfilment) {
		return held.view(), nil, nil
	}
	if !held.live(now) {
		return Reservation{}, nil, held.notLive(now)
	}
	return held.after(&m, &ReservationConfirmed{ReservationID: held.id, ExpiredAt: held.until, Splits: held.splits,
		PromiseAt: held.promiseAt, Channel: s.tallyOf(&held)})
}

// find returns a live or recent reservation.
func (s *State) find(id string) (*kept, error) {
	if k := s.reservations.find(id); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownReservation, id)
}

// again returns the result of a call on a reservation that was carried out before.
func (s *State) again(m *aggregates.Metadata) (result Reservation, done bool, err error) {
	first, err := s.recall(m)
	if err != nil || first == nil || first.reservation == nil {
		return Reservation{}, false, err
	}
	return *first.reservation, true, nil
}

// after returns the reservation as it will be after an event, with the event.
func (r *reservation) after(m *aggregates.Metadata, e aggregates.Event) (Reservation, []aggregates.Event, error) {
	next := *r
	next.apply(e, m.RecordedAt)
	return next.view(), []aggregates.Event{e}, nil
}

func (r *reservation) notLive(now aggregates.Instant) error {
	return &NotLiveError{ReservationID: r.id, Status: r.viewAt(now).Status}
}

// part reads how much of the remainder is meant: 0 means all.
func (r *reservation) part(quantity int64) (int64, error) {
	switch remaining := r.remaining(); {
	case quantity == 0:
		return remaining, nil
	case quantity < 0:
		return 0, &QuantityError{Quantity: quantity, Min: 0, Max: MaxQuantity}
	case quantity > remaining:
		return 0, &ExceedsError{ReservationID: r.id, Requested: quantity, Remaining: remaining}
	}
	return quantity, nil
}
