package stock

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// SnapshotSchema names the form of a snapshot. It changes whenever the form, or what Evolve keeps, does; a snapshot
// under another name is not read.
const SnapshotSchema = "stock/4"

// MarshalBinary encodes the state: the same state always gives the same bytes. The form is varints, times as the
// difference to the time before, repeated words by number, a CRC-32C at the end.
func (s *State) MarshalBinary() ([]byte, error) {
	w := writer{b: make([]byte, 0, s.Size()/4+s.reservations.len()*32), words: make(map[string]uint64)}
	w.uint(s.Version)
	w.time(s.latest)
	w.bool(s.used)
	w.item(&s.Item)
	w.uint(uint64(s.Len()))
	for x := range s.Each {
		w.balance(x)
	}
	w.rules(s.rules)
	w.bundle(s.bundle)
	w.reservations(s)
	w.uint(uint64(len(s.origins)))
	for i := range s.origins {
		w.origin(&s.origins[i])
	}
	w.seen(&s.facts)
	w.seen(&s.calls)
	w.supplies(s.supply)
	w.said(&s.said)
	return binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b, castagnoli)), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writer appends values to a snapshot.
type writer struct {
	b     []byte
	words map[string]uint64
	last  aggregates.Instant
	room  [1]Split
}

func (w *writer) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) fixed(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) byte(v byte)    { w.b = append(w.b, v) }
func (w *writer) bytes(v []byte) { w.b = append(w.b, v...) }
func (w *writer) text(v string)  { w.uint(uint64(len(v))); w.b = append(w.b, v...) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

func (w *writer) time(t aggregates.Instant) {
	w.int(int64(t - w.last))
	w.last = t
}

// word writes a text that may be repeated: its number, or 0 and the text the first time.
func (w *writer) word(v string) {
	if n := w.words[v]; n != 0 {
		w.uint(n)
		return
	}
	w.words[v] = uint64(len(w.words) + 1)
	w.uint(0)
	w.text(v)
}

func (w *writer) item(i *Item) {
	w.bool(i.Registered)
	w.bool(i.ByDefault)
	w.text(i.Name)
	w.text(i.Unit)
	w.text(i.Category)
	w.uint(uint64(i.Decimals))
}

func (w *writer) balance(x *Balance) {
	w.word(x.Location)
	for _, v := range x.OnHand {
		w.int(v)
	}
	w.int(x.Reserved)
	w.int(x.SafetyStock)
	w.int(x.InTransit)
	w.holds(&x.Holds)
	w.later(x.Later)
	w.uses(x.Uses)
	w.bool(x.journal != nil)
	if x.journal != nil {
		w.journal(x.journal)
	}
}

func (w *writer) holds(h *Holds) {
	w.uint(uint64(h.Len()))
	for x := range h.Each {
		w.time(x.Until)
		w.int(x.Quantity)
	}
}

func (w *writer) journal(j *journal) {
	w.time(j.floor)
	w.uint(uint64(len(j.entries)))
	for _, x := range j.entries {
		w.time(x.at)
		w.int(x.delta)
		w.byte(byte(x.condition))
		w.bool(x.count)
	}
	w.time(j.countFloor)
	w.uint(uint64(len(j.counts)))
	for _, x := range j.counts {
		w.time(x.asOf)
		w.uint(x.revision)
		w.byte(byte(x.condition))
		w.fixed(x.number.numbering)
		w.text(x.number.sequence)
	}
}

// reservations writes the live ones as they were placed, then the ended ones as they ended.
func (w *writer) reservations(s *State) {
	live := make([]*kept, 0, s.Live())
	for k := range s.reservations.each {
		if k.end == notEnded {
			live = append(live, k)
		}
	}
	slices.SortFunc(live, func(a, b *kept) int { return cmp.Compare(a.revision, b.revision) })
	w.uint(uint64(len(live)))
	for _, k := range live {
		w.reservation(k.read(&w.room))
	}
	ended := s.ended.list[s.ended.head:]
	w.uint(uint64(len(ended)))
	for _, k := range ended {
		r := k.read(&w.room)
		r.endedAt = k.at
		w.reservation(r)
	}
}

func (w *writer) reservation(r reservation) {
	w.text(r.id)
	w.word(r.channel)
	w.fixed(r.fingerprint)
	w.uint(r.revision)
	w.time(r.placedAt)
	w.time(r.placedUntil)
	w.time(r.until)
	w.int(r.quantity)
	w.int(r.fulfilled)
	w.int(r.released)
	w.int(r.expired)
	w.splits(r.placed)
	whole := slices.Equal(r.placed, r.splits)
	w.bool(whole)
	if !whole {
		w.splits(r.splits)
	}
	w.byte(byte(r.end))
	w.time(r.endedAt)
	w.dated(r.promiseAt, r.supply)
	w.text(r.order)
	w.uint(r.asked)
	w.word(r.method)
	w.bool(r.bound)
	w.uint(r.placedUnder)
	w.uint(r.policy)
}

func (w *writer) splits(list []Split) {
	w.uint(uint64(len(list)))
	for _, x := range list {
		w.word(x.Location)
		w.int(x.Quantity)
		w.bool(x.Backordered)
	}
}

func (w *writer) origin(o *origin) {
	w.text(o.topic)
	w.int(int64(o.partition))
	w.int(o.applied)
	w.int(o.forgotten)
	w.time(o.until)
}

func (w *writer) seen(s *seen) {
	w.uint(uint64(s.len()))
	for i := s.head; i < len(s.queue); i++ {
		k := &s.queue[i]
		w.bytes(k.hash[:])
		w.fixed(k.fingerprint)
		w.time(k.at)
		w.uint(k.revision)
		w.int(k.effect)
		w.int(k.offset)
		w.int(int64(k.origin))
		w.bool(k.oversold)
		w.bool(k.short)
		w.bool(k.observed)
		w.bool(k.superseded)
		w.bool(k.reservation != nil)
		if k.reservation != nil {
			w.view(k.reservation)
		}
	}
}

func (w *writer) view(v *Reservation) {
	w.text(v.ID)
	w.word(v.Channel)
	w.byte(byte(v.Status))
	w.int(v.Quantity)
	w.int(v.Remaining)
	w.int(v.Fulfilled)
	w.int(v.Released)
	w.int(v.Expired)
	w.splits(v.Splits)
	w.time(v.ExpiresAt)
	w.time(v.PlacedAt)
	w.dated(v.PromiseAt, v.Supply)
	w.uint(v.PolicyPosition)
}
