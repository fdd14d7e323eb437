package stock

import "github.com/stockfold/stockfold/aggregates"

// FulfilRequest hands promised units over. When that happened is in the metadata.
type FulfilRequest struct {
	ReservationID string
	Quantity      int64  // base units; 0 means all that remains
	Location      string // the units left; empty means where they are reserved
	History       *History
}

// Fulfil hands over some or all of what a reservation still holds: it is no longer reserved and leaves the sellable
// stock, unless a count already covers that. A retry, by key, yields the first result. Fulfilling the whole of what
// ended by fulfilment yields the reservation and no events. It returns ErrUnknownReservation, *NotLiveError,
// *ExceedsError, *QuantityError, *OverflowError, *KeyReusedError or *NeedHistory.
func Fulfil(s *State, r FulfilRequest, m aggregates.Metadata, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
	if first, done, err := s.again(&m); done || err != nil {
		return first, nil, err
	}
	k, err := s.find(r.ReservationID)
	if err != nil {
		return Reservation{}, nil, err
	}
	held := k.reservation()
	if !held.live(now) {
		if r.Quantity == 0 && held.end == endedByFulfilment {
			return held.view(), nil, nil
		}
		return Reservation{}, nil, held.notLive(now)
	}
	quantity, err := held.part(r.Quantity)
	if err != nil {
		return Reservation{}, nil, err
	}
	q := inquiry{s: s, history: r.History}
	e := held.fulfilment(quantity, r.Location, func(location string) AbsorbedBy {
		return q.absorber(location, Sellable, occurred(&m))
	})
	e.Channel = s.tallyOf(&held)
	if err := q.err(); err != nil {
		return Reservation{}, nil, err
	}
	result, events, _ := held.after(&m, e)
	oversold, err := s.consequences(events, now)
	if err != nil {
		return Reservation{}, nil, err
	}
	return result, append(events, oversold...), nil
}

// fulfilment makes the event of a hand-over from a location, or with none from where the units are reserved.
func (r *reservation) fulfilment(quantity int64, location string, absorber func(string) AbsorbedBy) *ReservationFulfilled {
	e := &ReservationFulfilled{ReservationID: r.id, ExpiresAt: r.until, Closed: quantity == r.remaining(), PromiseAt: r.promiseAt}
	for _, x := range r.pick(quantity, location) {
		from := location
		if from == "" {
			from = x.Location
		}
		e.Splits = append(e.Splits, FulfilledSplit{
			Location: from, ReservedAt: x.Location, Quantity: x.Quantity, Absorbed: absorber(from), Backordered: x.Backordered,
		})
	}
	return e
}
