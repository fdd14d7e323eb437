package stock

import (
	"cmp"
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// MaxBreaks is how many promises one proposal names at most.
const MaxBreaks = 100

// Break is a proposal to take units from a promise that cannot be kept.
type Break struct {
	ReservationID string
	Location      string
	Quantity      int64
}

// Breaks proposes which promises to break so that the rest can be kept: at each location where more is promised at now than lies
// there, the youngest hold first, then the youngest confirmed one, until nothing is missing; at most MaxBreaks.
func Breaks(s *State, now aggregates.Instant) []Break {
	var list []OversoldDetected
	for x := range s.Each {
		if x.Oversold(now) {
			list = append(list, OversoldDetected{Location: x.Location, OnHand: x.OnHand[Sellable], Reserved: x.Firm(now)})
		}
	}
	return s.breaks(list, "", now)
}

// breaks looks at every live reservation; it is for the rare case that something is oversold.
func (s *State) breaks(oversold []OversoldDetected, without string, now aggregates.Instant) (list []Break) {
	if len(oversold) == 0 {
		return nil
	}
	candidates := s.youngestFirst(without, now)
	var room [1]Split
	for _, at := range oversold {
		missing := int64(min(short(at.OnHand, at.Reserved), uint64(math.MaxInt64)))
		for _, k := range candidates {
			if missing <= 0 || len(list) == MaxBreaks {
				break
			}
			r := k.read(&room)
			if has := min(missing, unitsAt(r.splits, at.Location)); has > 0 {
				missing -= has
				list = append(list, Break{ReservationID: r.id, Location: at.Location, Quantity: has})
			}
		}
	}
	return list
}

// youngestFirst lists live reservations that are due now, holds before confirmed ones, of each the youngest first.
func (s *State) youngestFirst(without string, now aggregates.Instant) []*kept {
	var list []*kept
	for k := range s.reservations.each {
		if k.live(now) && k.id != without && k.promiseAt() <= now {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b *kept) int {
		if held := a.until != 0; held != (b.until != 0) {
			return order(held)
		}
		return cmp.Compare(b.revision, a.revision)
	})
	return list
}
