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

// Reset removes everything.
func (m *Reservations) Reset(ctx context.Context) error {
	return m.db.records.reset(ctx, spacePolicies, m.db.ids.forget)
}

var _ reservations.ReadModel = (*Reservations)(nil)
