package views

import (
	"bytes"
	"context"
	"encoding/binary"

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

// Progress tells how far the records have come.
func (m *Reservations) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.progress(ctx, spaceReservations)
}

// One returns a record, nil when there is none.
func (m *Reservations) One(ctx context.Context, id, sku string) (*reservations.Record, error) {
	r := &reservations.Record{}
	ok, err := m.db.get(ctx, recordKey(id, sku), r.UnmarshalBinary)
	if !ok || err != nil {
		return nil, err
	}
	return r, nil
}

// ByID returns the records of an id, in bytewise order of SKU.
func (m *Reservations) ByID(ctx context.Context, id string) (list []*reservations.Record, err error) {
	if ok, err := m.db.has(ctx, idKey(id)); !ok || err != nil {
		return nil, err
	}
	prefix := appendName([]byte{spaceRecords}, id)
	err = m.db.scan(ctx, prefix, after(prefix), func(_, value []byte) (bool, error) {
		r := &reservations.Record{}
		list = append(list, r)
		return true, versioned(value, r.UnmarshalBinary)
	})
	return list, err
}

// List returns a SKU's records that were placed after a position, in that order.
func (m *Reservations) List(ctx context.Context, sku string, liveOnly bool, placedAfter uint64, limit int) ([]*reservations.Record, error) {
	space := spaceBySKU
	if liveOnly {
		space = spaceLiveBySKU
	}
	prefix := appendName([]byte{space}, sku)
	from := binary.BigEndian.AppendUint64(bytes.Clone(prefix), placedAfter+1)
	return m.look(ctx, from, after(prefix), limit, func(key []byte) (id, of string, ok bool) {
		rest := key[len(prefix):]
		return string(rest[min(8, len(rest)):]), sku, len(rest) > 8
	})
}

// Due returns held records whose hold ends at an instant or later, the earliest first, after one returned earlier.
func (m *Reservations) Due(ctx context.Context, from aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	first := timeKey(spaceDue, from)
	if last != nil {
		first = append(dueKey(last), 0)
	}
	return m.look(ctx, first, []byte{spaceDue + 1}, limit, cutTimeKey)
}

// Ended returns records that ended before an instant, the earliest first, after one returned earlier.
func (m *Reservations) Ended(ctx context.Context, before aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	from := []byte{spaceEnded}
	if last != nil {
		from = append(endedKey(last), 0)
	}
	if end := timeKey(spaceEnded, before); bytes.Compare(from, end) < 0 {
		return m.look(ctx, from, end, limit, cutTimeKey)
	}
	return nil, nil
}

// look reads the records that an index names, as far as they are still in it.
func (m *Reservations) look(ctx context.Context, from, before []byte, limit int, cut func([]byte) (id, sku string, ok bool)) (list []*reservations.Record, err error) {
	for len(list) < limit {
		keys, err := m.keys(ctx, from, before, limit-len(list))
		if err != nil || len(keys) == 0 {
			return list, err
		}
		for _, key := range keys {
			id, sku, ok := cut(key)
			if !ok {
				continue
			}
			r, err := m.One(ctx, id, sku)
			if err != nil {
				return nil, err
			}
			if r != nil && indexed(r, key) {
				list = append(list, r)
			}
		}
		from = append(keys[len(keys)-1], 0)
	}
	return list, nil
}

func (m *Reservations) keys(ctx context.Context, from, before []byte, limit int) (keys [][]byte, err error) {
	err = m.db.scan(ctx, from, before, func(key, _ []byte) (bool, error) {
		keys = append(keys, bytes.Clone(key))
		return len(keys) < limit, nil
	})
	return keys, err
}

func indexed(r *reservations.Record, key []byte) bool {
	return contains(indexKeys(r), key)
}

// Write applies changes and the progress in one batch.
func (m *Reservations) Write(ctx context.Context, changes []reservations.Change, p projections.Progress) error {
	gone, err := m.goneIDs(ctx, changes)
	if err != nil {
		return err
	}
	return m.db.write(ctx, spaceReservations, p, func(b *pebbledb.Batch) error {
		for _, id := range gone { // first: a change may bring one of them back
			if err := b.Delete(idKey(id), nil); err != nil {
				return err
			}
		}
		for _, c := range changes {
			if err := writeRecord(b, c); err != nil {
				return err
			}
			if err := writeIndexes(b, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// goneIDs are the ids whose stored records are all removed by some changes.
func (m *Reservations) goneIDs(ctx context.Context, changes []reservations.Change) (gone []string, err error) {
	removed := map[string]int{}
	for _, c := range changes {
		if c.Before != nil && c.After == nil {
			removed[c.Before.ID]++
		}
	}
	for id, n := range removed {
		stored, err := m.ByID(ctx, id)
		if err != nil {
			return nil, err
		}
		if len(stored) <= n {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

func writeRecord(b *pebbledb.Batch, c reservations.Change) error {
	if c.After == nil {
		if c.Before == nil {
			return nil
		}
		return b.Delete(recordKey(c.Before.ID, c.Before.SKU), nil)
	}
	value, err := c.After.AppendBinary(appendVersion(nil, c.After.Position, 0))
	if err != nil {
		return err
	}
	if c.Before == nil {
		if err := b.Set(idKey(c.After.ID), nil, nil); err != nil {
			return err
		}
	}
	return b.Merge(recordKey(c.After.ID, c.After.SKU), value, nil)
}

func idKey(id string) []byte { return append([]byte{spaceIDs}, id...) }

func writeIndexes(b *pebbledb.Batch, c reservations.Change) error {
	old, now := indexKeys(c.Before), indexKeys(c.After)
	for _, k := range old {
		if !contains(now, k) {
			if err := b.Delete(k, nil); err != nil {
				return err
			}
		}
	}
	for _, k := range now {
		if !contains(old, k) {
			if err := b.Set(k, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func contains(keys [][]byte, key []byte) bool {
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// Reset removes everything.
func (m *Reservations) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spaceReservations, spacePolicies)
}

func recordKey(id, sku string) []byte {
	return append(appendName([]byte{spaceRecords}, id), sku...)
}

// indexKeys are the entries of a record in the indexes; none for nil.
func indexKeys(r *reservations.Record) [][]byte {
	if r == nil {
		return nil
	}
	keys := [][]byte{bySKUKey(spaceBySKU, r)}
	if r.Live() {
		keys = append(keys, bySKUKey(spaceLiveBySKU, r))
	} else {
		keys = append(keys, endedKey(r))
	}
	if r.Status == stock.StatusHeld {
		keys = append(keys, dueKey(r))
	}
	return keys
}

func bySKUKey(space byte, r *reservations.Record) []byte {
	key := binary.BigEndian.AppendUint64(appendName([]byte{space}, r.SKU), r.Placed)
	return append(key, r.ID...)
}

func dueKey(r *reservations.Record) []byte {
	return appendOwner(timeKey(spaceDue, r.ExpiresAt), r)
}

func endedKey(r *reservations.Record) []byte {
	return appendOwner(timeKey(spaceEnded, r.EndedAt), r)
}

func timeKey(space byte, at aggregates.Instant) []byte {
	return binary.BigEndian.AppendUint64([]byte{space}, uint64(at))
}

func appendOwner(dst []byte, r *reservations.Record) []byte {
	return append(appendName(dst, r.SKU), r.ID...)
}

func cutTimeKey(key []byte) (id, sku string, ok bool) {
	if len(key) < 9 {
		return "", "", false
	}
	sku, rest, ok := cutName(key[9:])
	return string(rest), sku, ok
}

var _ reservations.ReadModel = (*Reservations)(nil)
