package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Status of a reservation.
type Status uint8

// A hold is held until it ends or is confirmed; a reservation with nothing left is fulfilled when some of it was
// handed over, else expired when its time ran out, else released.
const (
	StatusHeld Status = iota + 1
	StatusConfirmed
	StatusFulfilled
	StatusReleased
	StatusExpired
)

func (s Status) String() string {
	switch s {
	case StatusHeld:
		return "held"
	case StatusConfirmed:
		return "confirmed"
	case StatusFulfilled:
		return "fulfilled"
	case StatusReleased:
		return "released"
	case StatusExpired:
		return "expired"
	}
	return "unknown"
}

// Reservation shows a reservation as it stands, in base units. Quantity = Remaining + Fulfilled + Released + Expired.
type Reservation struct {
	ID        string
	Channel   string
	Status    Status
	Quantity  int64 // first reserved
	Remaining int64
	Fulfilled int64
	Released  int64
	Expired   int64
	Splits    []Split            // where the remaining units are reserved; not to be changed
	ExpiresAt aggregates.Instant // end of the hold, a whole second; 0 once confirmed
	PlacedAt  aggregates.Instant
	PromiseAt aggregates.Instant // the date it is promised for; 0 when placed for now
	Supply    []SupplyUse        // what it counted on beside the stock when it was placed; not to be changed

	PolicyPosition uint64 // of the policy that it was last decided under; 0 when that was not recorded
}

// reservation is what decisions know of one, and events change.
type reservation struct {
	id          string
	channel     string
	fingerprint uint64 // of the request that placed it
	revision    uint64 // of ReservationPlaced
	placedAt    aggregates.Instant
	placedUntil aggregates.Instant // the end it was placed with
	until       aggregates.Instant // 0: confirmed
	quantity    int64
	fulfilled   int64
	released    int64
	expired     int64
	placed      []Split // as first reserved
	splits      []Split // what remains; never changed in place
	promiseAt   aggregates.Instant
	supply      []SupplyUse
	endedAt     aggregates.Instant
	end         ending
	order       string // whose order it is, once one has asked for it
	asked       uint64 // version of the order that asked last
	method      string // of handing over
	bound       bool   // to its location
	placedUnder uint64 // position of the policy that it was placed under
	policy      uint64 // and of the one that it was last decided under
}

// ending is how the last units of a reservation went.
type ending uint8

const (
	notEnded ending = iota
	endedByFulfilment
	endedByRelease
	endedByExpiry
)

func newReservation(e *ReservationPlaced, m *aggregates.Metadata, revision uint64) reservation {
	return reservation{
		id: e.ReservationID, channel: e.Channel, fingerprint: m.Fingerprint, revision: revision,
		placedAt: m.RecordedAt, placedUntil: e.ExpiresAt, until: e.ExpiresAt,
		quantity: e.Quantity, placed: e.Splits, splits: e.Splits, promiseAt: e.PromiseAt, supply: e.Supply,
		method: e.Method, bound: e.Bound, placedUnder: e.PolicyPosition, policy: e.PolicyPosition,
	}
}

func (r *reservation) remaining() int64 { return r.quantity - r.fulfilled - r.released - r.expired }

// live tells whether units are still promised at an instant.
func (r *reservation) live(now aggregates.Instant) bool {
	return r.end == notEnded && (r.until == 0 || r.until > now)
}

// apply folds an event of this reservation.
func (r *reservation) apply(e aggregates.Event, at aggregates.Instant) {
	switch e := e.(type) {
	case *ReservationConfirmed:
		r.until = 0
	case *ReservationExtended:
		r.until = e.ExpiresAt
	case *ReservationFulfilled:
		given := make([]Split, len(e.Splits))
		for i, x := range e.Splits {
			given[i] = Split{Location: x.ReservedAt, Quantity: x.Quantity, Backordered: x.Backordered}
		}
		r.give(given, &r.fulfilled, endedByFulfilment, at)
	case *ReservationReleased:
		r.give(e.Splits, &r.released, endedByRelease, at)
	case *ReservationExpired:
		r.give(e.Splits, &r.expired, endedByExpiry, at)
	default:
		r.applyOrdered(e, at)
	}
}

