package views

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
)

// Reservations keeps the records of reservations, by id and SKU. The other key spaces are indexes: an entry says where to
// look, and counts only if the record says the same.
type Reservations struct{ db *DB }

// Reservations returns the read model of reservations.
func (d *DB) Reservations() *Reservations { return &Reservations{d} }

// change is what was written of one SKU's record.
type change struct {
	sku string
	reservations.Change
}

// gatherRecords makes what gathers the changes written, by id.
func (d *DB) gatherRecords() *gathered[[]change] {
	return &gathered[[]change]{db: d, space: spaceReservations, turn: make(chan struct{}, 1),
		join: joinChanges, size: changesSize, store: d.Reservations().store}
}

// joinChanges returns one change per SKU.
func joinChanges(old, now []change) []change {
	all := slices.Clone(old)
	for _, c := range now {
		i := slices.IndexFunc(all, func(o change) bool { return o.sku == c.sku })
		if i < 0 {
			all = append(all, c)
		} else {
			all[i].After = newerRecord(all[i].After, c.After)
		}
	}
	return all
}

// keysBytes is for how many bytes of keys memory is taken at once.
const keysBytes = 64 << 10

// changeBytes is about what a change takes beside its record.
const changeBytes = 120

func changesSize(list []change) (bytes int) {
	for _, c := range list {
		bytes += changeBytes
		if c.After != nil {
			bytes += c.After.Size()
		}
	}
	return bytes
}

// Progress tells how far the records have come.
func (m *Reservations) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.records.progress(ctx)
}

// One returns a record, nil when there is none.
func (m *Reservations) One(ctx context.Context, id, sku string) (*reservations.Record, error) {
	changed := false
	var written *reservations.Record
	m.db.records.read(id, func(list []change) {
		for _, c := range list {
			if c.sku == sku {
				written, changed = newerRecord(written, c.After), true
			}
		}
	})
	stored, err := m.stored(ctx, id, sku)
	if changed && err == nil {
		stored = newerRecord(stored, written)
	}
	return stored, err
}

// newerRecord returns the one of the higher position, of equal positions now; nil when that was removed.
func newerRecord(old, now *reservations.Record) *reservations.Record {
	if old != nil && now != nil && old.Position > now.Position {
		return old
	}
	return now
}

func (m *Reservations) stored(ctx context.Context, id, sku string) (*reservations.Record, error) {
	if !m.db.ids.mayHave(id) { // as of nearly every one that is placed
		return nil, m.db.usable(ctx)
	}
	r := &reservations.Record{}
	ok, err := m.db.get(ctx, appendRecordKey(nil, id, sku), r.UnmarshalBinary)
	if !ok || err != nil {
		return nil, err
	}
	return r, nil
}

// ByID returns the records of an id, in bytewise order of SKU.
func (m *Reservations) ByID(ctx context.Context, id string) ([]*reservations.Record, error) {
	var changes []change
	m.db.records.read(id, func(list []change) { changes = append(changes, list...) })
	list, err := m.storedByID(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		list = apply(list, c)
	}
	return list, nil
}

// apply makes a change in a list of an id's records.
func apply(list []*reservations.Record, c change) []*reservations.Record {
	i, ok := slices.BinarySearchFunc(list, c.sku, func(r *reservations.Record, sku string) int {
		return strings.Compare(r.SKU, sku)
	})
	switch {
	case ok && c.After == nil:
		return slices.Delete(list, i, i+1)
	case ok && c.After.Position >= list[i].Position:
		list[i] = c.After
	case !ok && c.After != nil:
		return slices.Insert(list, i, c.After)
	}
	return list
}

func (m *Reservations) storedByID(ctx context.Context, id string) (list []*reservations.Record, err error) {
	if !m.db.ids.mayHave(id) {
		return nil, m.db.usable(ctx)
	}
	err = m.db.withPrefix(ctx, appendName([]byte{spaceRecords}, id), func(value []byte) error {
		r := &reservations.Record{}
		list = append(list, r)
		return r.UnmarshalBinary(value)
	})
	return list, err
}

