package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// AtRisk is the part of a reservation at one location that cannot be kept there.
type AtRisk struct {
	ReservationID string
	Channel       string
	Location      string
	Quantity      int64
	Cause         ReallocationCause
	Stays         Stay
}

// Stay is why a promise does not move by itself.
type Stay uint8

const (
	MayMove     Stay = iota // it does, once units are free elsewhere
	StayByRule              // a rule says so
	StayByBound             // the request named its location
)

// Risks lists what live reservations cannot be kept where they are, at most so many, and how many there are. policyOf finds the policy of a
// channel, nil when it is not defined. First come those at closed locations, confirmed ones and of these the oldest first; then those at
// locations that are short: the youngest hold first, until nothing is missing. It looks at every live reservation, unless no location can be
// at risk.
func Risks(s *State, policyOf func(channel string) *Policy, now aggregates.Instant, most int) (list []AtRisk, all int) {
	if s.Live() == 0 {
		return nil, 0
	}
	live := make([]*kept, 0, s.Live())
	for k := range s.reservations.each {
		if k.live(now) {
			live = append(live, k)
		}
	}
	slices.SortFunc(live, oldestConfirmedFirst)
	x := risks{State: s, policyOf: policyOf, now: now, taken: map[string]int64{}}
	var room [1]Split
	for _, k := range live {
		r := k.read(&room)
		x.closed(&r)
	}
	slices.Reverse(live)
	for _, k := range live {
		r := k.read(&room)
		x.short(&r)
	}
	return x.list[:min(most, len(x.list))], len(x.list)
}

func oldestConfirmedFirst(a, b *kept) int {
	return cmp.Or(first(a.until == 0, b.until == 0), cmp.Compare(a.revision, b.revision))
}

// risks are found one reservation after the other.
type risks struct {
	*State
	policyOf func(string) *Policy
	now      aggregates.Instant
	taken    map[string]int64 // of what is missing, by location
	list     []AtRisk
}

func (x *risks) closed(r *reservation) {
	p := x.policyOf(r.channel)
	for _, at := range r.splits {
		if p != nil && !at.Backordered && !p.Sells(at.Location) {
			x.add(r, p, at.Location, at.Quantity, CauseClosed)
		}
	}
}

func (x *risks) short(r *reservation) {
	p := x.policyOf(r.channel)
	for _, at := range r.splits {
		if p == nil || at.Backordered || !p.Sells(at.Location) {
			continue
		}
		missing := x.At(at.Location).missingFrom(r.promiseAt, x.now)
		if taken := uint64(x.taken[at.Location]); missing > taken {
			quantity := int64(min(missing-taken, uint64(at.Quantity)))
			x.taken[at.Location] += quantity
			x.add(r, p, at.Location, quantity, CauseShort)
		}
	}
}

func (x *risks) add(r *reservation, p *Policy, location string, quantity int64, cause ReallocationCause) {
	if quantity > 0 {
		x.list = append(x.list, AtRisk{ReservationID: r.id, Channel: r.channel, Location: location, Quantity: quantity, Cause: cause,
			Stays: r.stays(p, location)})
	}
}

// stays tells whether what a reservation holds at a location may move by itself.
func (r *reservation) stays(p *Policy, location string) Stay {
	switch {
	case r.bound || p.Strategy == FixedLocation:
		return StayByBound
	case p.Moves.Stay(r.channel, location):
		return StayByRule
	}
	return MayMove
}
