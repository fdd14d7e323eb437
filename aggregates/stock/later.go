package stock

import (
	"cmp"
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Later is what is known of a location's future: what is to come, and what is promised for later dates. It is kept only
// while there is something of either.
//
// The projected balance of a date is what lies here, less what is promised for now and what is promised up to the date, and
// what is to come by then. Supply that is overdue, its date is past and it has not come, counts for no date until it is
// received or rescheduled. What can be promised for a date is the lowest projected balance from that date on: a promise
// takes nothing that is promised for later already.
type Later struct {
	Incoming Holds   // open supply, by the second it is due
	Promises []Dated // in order of date
}

// Dated is what is promised for one date; it is part of Balance.Reserved, and its holds are part of Balance.Holds.
type Dated struct {
	At       aggregates.Instant // a whole second
	Quantity int64
	Holds    Holds // the part that expires
}

// Bounds of promises for later dates.
const (
	// MaxPromiseSeconds is how far ahead a promise may be: 400 days.
	MaxPromiseSeconds int64 = 400 * 24 * 60 * 60
	// MaxPromiseDates is for how many different dates promises may be made from one location.
	MaxPromiseDates = 1_000
	// MaxUses is how many lines of supply that it counts on one reservation names.
	MaxUses = 100
)

// live is what is promised for the date by reservations that have not ended at now.
func (d *Dated) live(now aggregates.Instant) int64 { return d.Quantity - d.Holds.EndedAt(now) }

// promised is what is promised, live at now, for dates after now.
func (l *Later) promised(now aggregates.Instant) (sum int64) {
	if l == nil {
		return 0
	}
	for i := range l.Promises {
		if d := &l.Promises[i]; d.At > now {
			sum = addUp(sum, d.live(now))
		}
	}
	return sum
}

// DueNow is what is promised, live at now, for no later date.
func (x *Balance) DueNow(now aggregates.Instant) int64 { return x.Live(now) - x.Later.promised(now) }

// incoming is what is to come after now, up to a date.
func (l *Later) incoming(now, until aggregates.Instant) int64 {
	return max(0, l.Incoming.EndedAt(until)-l.Incoming.EndedAt(now))
}

// lowest is the lowest projected balance from a date on, now or later, and the first date that has it. What is back-ordered is
// left aside: it waits.
func (x *Balance) lowest(now, from aggregates.Instant) (lowest int64, at aggregates.Instant) {
	level := subDown(x.OnHand[Sellable], x.Firm(now))
	if x.Later == nil {
		return level, from
	}
	begun := false
	for i := range x.Later.Promises {
		d := &x.Later.Promises[i]
		if d.At <= now {
			continue
		}
		if d.At > from && !begun {
			lowest, at, begun = addUpTo(level, x.Later.incoming(now, from)), from, true
		}
		level = subDown(level, d.live(now))
		if begun {
			if then := addUpTo(level, x.Later.incoming(now, d.At)); then < lowest {
				lowest, at = then, d.At
			}
		}
	}
	if !begun {
		lowest, at = addUpTo(level, x.Later.incoming(now, from)), from
	}
	return lowest, at
}

// FreeAt is what could be promised here, at now, for a date, now or later; never negative.
func (x *Balance) FreeAt(now, at aggregates.Instant) int64 {
	lowest, _ := x.lowest(now, at)
	if lowest <= 0 {
		return 0
	}
	return max(0, lowest-x.SafetyStock)
}

// subDown returns a - b, at least the smallest number, for a b that is not negative.
func subDown(a, b int64) int64 {
	if c, ok := sub(a, b); ok || b <= 0 {
		return c
	}
	return math.MinInt64
}

// addUpTo returns a + b, at most the largest number, for a b that is not negative.
func addUpTo(a, b int64) int64 {
	if c, ok := add(a, b); ok || b <= 0 {
		return c
	}
	return math.MaxInt64
}

// expect folds changes of supply.
func (b *Balances) expect(changes []SupplyChange) {
	for i := range changes {
		c := &changes[i]
		x := b.at(c.Location)
		x.InTransit -= c.Lost
		if c.Open != 0 {
			was := x.Later
			x.later().Incoming.Add(c.DueAt, c.Open)
			x.tidy()
			b.countFuture(was, x.Later)
		}
	}
}

// promiseLater folds what reservations for a date do beside what every reservation does.
func (b *Balances) promiseLater(e aggregates.Event) {
	switch e := e.(type) {
	case *ReservationPlaced:
		b.date(e.PromiseAt, e.Splits, +1, e.ExpiresAt)
	case *ReservationReleased:
		b.date(e.PromiseAt, e.Splits, -1, e.ExpiresAt)
	case *ReservationExpired:
		b.date(e.PromiseAt, e.Splits, -1, e.ExpiresAt)
	case *ReservationConfirmed:
		b.date(e.PromiseAt, e.Splits, -1, e.ExpiredAt)
		b.date(e.PromiseAt, e.Splits, +1, 0)
	case *ReservationExtended:
		b.date(e.PromiseAt, e.Splits, -1, e.From)
		b.date(e.PromiseAt, e.Splits, +1, e.ExpiresAt)
	case *ReservationFulfilled:
		if e.PromiseAt != 0 {
			for _, x := range e.Splits {
				b.promiseFor(e.PromiseAt, x.ReservedAt, -x.Quantity, e.ExpiresAt)
			}
		}
	case *ReservationReallocated:
		b.date(e.PromiseAt, e.From, -1, e.ExpiresAt)
		b.date(e.PromiseAt, e.To, +1, e.ExpiresAt)
	case *ReservationChanged:
		b.date(e.PromiseAt, e.Removed, -1, e.ExpiresAt)
		b.date(e.PromiseAt, e.Added, +1, e.ExpiresAt)
	}
}

func (b *Balances) date(at aggregates.Instant, splits []Split, sign int64, until aggregates.Instant) {
	if at == 0 {
		return
	}
	for _, x := range splits {
		b.promiseFor(at, x.Location, sign*x.Quantity, until)
	}
}

func (b *Balances) promiseFor(at aggregates.Instant, location string, delta int64, until aggregates.Instant) {
	x := b.at(location)
	was := x.Later
	x.promise(at, delta, until)
	b.countFuture(was, x.Later)
}

// countFuture counts the locations that have a future, as it changes at one.
func (b *Balances) countFuture(was, is *Later) {
	if was == nil && is != nil {
		b.futures++
	} else if was != nil && is == nil {
		b.futures--
	}
}

// promise changes what is promised here for a date, and until when unless that is 0.
func (x *Balance) promise(at aggregates.Instant, delta int64, until aggregates.Instant) {
	l := x.later()
	i, ok := l.find(at)
	if !ok {
		l.Promises = slices.Insert(l.Promises, i, Dated{At: at})
	}
	d := &l.Promises[i]
	d.Quantity += delta
	if until != 0 {
		d.Holds.Add(until, delta)
	}
	if d.Quantity == 0 && d.Holds.Len() == 0 {
		l.Promises = slices.Delete(l.Promises, i, i+1)
	}
	x.tidy()
}

func (l *Later) find(at aggregates.Instant) (int, bool) {
	return slices.BinarySearchFunc(l.Promises, at, func(d Dated, at aggregates.Instant) int { return cmp.Compare(d.At, at) })
}

func (x *Balance) later() *Later {
	if x.Later == nil {
		x.Later = &Later{}
	}
	return x.Later
}

// tidy drops a future of which nothing is known.
func (x *Balance) tidy() {
	if l := x.Later; l != nil && len(l.Promises) == 0 && l.Incoming.Len() == 0 {
		x.Later = nil
	}
}

func (l *Later) clone() *Later {
	if l == nil {
		return nil
	}
	c := &Later{Incoming: l.Incoming.clone(), Promises: slices.Clone(l.Promises)}
	for i := range c.Promises {
		c.Promises[i].Holds = c.Promises[i].Holds.clone()
	}
	return c
}

// Incoming is all open supply that has a date, overdue supply included.
func (x *Balance) Incoming() int64 {
	if x.Later == nil {
		return 0
	}
	return x.Later.Incoming.EndedAt(math.MaxInt64)
}

// Expecting tells whether any supply is open.
func (b *Balances) Expecting() bool {
	if b.futures == 0 {
		return false
	}
	for i := range b.list {
		if l := b.list[i].Later; l != nil && l.Incoming.Len() > 0 {
			return true
		}
	}
	return false
}
