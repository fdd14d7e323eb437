package stock

import "github.com/stockfold/stockfold/aggregates"

// ChangeRequest promises more or fewer units under an id.
type ChangeRequest struct {
	ReservationID string
	Quantity      int64  // base units that shall remain promised, 1 to MaxQuantity
	Decimal       string // instead of Quantity: in the item's unit, e.g. "5.5"
}

// Change makes a live reservation hold so many units: more are taken like Reserve takes them, for the date that it is promised
// for and under the same guard, all or none; fewer are given back last choice first. A retry, by key, yields the first result; a quantity that is already
// so yields no events. It returns ErrUnknownReservation, *NotLiveError, *InsufficientError whose numbers are those of the whole
// reservation, *KeyReusedError, *OverflowError, *TooManyDatesError, or what is wrong with the quantity.
func Change(s *State, r ChangeRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
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
	quantity, err := units(r.Quantity, r.Decimal, &s.Item, 1)
	if err != nil {
		return Reservation{}, nil, err
	}
	e, err := s.changed(&held, quantity, p, now)
	if e == nil || err != nil {
		return held.view(), nil, err
	}
	return held.after(&m, e)
}

// changed makes the event after which a live reservation holds a positive quantity, nil when it does already.
func (s *State) changed(held *reservation, quantity int64, p *Policy, now aggregates.Instant) (*ReservationChanged, error) {
	remaining := held.remaining()
	e := &ReservationChanged{ReservationID: held.id, ExpiresAt: held.until, PromiseAt: held.promiseAt, Channel: s.tallyOf(held)}
	switch {
	case quantity == remaining:
		return nil, nil
	case quantity < remaining:
		e.Removed = held.pickLast(remaining - quantity)
		return e, nil
	}
	added, err := s.promiseMore(held.more(p), quantity-remaining, p, now, held.promiseAt)
	if short, ok := err.(*InsufficientError); ok {
		return nil, &InsufficientError{Requested: quantity, Available: addUp(short.Available, remaining), PromiseAt: short.PromiseAt,
			Beyond: short.Beyond}
	}
	e.Added, e.PolicyPosition = added, p.Position
	return e, err
}

// more asks for more units of what a reservation holds. A channel that sells from one location at a time takes them where the
// others are.
func (r *reservation) more(p *Policy) *ReserveRequest {
	ask := &ReserveRequest{}
	if p.Strategy == FixedLocation && len(r.splits) > 0 {
		ask.Location = r.splits[0].Location
	}
	return ask
}

// AvailableTo is the ATS of the SKU for whoever has a reservation: what it holds is available to itself. For an id that is
// unknown, not live at now, or of another channel it is Available.
func (s *State) AvailableTo(id string, p *Policy, now aggregates.Instant) int64 {
	return s.BalancesTo(id, p, now).Available(p, now)
}

// BalancesTo are the balances for whoever has a reservation: what it holds is free. Do not change them.
func (s *State) BalancesTo(id string, p *Policy, now aggregates.Instant) *Balances {
	k := s.reservations.find(id)
	if k == nil || !k.live(now) || k.terms.Value().channel != p.Channel {
		return &s.Balances
	}
	held := k.reservation()
	without := s.Balances.Clone()
	without.Evolve(&ReservationReleased{ReservationID: held.id, Splits: held.splits, ExpiresAt: held.until, Closed: true,
		PromiseAt: held.promiseAt, Channel: s.tallyOf(&held)})
	return &without
}