// give moves units from what remains to a sum; with the last of them the reservation ends.
func (r *reservation) give(given []Split, sum *int64, how ending, at aggregates.Instant) {
	for _, x := range given {
		*sum += x.Quantity
	}
	if r.remaining() == 0 {
		r.splits, r.end, r.endedAt = nil, how, at
		return
	}
	r.splits = without(r.splits, given)
}

// without returns new splits, less what was given. Both lists go by the same order but for single ones, so each search
// goes on where the last one stopped.
func without(splits, given []Split) []Split {
	rest, i := slices.Clone(splits), 0
	for _, x := range given {
		for range rest {
			if rest[i].Location == x.Location && rest[i].Backordered == x.Backordered {
				rest[i].Quantity -= x.Quantity
				break
			}
			i = (i + 1) % len(rest)
		}
	}
	return slices.DeleteFunc(rest, func(x Split) bool { return x.Quantity <= 0 })
}

// total is how much the splits add up to.
func total(splits []Split) (sum int64) {
	for _, x := range splits {
		sum += x.Quantity
	}
	return sum
}

// pick chooses units of the remaining splits: those at a preferred location first, then in the order of allocation.
func (r *reservation) pick(quantity int64, prefer string) []Split {
	var picked []Split
	take := func(preferred bool) {
		for _, x := range r.splits {
			if quantity > 0 && (x.Location == prefer) == preferred {
				x.Quantity = min(x.Quantity, quantity)
				quantity -= x.Quantity
				picked = append(picked, x)
			}
		}
	}
	take(true)
	take(false)
	return picked
}

// pickLast chooses units of the remaining splits, last allocated first; they come in the order of allocation.
func (r *reservation) pickLast(quantity int64) []Split {
	skip := r.remaining() - quantity
	if skip == 0 {
		return r.splits
	}
	var picked []Split
	for _, x := range r.splits {
		kept := min(skip, x.Quantity)
		skip -= kept
		if x.Quantity -= kept; x.Quantity > 0 {
			picked = append(picked, x)
		}
	}
	return picked
}

// view shows the reservation as recorded.
func (r *reservation) view() Reservation {
	return Reservation{
		ID: r.id, Channel: r.channel, Status: r.status(), Quantity: r.quantity, Remaining: r.remaining(),
		Fulfilled: r.fulfilled, Released: r.released, Expired: r.expired,
		Splits: r.splits, ExpiresAt: r.until, PlacedAt: r.placedAt, PromiseAt: r.promiseAt, Supply: r.supply,
		PolicyPosition: r.policy,
	}
}

// viewAt shows the reservation at an instant: a hold past its end has expired, recorded or not.
func (r *reservation) viewAt(now aggregates.Instant) Reservation {
	if r.end != notEnded || r.live(now) {
		return r.view()
	}
	over := *r
	over.give([]Split{{Quantity: r.remaining()}}, &over.expired, endedByExpiry, now)
	return over.view()
}

// firstView shows the reservation as it was placed.
func (r *reservation) firstView() Reservation {
	first := reservation{
		id: r.id, channel: r.channel, quantity: total(r.placed), splits: r.placed, until: r.placedUntil, placedAt: r.placedAt,
		promiseAt: r.promiseAt, supply: r.supply, policy: r.placedUnder,
	}
	return first.view()
}

func (r *reservation) status() Status {
	switch {
	case r.end == notEnded && r.until == 0:
		return StatusConfirmed
	case r.end == notEnded:
		return StatusHeld
	case r.fulfilled > 0:
		return StatusFulfilled
	case r.expired > 0:
		return StatusExpired
	default:
		return StatusReleased
	}
}
