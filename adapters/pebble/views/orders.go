package views

import (
	"bytes"
	"context"
	"encoding/binary"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/orders"
)

// Orders keeps the records of orders, by id. The other key spaces are indexes: an entry says where to look, and counts only if
// the record says the same.
type Orders struct{ db *DB }

// Orders returns the read model of orders.
func (d *DB) Orders() *Orders { return &Orders{d} }

// Progress tells how far the records have come.
func (m *Orders) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.progress(ctx, spaceOrders)
}

// One returns a record, nil when there is none.
func (m *Orders) One(ctx context.Context, id string) (*orders.Record, error) {
	r := &orders.Record{}
	ok, err := m.db.get(ctx, append([]byte{spaceOrderRecords}, id...), r.UnmarshalBinary)
	if !ok || err != nil {
		return nil, err
	}
	return r, nil
}

// List returns orders that were placed after a position, in that order.
func (m *Orders) List(ctx context.Context, q orders.Query) ([]*orders.Record, error) {
	from := binary.BigEndian.AppendUint64([]byte{spaceOrdersByPlace}, q.After+1)
	return m.look(ctx, from, spaceOrdersByPlace+1, 9, q.Limit, func(r *orders.Record) bool {
		return (q.Channel == "" || r.Channel == q.Channel) && (!q.OpenOnly || r.Open())
	})
}

// Work returns orders that are pending, or whose holds will end, in bytewise order of id, after one.
func (m *Orders) Work(ctx context.Context, after string, limit int) ([]*orders.Record, error) {
	from := append([]byte{spaceOrdersToWork}, after...)
	if after != "" {
		from = append(from, 0)
	}
	return m.look(ctx, from, spaceOrdersToWork+1, 1, limit, (*orders.Record).Work)
}

// lookAtOnce is how many entries of an index are read in one go.
const lookAtOnce = 1000

// look reads the records that an index names from a key on, whose ids begin at a place in its keys.
func (m *Orders) look(ctx context.Context, from []byte, before byte, idAt, limit int, fits func(*orders.Record) bool) (list []*orders.Record, err error) {
	for {
		var keys [][]byte
		err := m.db.scan(ctx, from, []byte{before}, func(key, _ []byte) (bool, error) {
			keys = append(keys, bytes.Clone(key))
			return len(keys) < lookAtOnce, nil
		})
		if err != nil || len(keys) == 0 {
			return list, err
		}
		for _, key := range keys {
			r, err := m.One(ctx, string(key[min(idAt, len(key)):]))
			if err != nil {
				return nil, err
			}
			if r != nil && fits(r) {
				if list = append(list, r); len(list) == limit {
					return list, nil
				}
			}
		}
		from = append(keys[len(keys)-1], 0)
	}
}

// Write stores records with their indexes and the progress in one batch. One caller writes at a time.
func (m *Orders) Write(ctx context.Context, changed []*orders.Record, p projections.Progress) error {
	done, err := m.done(ctx, changed)
	if err != nil {
		return err
	}
	return m.db.write(ctx, spaceOrders, p, func(b *pebbledb.Batch) error {
		for _, r := range changed {
			if err := merge(b, spaceOrderRecords, r.ID, r.Position, r); err != nil {
				return err
			}
			place := binary.BigEndian.AppendUint64([]byte{spaceOrdersByPlace}, r.Placed)
			if err := b.Set(append(place, r.ID...), nil, nil); err != nil {
				return err
			}
			work := append([]byte{spaceOrdersToWork}, r.ID...)
			if done[r.ID] {
				err = b.Delete(work, nil)
			} else if r.Work() {
				err = b.Set(work, nil, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// done finds the orders that are not to be worked on any more. Of those that a newer record is kept of, that says what is to be
// done, not what is written.
func (m *Orders) done(ctx context.Context, changed []*orders.Record) (map[string]bool, error) {
	done := make(map[string]bool, len(changed))
	for _, r := range changed {
		if r.Work() {
			continue
		}
		stored, err := m.One(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		done[r.ID] = stored == nil || stored.Position <= r.Position
	}
	return done, nil
}

// Reset removes everything.
func (m *Orders) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spaceOrders, spaceOrdersAreBelow)
}

var _ orders.ReadModel = (*Orders)(nil)
