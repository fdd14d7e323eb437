package stock

import (
	"errors"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// ReallocationCause is why a promise does not stay where it was made.
type ReallocationCause uint8

const (
	CauseUnknown ReallocationCause = iota
	CauseClosed                    // the channel does not sell from the location any more
	CauseShort                     // more is promised there than lies there, or is to come by then
)

// ReallocateRequest moves a promise away from where it cannot be kept.
type ReallocateRequest struct {
	ReservationID string
	Reason        string
	// ByRule moves only what may move by itself: nothing that is bound to its location, and nothing that a rule keeps there.
	ByRule bool
}

// Reallocate moves what a live reservation holds at locations that its channel does not sell from any more, or at which more
// is promised than lies there, to what is free elsewhere, by the policy's own order; what is missing there is moved and no
// more. For a later date that is what will be missing from then on, and what can be promised elsewhere for that date. A promise that stands well, or for which nothing is free, stays as it is, and yields no events: a promise is never given
// up by moving it. A retry, by key, yields the first result. It returns ErrUnknownReservation, *NotLiveError and *KeyReusedError.
func Reallocate(s *State, r ReallocateRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Reservation, []aggregates.Event, error) {
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
	e := s.reallocation(&held, p, now, r.ByRule)
	if e == nil {
		return held.view(), nil, nil
	}
	e.Reason = r.Reason
	return held.after(&m, e)
}

// reallocation finds what of a reservation stands badly and can be had elsewhere.
func (s *State) reallocation(held *reservation, p *Policy, now aggregates.Instant, byRule bool) *ReservationReallocated {
	badly := s.standsBadly(held, p, now)
	if byRule {
		badly = slices.DeleteFunc(badly, func(x Split) bool { return held.stays(p, x.Location) != MayMove })
	}
	if len(badly) == 0 {
		return nil
	}
	to := s.elsewhere(held, badly, p, now)
	if len(to) == 0 {
		return nil
	}
	return &ReservationReallocated{
		ReservationID: held.id, From: firstUnits(badly, total(to)), To: to, ExpiresAt: held.until,
		PromiseAt: held.promiseAt, Channel: s.tallyOf(held), Cause: causeOf(badly, p), PolicyPosition: p.Position,
	}
}

// causeOf says why promises do not stay: because a place is closed, when one of them is.
func causeOf(badly []Split, p *Policy) ReallocationCause {
	for _, x := range badly {
		if !p.Sells(x.Location) {
			return CauseClosed
		}
	}
	return CauseShort
}

// standsBadly lists what a reservation holds at closed locations, all of it, and at oversold ones, as far as units are missing there.
func (s *State) standsBadly(held *reservation, p *Policy, now aggregates.Instant) (badly []Split) {
	for _, x := range held.splits {
		if x.Backordered {
			continue // it waits for what comes
		}
		if _, open := p.rank[x.Location]; !open {
			badly = append(badly, x)
			continue
		}
		if missing := s.At(x.Location).missingFrom(held.promiseAt, now); missing > 0 {
			badly = append(badly, Split{Location: x.Location, Quantity: int64(min(missing, uint64(x.Quantity)))})
		}
	}
	return badly
}

// missingFrom is how much of what is promised for a date cannot be kept: of what is promised for now, what does not lie here;
// of what is promised for later, the most that will be missing from then on.
func (x *Balance) missingFrom(date, now aggregates.Instant) uint64 {
	if date <= now {
		return short(x.OnHand[Sellable], x.Firm(now))
	}
	lowest, _ := x.lowest(now, date)
	return short(lowest, 0)
}

// elsewhere takes what is free at other locations, for the reservation's date and up to what stands badly, as the channel's rules have it taken: by
// its strategy, from places that may serve the reservation's method, and not from what is ring-fenced for others.
func (s *State) elsewhere(held *reservation, badly []Split, p *Policy, now aggregates.Instant) []Split {
	if s.rules != nil || !p.plain || held.method != "" {
		return s.elsewhereByRule(held, badly, p, now)
	}
	var free []Free
	var pool int64
	for _, x := range s.FreeAt(p, now, max(now, held.promiseAt), nil) {
		if !hasLocation(badly, x.Location) && (held.promiseAt == 0 || s.At(x.Location).takesDate(held.promiseAt)) {
			free = append(free, x)
			pool = addUp(pool, x.Quantity)
		}
	}
	quantity := min(total(badly), pool)
	if quantity == 0 {
		return nil
	}
	return allocate(free, quantity)
}

func (s *State) elsewhereByRule(held *reservation, badly []Split, p *Policy, now aggregates.Instant) []Split {
	sites, err := p.sitesBy(Way{Method: held.method}, now)
	if err != nil {
		return nil // its method has no rule any more: nobody knows where it may go
	}
	sites = slices.DeleteFunc(sites, func(x site) bool {
		return hasLocation(badly, x.location) || held.promiseAt != 0 && !s.At(x.location).takesDate(held.promiseAt)
	})
	date := max(now, held.promiseAt)
	fresh := s.planFor(p, now, date)
	pool, way := fresh.clone().most(sites)
	quantity := min(total(badly), pool)
	if quantity == 0 {
		return nil
	}
	limited := *p
	if p.MaxSplits > 0 {
		limited.MaxSplits = max(1, p.MaxSplits-len(without(held.splits, badly)))
	}
	to, err := s.pick(&ReserveRequest{}, fresh, sites, way, quantity, &limited, now, date)
	if many := (*TooManySplitsError)(nil); errors.As(err, &many) && many.Most > 0 {
		to, err = s.pick(&ReserveRequest{}, fresh, sites, way, many.Most, &limited, now, date)
	}
	if err != nil {
		return nil
	}
	return to
}

func hasLocation(splits []Split, location string) bool {
	for _, x := range splits {
		if x.Location == location {
			return true
		}
	}
	return false
}

// firstUnits are the first so many units of some splits.
func firstUnits(splits []Split, quantity int64) (first []Split) {
	for _, x := range splits {
		if x.Quantity = min(x.Quantity, quantity); x.Quantity > 0 {
			quantity -= x.Quantity
			first = append(first, x)
		}
	}
	return first
}
