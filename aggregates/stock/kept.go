package stock

import (
	"slices"
	"unique"

	"github.com/stockfold/stockfold/aggregates"
)

// kept is what a State keeps of a reservation, which it may have a million of: what is its own in full, by a handle what many have in common, and
// behind a pointer what few have. Decisions read it as a reservation.
type kept struct {
	id          string
	fingerprint uint64
	revision    uint64
	placedAt    aggregates.Instant
	placedUntil aggregates.Instant
	until       aggregates.Instant
	quantity    int64
	terms       unique.Handle[terms]
	more        *more
	next        *kept // in its bucket of the book
	due         int32 // index in State.due while held
	end         ending
}

// terms are what reservations have in common with others, of any SKU. They do not change.
type terms struct {
	channel     string
	method      string
	location    string // where all units of it were first reserved; "" when at several
	backordered bool   // there
	bound       bool
	placedUnder uint64
}

// more is what a reservation has in addition when an order has asked for it, or when it is not in one piece.
type more struct {
	order  string
	asked  uint64
	parted *parted // nil for a reservation in one piece
}

// parted are what a reservation is made of that is not, or no more, in one piece, or is promised for a date.
type parted struct {
	placed, splits               []Split // one list while they are the same
	fulfilled, released, expired int64
	promiseAt                    aggregates.Instant
	supply                       []SupplyUse
	policy                       uint64
}

// put takes in a reservation whose id is not in, and returns what is kept of it.
func (b *book) put(r *reservation) *kept {
	t := terms{channel: r.channel, method: r.method, bound: r.bound, placedUnder: r.placedUnder}
	if len(r.placed) == 1 {
		t.location, t.backordered = r.placed[0].Location, r.placed[0].Backordered
	}
	k := &kept{id: r.id, fingerprint: r.fingerprint, revision: r.revision, placedAt: r.placedAt, placedUntil: r.placedUntil, terms: b.handle(t)}
	k.set(r)
	b.add(k)
	return k
}

// set takes over what events change in a reservation.
func (b *book) set(k *kept, r *reservation) {
	b.bytes -= k.size()
	k.set(r)
	b.bytes += k.size()
}

// handle returns the handle of terms. Most come as those before them.
func (b *book) handle(t terms) unique.Handle[terms] {
	if b.latest == (unique.Handle[terms]{}) || b.latest.Value() != t {
		b.latest = unique.Make(t)
	}
	return b.latest
}

// set takes over what events change in a reservation. It keeps no list of it.
func (k *kept) set(r *reservation) {
	k.until, k.quantity, k.end = r.until, r.quantity, r.end
	whole := r.whole()
	if whole && r.order == "" && r.asked == 0 {
		k.more = nil
		return
	}
	if k.more == nil {
		k.more = &more{}
	}
	k.more.order, k.more.asked = r.order, r.asked
	if whole {
		k.more.parted = nil
		return
	}
	if k.more.parted == nil {
		k.more.parted = &parted{placed: exactly(r.placed), promiseAt: r.promiseAt, supply: exactly(r.supply)}
		k.more.parted.splits = k.more.parted.placed
	}
	p := k.more.parted
	p.fulfilled, p.released, p.expired, p.policy = r.fulfilled, r.released, r.expired, r.policy
	if !slices.Equal(p.splits, r.splits) {
		p.splits = exactly(r.splits)
	}
}

// whole tells whether a reservation is in one piece: its units as they were placed, at one location and for now, or all ended in one way.
func (r *reservation) whole() bool {
	switch {
	case len(r.placed) > 1 || total(r.placed) != r.quantity || len(r.placed) == 1 && r.quantity == 0:
		return false
	case r.promiseAt != 0 || r.policy != r.placedUnder:
		return false
	case r.end == notEnded:
		return r.fulfilled == 0 && r.released == 0 && r.expired == 0 && slices.Equal(r.splits, r.placed)
	}
	ended := *r
	ended.fulfilled, ended.released, ended.expired = r.end.parts(r.quantity)
	return len(r.splits) == 0 && r.fulfilled == ended.fulfilled && r.released == ended.released && r.expired == ended.expired
}

// parts are what became of a quantity that ended in one way.
func (e ending) parts(quantity int64) (fulfilled, released, expired int64) {
	switch e {
	case endedByFulfilment:
		fulfilled = quantity
	case endedByRelease:
		released = quantity
	case endedByExpiry:
		expired = quantity
	}
	return fulfilled, released, expired
}

// exactly copies a list, with no room for more.
func exactly[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return append(make([]T, 0, len(list)), list...)
}

// reservation reads what is kept. When the reservation ended is known to State.ended alone.
func (k *kept) reservation() reservation { return k.read(new([1]Split)) }

// read is reservation for who has a place for the split of one in one piece: it is valid as long as that is not used again.
func (k *kept) read(one *[1]Split) (r reservation) {
	t := k.terms.Value()
	r.id, r.fingerprint, r.revision, r.placedAt, r.placedUntil = k.id, k.fingerprint, k.revision, k.placedAt, k.placedUntil
	r.until, r.quantity, r.end = k.until, k.quantity, k.end
	r.channel, r.method, r.bound, r.placedUnder, r.policy = t.channel, t.method, t.bound, t.placedUnder, t.placedUnder
	if k.more != nil {
		r.order, r.asked = k.more.order, k.more.asked
		if p := k.more.parted; p != nil {
			r.placed, r.splits, r.promiseAt, r.supply, r.policy = p.placed, p.splits, p.promiseAt, p.supply, p.policy
			r.fulfilled, r.released, r.expired = p.fulfilled, p.released, p.expired
			return r
		}
	}
	r.fulfilled, r.released, r.expired = k.end.parts(k.quantity)
	if k.quantity == 0 {
		return r
	}
	one[0] = Split{Location: t.location, Quantity: k.quantity, Backordered: t.backordered}
	r.placed = one[:]
	if k.end == notEnded {
		r.splits = r.placed
	}
	return r
}

// promiseAt is the date that the reservation is promised for, 0 for now.
func (k *kept) promiseAt() aggregates.Instant {
	if k.more == nil || k.more.parted == nil {
		return 0
	}
	return k.more.parted.promiseAt
}

// live tells whether units are still promised at an instant.
func (k *kept) live(now aggregates.Instant) bool {
	return k.end == notEnded && (k.until == 0 || k.until > now)
}
