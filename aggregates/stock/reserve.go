package stock

import (
	"github.com/stockfold/stockfold/aggregates"
)

// ReserveRequest asks to promise units to a cart or order on the policy's channel.
type ReserveRequest struct {
	ReservationID string // the caller's; under it a retry is recognised
	Quantity      int64  // base units, 1 to MaxQuantity
	Decimal       string // instead of Quantity: in the item's unit, e.g. "5.5"
	HoldSeconds   int64  // 1 to MaxHoldSeconds; 0 takes the policy's
	Confirmed     bool   // promised without end at once
	// PromiseAt is the date that the units are promised for, at most MaxPromiseSeconds ahead, cut to a whole second; 0, or a
	// date that has come, means now. For a later date supply counts that is due by then.
	PromiseAt aggregates.Instant
	Location  string // to take units from, if it has them
	Binding   bool   // from there and nowhere else
	Method    string // of handing over, which the locations must serve; "" for any
}

// plain tells whether the request leaves it to the policy where units come from.
func (r *ReserveRequest) plain() bool { return r.Location == "" && !r.Binding && r.Method == "" }

// bound tells whether the units must come from the location that is named.
func (r *ReserveRequest) bound(p *Policy) bool {
	return r.Location != "" && (r.Binding || p.Strategy == FixedLocation)
}

// Reserve promises units of the SKU, all that were requested or none, from the first of the policy's sites that have
// them. The same request again, by id and fingerprint, yields the first result and no events, also after the
// reservation ended. It returns *InsufficientError with what is available, what sitesFor and pick return, *NotSoldError,
// ErrUnknownSKU, *KitError, *KeyReusedError, *TooManyError, *TooManyDatesError, or what is wrong with the request: *QuantityError,
// *NumberError, *DecimalsError, *HoldSecondsError, *PromiseDateError.
func Reserve(s *State, r ReserveRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
	if k := s.reservations.find(r.ReservationID); k != nil {
		if k.fingerprint != m.Fingerprint {
			return Reservation{}, nil, &KeyReusedError{Key: r.ReservationID}
		}
		first := k.reservation()
		return first.firstView(), nil, nil
	}
	if !s.Item.Registered && !s.used {
		return Reservation{}, nil, ErrUnknownSKU
	}
	if s.bundle != nil {
		if err := s.kitFor(p, now); err != nil {
			return Reservation{}, nil, err
		}
	}
	quantity, err := units(r.Quantity, r.Decimal, &s.Item, 1)
	if err != nil {
		return Reservation{}, nil, err
	}
	until, err := r.end(p, now)
	if err != nil {
		return Reservation{}, nil, err
	}
	date, err := r.dateOf(now)
	if err != nil {
		return Reservation{}, nil, err
	}
	var splits []Split
	var supply []SupplyUse
	if date == 0 {
		splits, err = s.promise(&r, quantity, p, now)
	} else {
		splits, supply, err = s.promiseAt(&r, quantity, p, now, date)
	}
	if err != nil {
		return Reservation{}, nil, err
	}
	e := &ReservationPlaced{
		ReservationID: r.ReservationID, Channel: p.Channel, Quantity: quantity, Splits: splits, ExpiresAt: until,
		PromiseAt: date, Supply: supply, Method: r.Method, Bound: r.bound(p), PolicyPosition: p.Position,
	}
	placed := newReservation(e, &m, s.Version)
	return placed.view(), []aggregates.Event{e}, nil
}

// end is when the hold ends, 0 for never.
func (r *ReserveRequest) end(p *Policy, now aggregates.Instant) (aggregates.Instant, error) {
	seconds := r.HoldSeconds
	if seconds == 0 {
		seconds = p.HoldSeconds
	}
	if seconds < 1 || seconds > MaxHoldSeconds {
		return 0, &HoldSecondsError{Seconds: seconds}
	}
	if r.Confirmed {
		return 0, nil
	}
	return (now + aggregates.Instant(seconds)*aggregates.Second).CeilSecond(), nil
}

// promise finds where units can be taken for a channel.
func (s *State) promise(r *ReserveRequest, quantity int64, p *Policy, now aggregates.Instant) ([]Split, error) {
	if s.Live() >= MaxLiveReservations {
		return nil, &TooManyError{Limit: MaxLiveReservations}
	}
	if s.rules == nil && p.plain && r.plain() {
		return s.promisePlain(quantity, p, now)
	}
	splits, err := s.source(r, quantity, p, now)
	if err != nil {
		return nil, err
	}
	return splits, s.fitting(splits)
}

// promisePlain is promise where there are no rules.
func (s *State) promisePlain(quantity int64, p *Policy, now aggregates.Instant) ([]Split, error) {
	if splits, ok := s.firstChoices(quantity, p, now); ok {
		return splits, s.fitting(splits)
	}
	var room [16]Free
	free := s.Free(p, now, room[:0])
	var pool int64
	for _, x := range free {
		pool = addUp(pool, x.Quantity)
	}
	if available := lessBuffer(pool, p); quantity > available {
		return nil, &InsufficientError{Requested: quantity, Available: available}
	}
	splits := allocate(free, quantity)
	return splits, s.fitting(splits)
}

// fitting checks that sums of what is reserved fit.
func (s *State) fitting(splits []Split) error {
	for _, x := range splits {
		if at := s.At(x.Location); at != nil {
			if _, ok := add(at.Reserved, x.Quantity); !ok {
				return &OverflowError{Location: x.Location, What: "reserved stock"}
			}
		}
	}
	return nil
}
