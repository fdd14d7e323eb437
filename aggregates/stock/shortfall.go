package stock

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// MaxBroken is how many promises a ShortfallDetected names.
const MaxBroken = 100

// shortfall returns a ShortfallDetected when decided facts leave less at a location than is promised from it for later dates,
// and less than before. x is how it stands, after how it will.
func (s *State) shortfall(x, after *Balance, events []aggregates.Event, now aggregates.Instant) []aggregates.Event {
	missing, first := after.missing(now)
	if missing == 0 {
		return nil
	}
	if before, _ := x.missing(now); missing <= before {
		return nil
	}
	broken := s.broken(after, events, now)
	e := &ShortfallDetected{Location: x.Location, At: first, Missing: missing, Promises: broken}
	if len(broken) > MaxBroken {
		e.Promises, e.More = slices.Clone(broken[:MaxBroken]), len(broken)-MaxBroken
	}
	return []aggregates.Event{e}
}

// missing is the most that is missing, at any later date that something is promised for, and the first such date.
func (x *Balance) missing(now aggregates.Instant) (most int64, first aggregates.Instant) {
	x.deficits(now, func(at aggregates.Instant, missing int64) {
		if first == 0 {
			first = at
		}
		most = max(most, missing)
	})
	return most, first
}

// deficits yields the later dates for which more is promised than there will be, in order.
func (x *Balance) deficits(now aggregates.Instant, yield func(at aggregates.Instant, missing int64)) {
	if x.Later == nil {
		return
	}
	level := subDown(x.OnHand[Sellable], x.Firm(now))
	for i := range x.Later.Promises {
		d := &x.Later.Promises[i]
		if d.At <= now || d.live(now) == 0 {
			continue
		}
		level = subDown(level, d.live(now))
		if then := addUpTo(level, x.Later.incoming(now, d.At)); then < 0 {
			yield(d.At, -max(then, -math.MaxInt64))
		}
	}
}

// broken lists the promises for later dates that cannot be kept, youngest first: of those for dates up to the one that
// something is missing at, the youngest give way.
func (s *State) broken(x *Balance, events []aggregates.Event, now aggregates.Instant) []BrokenPromise {
	waiting := s.promisesAt(x.Location, events, now)
	var young youngest
	var broken []datedPromise
	var given int64
	x.deficits(now, func(at aggregates.Instant, missing int64) {
		for len(waiting) > 0 && waiting[0].at <= at {
			heap.Push(&young, waiting[0])
			waiting = waiting[1:]
		}
		for missing > given && len(young) > 0 {
			p := &young[0]
			part := min(p.quantity, missing-given)
			given += part
			broken = append(broken, datedPromise{p.id, p.revision, p.at, part})
			if p.quantity -= part; p.quantity == 0 {
				heap.Pop(&young)
			}
		}
	})
	slices.SortStableFunc(broken, func(a, b datedPromise) int { return cmp.Compare(b.revision, a.revision) })
	var list []BrokenPromise
	for _, p := range broken {
		if n := len(list); n > 0 && list[n-1].ReservationID == p.id {
			list[n-1].Quantity += p.quantity
			continue
		}
		list = append(list, BrokenPromise{ReservationID: p.id, PromiseAt: p.at, Quantity: p.quantity})
	}
	return list
}

// datedPromise is what a reservation holds at one location for a later date.
type datedPromise struct {
	id       string
	revision uint64
	at       aggregates.Instant
	quantity int64
}

// promisesAt lists what is promised from a location for dates after now, in order of the dates, once events have been.
func (s *State) promisesAt(location string, events []aggregates.Event, now aggregates.Instant) []datedPromise {
	var list []datedPromise
	for k := range s.reservations.each {
		if k.promiseAt() <= now || !k.live(now) {
			continue
		}
		r := k.reservation()
		for _, e := range events {
			if reservationOf(e) == r.id {
				r.apply(e, now)
			}
		}
		for _, x := range r.splits {
			if x.Location == location {
				list = append(list, datedPromise{r.id, r.revision, r.promiseAt, x.Quantity})
			}
		}
	}
	slices.SortFunc(list, func(a, b datedPromise) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.revision, b.revision))
	})
	return list
}

// youngest is a heap of promises, the one that was made last on top.
type youngest []datedPromise

func (y *youngest) Len() int           { return len(*y) }
func (y *youngest) Less(i, j int) bool { return (*y)[i].revision > (*y)[j].revision }
func (y *youngest) Swap(i, j int)      { (*y)[i], (*y)[j] = (*y)[j], (*y)[i] }
func (y *youngest) Push(x any)         { *y = append(*y, x.(datedPromise)) }
func (y *youngest) Pop() any {
	last := len(*y) - 1
	x := (*y)[last]
	*y = (*y)[:last]
	return x
}

// after returns how a location will stand once events have been.
func (x *Balance) after(events []aggregates.Event) *Balance {
	one := Balances{list: []*Balance{x.clone()}}
	for _, e := range events {
		one.Evolve(e)
	}
	return one.At(x.Location)
}
