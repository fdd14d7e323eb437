package stock

import (
	"math"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
)

// Pool is what the locations of a channel add up to for its ATS. Whoever keeps it need not look at all of them again when one changes.
type Pool struct {
	Free   int64 // beyond what is promised and kept back
	OnHand int64 // sellable, of which buffers may be a share; where there are rules
}

// Adds tells whether what a channel can sell follows from a Pool: nothing is put aside for other channels, and nothing is back-ordered.
func (b *Balances) Adds() bool {
	return b.rules == nil || !b.rules.Tallied && len(b.rules.Allocations) == 0
}

// Pool adds up a channel's locations at now, for AvailableOf.
func (b *Balances) Pool(p *Policy, now aggregates.Instant) (sum Pool) {
	if b.plain(p) {
		b.stocked(p, now, func(_ int, _ *Balance, free int64) { sum.Free = addUp(sum.Free, free) })
		return sum
	}
	b.sites(p, func(_ int, x *Balance) { sum = sum.with(b.part(x, p, now)) })
	return sum
}

// PoolAfter is the Pool at now, given the one of before at then, once a location of the channel changed from one balance to another; either may be nil for
// nothing. The SKU's own rules must be the same, and no rule may have begun or ended meanwhile. ok is false when the Pool has to be added up again.
func (b *Balances) PoolAfter(before Pool, was, is *Balance, p *Policy, then, now aggregates.Instant) (sum Pool, ok bool) {
	if before.Free == math.MaxInt64 || before.OnHand == math.MaxInt64 { // as much as can be told
		return Pool{}, false
	}
	less := b.part(was, p, then)
	return Pool{before.Free - less.Free, before.OnHand - less.OnHand}.with(b.part(is, p, now)), true
}

// part is what a location adds to the Pool of a channel that sells from it.
func (b *Balances) part(x *Balance, p *Policy, now aggregates.Instant) Pool {
	switch {
	case x == nil:
		return Pool{}
	case b.plain(p):
		return Pool{Free: x.Free(now)}
	}
	return Pool{Free: b.spare(x, p, now, now), OnHand: max(0, x.OnHand[Sellable])}
}

func (a Pool) with(x Pool) Pool { return Pool{addUp(a.Free, x.Free), addUp(a.OnHand, x.OnHand)} }

// plain tells whether there are no rules, of the SKU or of the channel.
func (b *Balances) plain(p *Policy) bool { return b.rules == nil && p.plain }

// AvailableOf is Available, given the Pool at now of a SKU that Adds.
func (b *Balances) AvailableOf(pool Pool, p *Policy, now aggregates.Instant) int64 {
	if b.plain(p) {
		return lessBuffer(pool.Free, p)
	}
	rule := b.sellingRule(p.Channel)
	if p.Closed || rule.Unsold || rule.ReleaseAt > now {
		return 0
	}
	return b.afterSellOut(max(0, pool.Free-b.bufferRule(p, now).Portion.Of(pool.OnHand)), p, &rule)
}

// NextChange is the first instant after now at which what is free here changes with nothing recorded: a hold ends, supply is due, a date
// comes that something is promised for. The largest instant stands for none.
func (x *Balance) NextChange(now aggregates.Instant) aggregates.Instant {
	next := x.Holds.next(now)
	if x.Later == nil {
		return next
	}
	next = min(next, x.Later.Incoming.next(now))
	for i := range x.Later.Promises {
		d := &x.Later.Promises[i]
		if next = min(next, d.Holds.next(now)); d.At > now {
			next = min(next, d.At)
		}
	}
	return next
}

// next is the first end after now; the largest instant when there is none.
func (h *Holds) next(now aggregates.Instant) aggregates.Instant {
	r := sort.Search(len(h.runs), func(i int) bool { return h.runs[i].last() > now })
	if r == len(h.runs) {
		return math.MaxInt64
	}
	run := h.runs[r].holds
	return run[sort.Search(len(run), func(i int) bool { return run[i].Until > now })].Until
}
