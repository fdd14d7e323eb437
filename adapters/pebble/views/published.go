package views

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Published keeps what was published, for as long as Keep says, and at most Most values: about 120 bytes each. It is not
// built again when the database is lost: what was published before is not known then.
type Published struct {
	db   *DB
	keep time.Duration
	most int64
	held int64 // values kept; counted when the first is recorded
	seen bool
}

// MaxPublished bounds the published values that are kept, whatever their age.
const MaxPublished = 5_000_000

// prunePerRecord is how many values go, at most, for those that come in one call.
const prunePerRecord = 4_096

// Published returns the records of what was published. One goroutine records; any may read.
func (d *DB) Published(keep time.Duration, most int64) *Published {
	return &Published{db: d, keep: keep, most: most}
}

func publishedKey(c *pb.PublishedChange) []byte {
	key := binary.BigEndian.AppendUint64(appendName([]byte{spacePublished}, c.Sku), c.Position)
	return append(key, c.Channel...)
}

// Record keeps values, and lets the oldest go that are too old or too many.
func (m *Published) Record(ctx context.Context, list []*pb.PublishedChange) error {
	if err := m.count(ctx); err != nil {
		return err
	}
	old, err := m.old(ctx, len(list))
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
		for _, c := range list {
			value, err := c.MarshalVT()
			if err != nil {
				return fmt.Errorf("keep what was published of %q: %w", c.Sku, err)
			}
			key := publishedKey(c)
			byTime := binary.BigEndian.AppendUint64([]byte{spacePublishedByTime}, uint64(c.PublishedAt.AsTime().UnixMicro()))
			if err := firstOf(b.Set(key, value, nil), b.Set(append(byTime, key[1:]...), nil, nil)); err != nil {
				return err
			}
		}
		if err := b.Commit(pebbledb.NoSync); err != nil {
			return err
		}
		m.held += int64(len(list) - len(old))
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
	err := m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(_, _ []byte) (bool, error) { n++; return true, nil })
	m.held, m.seen = n, err == nil
	return err
}

// old lists the keys, by time, of values that go when some more come.
func (m *Published) old(ctx context.Context, more int) (keys [][]byte, err error) {
	before := binary.BigEndian.AppendUint64([]byte{spacePublishedByTime}, uint64(time.Now().Add(-m.keep).UnixMicro()))
	excess := m.held + int64(more) - m.most
	err = m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(key, _ []byte) (bool, error) {
		if string(key) >= string(before) && int64(len(keys)) >= excess || len(keys) == prunePerRecord {
			return false, nil
		}
		keys = append(keys, append([]byte(nil), key...))
		return true, nil
	})
	return keys, err
}

// Of returns values of a SKU as of a position or later, in order of position.
func (m *Published) Of(ctx context.Context, sku string, from uint64, limit int) (list []*pb.PublishedChange, err error) {
	prefix := appendName([]byte{spacePublished}, sku)
	err = m.db.scan(ctx, binary.BigEndian.AppendUint64(prefix, from), after(prefix), func(_, value []byte) (bool, error) {
		c := &pb.PublishedChange{}
		if err := c.UnmarshalVT(value); err != nil {
			return false, fmt.Errorf("read what was published of %q: %w", sku, err)
		}
		list = append(list, c)
		return len(list) < limit, nil
	})
	return list, err
}

// Oldest is when the first of the values that are kept was published; 0 when none is kept. What was published later is kept, too.
func (m *Published) Oldest(ctx context.Context) (at aggregates.Instant, err error) {
	err = m.db.scan(ctx, []byte{spacePublishedByTime}, []byte{spacePublishedByTime + 1}, func(key, _ []byte) (bool, error) {
		at = aggregates.At(time.UnixMicro(int64(binary.BigEndian.Uint64(key[1:]))))
		return false, nil
	})
	return at, err
}
