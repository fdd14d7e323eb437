package views

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Published keeps what was published, for as long as Keep says, and at most Most values: about 120 bytes each, less for those that an event
// changed on several channels, which are kept together. It is not built again when the database is lost: what was published before is not known then.
type Published struct {
	db   *DB
	keep time.Duration
	most int64
	held int64 // values kept; counted when the first is recorded
	seen bool

	entry publishedEntry // used again; by who records
}

// MaxPublished bounds the published values that are kept, whatever their age.
const MaxPublished = 5_000_000

// prunePerRecord is how many entries go, at most, for those that come in one call.
const prunePerRecord = 4_096

// Published returns the records of what was published. One goroutine records; any may read.
func (d *DB) Published(keep time.Duration, most int64) *Published {
	return &Published{db: d, keep: keep, most: most}
}

// keepTogether are the most values that are kept as one.
const keepTogether = 256

// together parts values into those that are kept as one: of one SKU as of one position, published at once.
func together(list []*pb.PublishedChange, each func(group []*pb.PublishedChange) error) error {
	for len(list) > 0 {
		first, n := list[0], 1
		for n < len(list) && n < keepTogether && list[n].Position == first.Position && list[n].Sku == first.Sku &&
			list[n].Topic == first.Topic && list[n].PublishedAt.AsTime().Equal(first.PublishedAt.AsTime()) {
			n++
		}
		if err := each(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// publishedEntry is what is kept of values together. Its key ends with when they were published: what is published again later, perhaps with others, has an entry
// of its own. The one by time tells how many values there are.
type publishedEntry struct {
	document           pb.PublishedDocument
	also               []pb.PublishedDocument
	key, byTime        []byte
	value, byTimeValue []byte
}

// set makes the entry of some values. It is valid until the next call.
func (e *publishedEntry) set(group []*pb.PublishedChange) error {
	first, d := group[0], &e.document
	d.Id, d.Sku, d.Channel, d.Ats, d.Position = first.Id, first.Sku, first.Channel, first.Ats, first.Position
	d.PublishedAt, d.Topic, d.Partition, d.Offset = first.PublishedAt, first.Topic, first.Partition, first.Offset
	e.also = slices.Grow(e.also[:0], len(group))[:len(group)-1]
	d.Also = d.Also[:0]
	for i, c := range group[1:] {
		o := &e.also[i]
		o.Id, o.Channel, o.Ats, o.Partition, o.Offset = c.Id, c.Channel, c.Ats, c.Partition, c.Offset
		d.Also = append(d.Also, o)
	}
	size := d.SizeVT()
	e.value = slices.Grow(e.value[:0], size)[:size]
	if _, err := d.MarshalToSizedBufferVT(e.value); err != nil {
		return fmt.Errorf("keep what was published of %q: %w", first.Sku, err)
	}
	e.key = binary.BigEndian.AppendUint64(appendName(append(e.key[:0], spacePublished), first.Sku), first.Position)
	at := uint64(first.PublishedAt.AsTime().UnixMicro())
	e.key = binary.BigEndian.AppendUint64(append(e.key, first.Channel...), at)
	e.byTime = binary.BigEndian.AppendUint64(append(e.byTime[:0], spacePublishedByTime), at)
	e.byTime = append(e.byTime, e.key[1:]...)
	if e.byTimeValue = e.byTimeValue[:0]; len(group) > 1 {
		e.byTimeValue = binary.AppendUvarint(e.byTimeValue, uint64(len(group)))
	}
	return nil
}

// publishedTogether is how many values an entry by time stands for. Older versions kept each alone, and nothing in it.
func publishedTogether(byTimeValue []byte) int64 {
	if n, used := binary.Uvarint(byTimeValue); used > 0 {
		return int64(n)
	}
	return 1
}

// appendPublished appends the values of an entry. Of one that was published more than once as of a position, the first publication stays.
func appendPublished(list []*pb.PublishedChange, value []byte) ([]*pb.PublishedChange, error) {
	var d pb.PublishedDocument
	if err := d.UnmarshalVT(value); err != nil {
		return list, err
	}
	for _, o := range append([]*pb.PublishedDocument{&d}, d.Also...) {
		c := &pb.PublishedChange{Id: o.Id, Sku: d.Sku, Channel: o.Channel, Ats: o.Ats, Position: d.Position,
			PublishedAt: d.PublishedAt, Topic: d.Topic, Partition: o.Partition, Offset: o.Offset}
		switch was := publishedBefore(list, c); {
		case was < 0:
			list = append(list, c)
		case c.PublishedAt.AsTime().Before(list[was].PublishedAt.AsTime()):
			list[was] = c
		}
	}
	return list, nil
}

// publishedBefore finds the value of the same position and channel at the end of a list, -1 when there is none.
func publishedBefore(list []*pb.PublishedChange, c *pb.PublishedChange) int {
	for i := len(list) - 1; i >= 0 && list[i].Position == c.Position; i-- {
		if list[i].Channel == c.Channel {
			return i
		}
	}
	return -1
}

// Record keeps values, and lets the oldest go that are too old or too many.
func (m *Published) Record(ctx context.Context, list []*pb.PublishedChange) error {
	if err := m.count(ctx); err != nil {
		return err
	}
	old, gone, err := m.old(ctx, len(list))
	if err != nil {
		return err
	}
	return m.db.update(ctx, func(db *pebbledb.DB) error {
		b := db.NewBatch()
		defer b.Close()
		for _, key := range old {
			if err := firstOf(b.Delete(key, nil), b.Delete(append([]byte{spacePublished}, key[9:]...), nil)); err != nil {
				return err
			}
		}
		err := together(list, func(group []*pb.PublishedChange) error {
			if err := m.entry.set(group); err != nil {
				return err
			}
			return firstOf(b.Set(m.entry.key, m.entry.value, nil), b.Set(m.entry.byTime, m.entry.byTimeValue, nil))
		})
		if err != nil {
			return err
		}
		if err := b.Commit(pebbledb.NoSync); err != nil {
			return err
		}
		m.held += int64(len(list)) - gone
		return nil
	})
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// count counts what is kept, once.
func (m *Published) count(ctx context.Context) error {
	if m.seen {
		return nil
	}
	n := int64(0)
	err := m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(_, value []byte) (bool, error) {
		n += publishedTogether(value)
		return true, nil
	})
	m.held, m.seen = n, err == nil
	return err
}

// old lists the keys, by time, of values that go when some more come, and how many they are.
func (m *Published) old(ctx context.Context, more int) (keys [][]byte, values int64, err error) {
	before := binary.BigEndian.AppendUint64([]byte{spacePublishedByTime}, uint64(time.Now().Add(-m.keep).UnixMicro()))
	excess := m.held + int64(more) - m.most
	err = m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(key, value []byte) (bool, error) {
		if string(key) >= string(before) && values >= excess || len(keys) == prunePerRecord {
			return false, nil
		}
		keys = append(keys, append([]byte(nil), key...))
		values += publishedTogether(value)
		return true, nil
	})
	return keys, values, err
}

// Of returns values of a SKU as of a position or later, in order of position.
func (m *Published) Of(ctx context.Context, sku string, from uint64, limit int) (list []*pb.PublishedChange, err error) {
	prefix := appendName([]byte{spacePublished}, sku)
	err = m.db.scan(ctx, binary.BigEndian.AppendUint64(prefix, from), after(prefix), func(_, value []byte) (more bool, err error) {
		if list, err = appendPublished(list, value); err != nil {
			return false, fmt.Errorf("read what was published of %q: %w", sku, err)
		}
		return len(list) < limit, nil
	})
	return list[:min(limit, len(list))], err
}

// Oldest is when the first of the values that are kept was published; 0 when none is kept. What was published later is kept, too.
func (m *Published) Oldest(ctx context.Context) (at aggregates.Instant, err error) {
	err = m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(key, _ []byte) (bool, error) {
		at = aggregates.At(time.UnixMicro(int64(binary.BigEndian.Uint64(key[1:]))))
		return false, nil
	})
	return at, err
}
