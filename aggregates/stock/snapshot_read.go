package stock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// ErrDamaged says that bytes are not a snapshot of this schema.
var ErrDamaged = errors.New("snapshot is damaged")

// UnmarshalBinary restores a state from MarshalBinary's bytes, which it does not keep. On an error, ErrDamaged, the state is as before.
func (s *State) UnmarshalBinary(data []byte) error {
	body := len(data) - crc32.Size
	if body < 0 || binary.LittleEndian.Uint32(data[body:]) != crc32.Checksum(data[:body], castagnoli) {
		return fmt.Errorf("%w: %d bytes do not add up to their checksum", ErrDamaged, len(data))
	}
	return s.restore(data[:body])
}

func (s *State) restore(body []byte) error {
	r := reader{b: body}
	fresh := State{Version: r.uint(), latest: r.time(), used: r.bool()}
	fresh.Item = r.item()
	balances := r.count(10)
	list := make([]Balance, balances)
	fresh.list = make([]*Balance, balances)
	for i := range list {
		list[i] = r.balance(&fresh)
		fresh.list[i] = &list[i]
		fresh.countFuture(nil, list[i].Later)
	}
	fresh.rules = r.rules()
	fresh.bundle = r.bundle()
	r.reservations(&fresh)
	origins := r.count(4)
	fresh.origins = make([]origin, 0, origins)
	for range origins {
		fresh.origins = append(fresh.origins, r.origin())
	}
	r.seen(&fresh.facts, len(fresh.origins))
	r.seen(&fresh.calls, len(fresh.origins))
	fresh.supply = r.supplies()
	r.said(&fresh.said)
	if r.failed || len(r.b) != 0 || !fresh.ordered() {
		return fmt.Errorf("%w: its %d bytes cannot be read", ErrDamaged, len(body))
	}
	*s = fresh
	return nil
}

// ordered tells whether locations are in order, which finding them relies on.
func (s *State) ordered() bool {
	for i := 1; i < len(s.list); i++ {
		if s.list[i-1].Location >= s.list[i].Location {
			return false
		}
	}
	return true
}

func (r *reader) item() Item {
	return Item{
		Registered: r.bool(), ByDefault: r.bool(), Name: r.text(), Unit: r.text(), Category: r.text(), Decimals: int(r.uint()),
	}
}

func (r *reader) condition() Condition {
	c := Condition(r.byte())
	if c >= conditions {
		r.fail()
		return 0
	}
	return c
}

func (r *reader) balance(s *State) Balance {
	x := Balance{Location: r.word()}
	for c := range x.OnHand {
		x.OnHand[c] = r.int()
	}
	x.Reserved, x.SafetyStock, x.InTransit = r.int(), r.int(), r.int()
	x.Holds = r.holds()
	x.Later = r.later()
	x.Uses = r.uses()
	if r.bool() {
		x.journal = r.journal()
		s.entries += len(x.journal.entries)
	}
	return x
}

func (r *reader) holds() (h Holds) {
	for range r.count(2) {
		until := r.time()
		h.Add(until, r.int())
	}
	return h
}

func (r *reader) journal() *journal {
	j := &journal{floor: r.time()}
	if n := r.count(4); n > 0 {
		j.entries = make([]entry, n)
	}
	for i := range j.entries {
		j.entries[i] = entry{at: r.time(), delta: r.int(), condition: r.condition(), count: r.bool()}
	}
	j.countFloor = r.time()
	for range r.count(12) {
		j.counts = append(j.counts, countRef{asOf: r.time(), revision: r.uint(), condition: r.condition(), number: numbered{r.fixed(), r.text()}})
	}
	return j
}

func (r *reader) reservations(s *State) {
	for range r.count(20) {
		x := r.reservation()
		x.end = notEnded
		s.place(&x)
	}
	for range r.count(20) {
		x := r.reservation()
		s.ended.push(s.reservations.put(&x), x.endedAt)
	}
}

// reservation reads one whose lists are valid until the next is read.
func (r *reader) reservation() reservation {
	x := reservation{
		id: r.text(), channel: r.word(), fingerprint: r.fixed(), revision: r.uint(),
		placedAt: r.time(), placedUntil: r.time(), until: r.time(),
		quantity: r.int(), fulfilled: r.int(), released: r.int(), expired: r.int(), placed: r.splitsIn(&r.room[0]),
	}
	x.splits = x.placed
	if !r.bool() {
		x.splits = r.splitsIn(&r.room[1])
	}
	x.end, x.endedAt = ending(r.byte()), r.time()
	x.promiseAt, x.supply = r.dated()
	x.order, x.asked = r.text(), r.uint()
	x.method, x.bound, x.placedUnder, x.policy = r.word(), r.bool(), r.uint(), r.uint()
	return x
}

func (r *reader) splits() (list []Split) { return r.splitsIn(&list) }

// splitsIn reads splits into a list that is used again.
func (r *reader) splitsIn(list *[]Split) []Split {
	n := int(r.count(2))
	*list = slices.Grow((*list)[:0], n)
	for range n {
		*list = append(*list, Split{Location: r.word(), Quantity: r.int(), Backordered: r.bool()})
	}
	return *list
}

func (r *reader) origin() origin {
	return origin{topic: r.text(), partition: int32(r.int()), applied: r.int(), forgotten: r.int(), until: r.time()}
}

func (r *reader) seen(s *seen, origins int) {
	n := r.count(30)
	s.queue = slices.Grow(s.queue, int(n))
	for range n {
		k := seenKey{
			hash: keyHash(r.take(16)), fingerprint: r.fixed(), at: r.time(), revision: r.uint(),
			effect: r.int(), offset: r.int(), origin: int32(r.int()), oversold: r.bool(), short: r.bool(),
			observed: r.bool(), superseded: r.bool(),
		}
		if r.bool() {
			k.reservation = r.view()
		}
		if k.origin < -1 || int(k.origin) >= origins {
			r.fail()
			return
		}
		s.add(k)
	}
}

func (r *reader) view() *Reservation {
	v := &Reservation{
		ID: r.text(), Channel: r.word(), Status: Status(r.byte()), Quantity: r.int(), Remaining: r.int(),
		Fulfilled: r.int(), Released: r.int(), Expired: r.int(), Splits: r.splits(), ExpiresAt: r.time(), PlacedAt: r.time(),
	}
	v.PromiseAt, v.Supply = r.dated()
	v.PolicyPosition = r.uint()
	return v
}
