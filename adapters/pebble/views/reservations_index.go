package views

import (
	"bytes"
	"encoding/binary"
	"slices"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
)

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

// keysBytes is for how many bytes of keys memory is taken at once.
const keysBytes = 64 << 10

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