// List returns a SKU's records that were placed after a position, in that order.
func (m *Reservations) List(ctx context.Context, sku string, liveOnly bool, placedAfter uint64, limit int) ([]*reservations.Record, error) {
	spaces := []byte{spaceLiveBySKU, spaceEndedBySKU} // in this order: what ends meanwhile is not missed
	if liveOnly {
		spaces = spaces[:1]
	}
	var in []span
	for _, space := range spaces {
		prefix := appendName([]byte{space}, sku)
		in = append(in, span{binary.BigEndian.AppendUint64(bytes.Clone(prefix), placedAfter+1), after(prefix)})
	}
	prefix := len(appendName([]byte{0}, sku))
	return m.look(ctx, in, limit, func(key []byte) (id, of string, ok bool) {
		rest := key[prefix:]
		return string(rest[min(8, len(rest)):]), sku, len(rest) > 8
	})
}

// Due returns held records whose hold ends at an instant or later, the earliest first, after one returned earlier.
func (m *Reservations) Due(ctx context.Context, from aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	first := timeKey(spaceDue, from)
	if last != nil {
		first = append(entry{spaceDue, uint64(last.ExpiresAt)}.appendKey(nil, last), 0)
	}
	return m.look(ctx, []span{{first, []byte{spaceDue + 1}}}, limit, cutTimeKey)
}

// Ended returns records that ended before an instant, the earliest first, after one returned earlier.
func (m *Reservations) Ended(ctx context.Context, before aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	from := []byte{spaceEnded}
	if last != nil {
		from = append(entry{spaceEnded, uint64(last.EndedAt)}.appendKey(nil, last), 0)
	}
	if end := timeKey(spaceEnded, before); bytes.Compare(from, end) < 0 {
		return m.look(ctx, []span{{from, end}}, limit, cutTimeKey)
	}
	return nil, nil
}

// span is the keys from one on that come before another.
type span struct{ from, before []byte }

// look reads the records that an index names, as far as they are still in it, in the order of what follows the first byte of
// its keys.
func (m *Reservations) look(ctx context.Context, in []span, limit int, cut func([]byte) (id, sku string, ok bool)) (list []*reservations.Record, err error) {
	if err := m.db.records.settle(ctx); err != nil {
		return nil, err
	}
	for len(list) < limit {
		keys, err := m.keys(ctx, in, limit-len(list))
		if err != nil || len(keys) == 0 {
			return list, err
		}
		for _, key := range keys {
			id, sku, ok := cut(key)
			if !ok {
				continue
			}
			r, err := m.stored(ctx, id, sku)
			if err != nil {
				return nil, err
			}
			if r != nil && indexed(r, key) {
				list = append(list, r)
			}
		}
		last := keys[len(keys)-1]
		for i := range in {
			in[i].from = append(append(bytes.Clone(in[i].from[:1]), last[1:]...), 0)
		}
	}
	return list, nil
}

