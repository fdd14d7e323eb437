package stock

import "github.com/stockfold/stockfold/aggregates"

// ExtendRequest moves the end of a hold.
type ExtendRequest struct {
	ReservationID string
	ExpiresAt     aggregates.Instant // after now, at most MaxHoldSeconds later; rounded up to a whole second
}

// Extend sets when a live hold ends, later or sooner. A retry, by key, yields the first result; an end that is already so
// yields no events. It returns ErrUnknownReservation, *NotLiveError, *NotHeldError when it is confirmed, *ExpiryError,
// or *KeyReusedError.
func Extend(s *State, r ExtendRequest, m aggregates.Metadata, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
	if first, done, err := s.again(&m); done || err != nil {
		return first, nil, err
	}
	k, err := s.find(r.ReservationID)
	if err != nil {
		return Reservation{}, nil, err
	}
	held := k.reservation()
	if !held.live(now) {
		return Reservation{}, nil, held.notLive(now)
	}
	if held.until == 0 {
		return Reservation{}, nil, &NotHeldError{ReservationID: held.id}
	}
	latest := (now + aggregates.Instant(MaxHoldSeconds)*aggregates.Second).CeilSecond()
	if r.ExpiresAt <= now || r.ExpiresAt > latest {
		return Reservation{}, nil, &ExpiryError{ExpiresAt: r.ExpiresAt, Now: now}
	}
	until := r.ExpiresAt.CeilSecond()
	if until == held.until {
		return held.view(), nil, nil
	}
	return held.after(&m, &ReservationExtended{
		ReservationID: held.id, From: held.until, ExpiresAt: until, Splits: held.splits, PromiseAt: held.promiseAt,
		Channel: s.tallyOf(&held),
	})
}