// keys returns the first keys of some spans.
func (m *Reservations) keys(ctx context.Context, in []span, limit int) (keys [][]byte, err error) {
	for _, s := range in {
		n := 0
		err := m.db.scan(ctx, s.from, s.before, func(key, _ []byte) (bool, error) {
			keys = append(keys, bytes.Clone(key))
			n++
			return n < limit, nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(in) > 1 {
		slices.SortStableFunc(keys, func(a, b []byte) int { return bytes.Compare(a[1:], b[1:]) })
	}
	return keys[:min(limit, len(keys))], nil
}

// indexed tells whether a key is of an entry that a record has.
func indexed(r *reservations.Record, key []byte) bool {
	for _, e := range entriesOf(r) {
		if e != none && bytes.Equal(e.appendKey(nil, r), key) {
			return true
		}
	}
	return false
}

// Write takes changes and the progress, which are applied in one batch with what is written a moment later.
func (m *Reservations) Write(ctx context.Context, changes []reservations.Change, p projections.Progress) error {
	return m.db.records.write(ctx, p, func(take func(string, []change)) {
		list := make([]change, len(changes))
		for i, c := range changes {
			r := c.After
			if r == nil {
				r = c.Before
			}
			if r != nil {
				list[i] = change{r.SKU, c}
				take(r.ID, list[i:i+1:i+1])
			}
		}
	})
}

func (m *Reservations) store(ctx context.Context, changes map[string][]change, p projections.Progress) error {
	for id := range changes {
		m.db.ids.add([]byte(id))
	}
	return m.db.write(ctx, spaceReservations, p, func(b *pebbledb.Batch) error {
		w := recordWriter{indexes: make([]keyChange, 0, 2*len(changes))}
		for _, id := range slices.Sorted(maps.Keys(changes)) { // in order, which the database takes faster
			for _, c := range changes[id] {
				if err := w.record(b, c.Change); err != nil {
					return err
				}
				w.index(c.Change)
			}
		}
		return w.finish(b)
	})
}

// recordWriter puts changes into a batch: records at once, what changes in the indexes in the end.
type recordWriter struct {
	key, value []byte // used again
	indexes    []keyChange
	keys       []byte // of indexes, one after the other
}

// keyChange sets or deletes a key of an index.
type keyChange struct {
	key  []byte
	sets bool
}

func (w *recordWriter) record(b *pebbledb.Batch, c reservations.Change) (err error) {
	if c.After == nil {
		if c.Before == nil {
			return nil
		}
		return b.Delete(appendRecordKey(nil, c.Before.ID, c.Before.SKU), nil)
	}
	if w.value, err = c.After.AppendBinary(appendVersion(w.value[:0], c.After.Position, 0)); err != nil {
		return err
	}
	w.key = appendRecordKey(w.key[:0], c.After.ID, c.After.SKU)
	return b.Merge(w.key, w.value, nil)
}

func (w *recordWriter) index(c reservations.Change) {
	old, now := entriesOf(c.Before), entriesOf(c.After)
	for _, e := range old {
		if e != none && e != now[0] && e != now[1] {
			w.change(e, c.Before, false)
		}
	}
	for _, e := range now {
		if e != none && e != old[0] && e != old[1] {
			w.change(e, c.After, true)
		}
	}
}

// change notes the change of an entry. When keys has no more room, those before stay where they are.
func (w *recordWriter) change(e entry, r *reservations.Record, sets bool) {
	if room := 32 + len(r.SKU) + len(r.ID); cap(w.keys)-len(w.keys) < room {
		w.keys = make([]byte, 0, max(keysBytes, room))
	}
	at := len(w.keys)
	w.keys = e.appendKey(w.keys, r)
	w.indexes = append(w.indexes, keyChange{w.keys[at:], sets})
}

// finish puts the changes of the indexes into the batch, in order of key. No key is both set and deleted: each has its record's id and SKU.
func (w *recordWriter) finish(b *pebbledb.Batch) (err error) {
	slices.SortFunc(w.indexes, func(a, b keyChange) int { return bytes.Compare(a.key, b.key) })
	for _, c := range w.indexes {
		if c.sets {
			err = b.Set(c.key, nil, nil)
		} else {
			err = b.Delete(c.key, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Reset removes everything.
func (m *Reservations) Reset(ctx context.Context) error {
	return m.db.records.reset(ctx, spacePolicies, m.db.ids.forget)
}

func appendRecordKey(dst []byte, id, sku string) []byte {
	return append(appendName(append(dst, spaceRecords), id), sku...)
}

// entry is where an index has a record: in its space, by a time or else by the record's SKU.
type entry struct {
	space byte
	at    uint64 // end, or else place
}

// none is no entry.
var none entry

// entriesOf are the entries of a record; none for nil.
func entriesOf(r *reservations.Record) [2]entry {
	switch {
	case r == nil:
		return [2]entry{}
	case !r.Live():
		return [2]entry{{spaceEndedBySKU, r.Placed}, {spaceEnded, uint64(r.EndedAt)}}
	case r.Status == stock.StatusHeld:
		return [2]entry{{spaceLiveBySKU, r.Placed}, {spaceDue, uint64(r.ExpiresAt)}}
	}
	return [2]entry{{spaceLiveBySKU, r.Placed}}
}

// appendKey appends the key of a record's entry.
func (e entry) appendKey(dst []byte, r *reservations.Record) []byte {
	dst = append(dst, e.space)
	if e.space == spaceDue || e.space == spaceEnded {
		dst = appendName(binary.BigEndian.AppendUint64(dst, e.at), r.SKU)
	} else {
		dst = binary.BigEndian.AppendUint64(appendName(dst, r.SKU), e.at)
	}
	return append(dst, r.ID...)
}

func timeKey(space byte, at aggregates.Instant) []byte {
	return binary.BigEndian.AppendUint64([]byte{space}, uint64(at))
}

func cutTimeKey(key []byte) (id, sku string, ok bool) {
	if len(key) < 9 {
		return "", "", false
	}
	of, rest, ok := cutName(key[9:])
	return string(rest), string(of), ok
}

var _ reservations.ReadModel = (*Reservations)(nil)
