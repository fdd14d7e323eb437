package views

import (
	"context"
	"encoding/binary"
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/audit"
)

// Audit keeps the tree over all events, and where ids are found: a hash takes about 45 bytes, a place about 12.
type Audit struct{ db *DB }

var _ audit.ReadModel = (*Audit)(nil)

// Audit returns the read model of the tree.
func (d *DB) Audit() *Audit { return &Audit{d} }

// Progress tells how far the tree has come.
func (m *Audit) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.progress(ctx, spaceAudit)
}

func nodeKey(level int, index int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceNodes, byte(level)}, uint64(index))
}

// Hashes returns hashes of a stored level, from an index on.
func (m *Audit) Hashes(ctx context.Context, level int, first int64, count int) (list []tlog.Hash, err error) {
	err = m.db.scan(ctx, nodeKey(level, first), nodeKey(level, first+int64(count)), func(_, value []byte) (bool, error) {
		if len(value) < tlog.HashSize {
			return false, fmt.Errorf("%w: a hash of %d bytes", pebbledb.ErrCorruption, len(value))
		}
		list = append(list, tlog.Hash(value[:tlog.HashSize]))
		return true, nil
	})
	if err == nil && len(list) != count {
		err = fmt.Errorf("the tree lacks hashes: %d of %d at level %d from %d", len(list), count, level, first)
	}
	return list, err
}

// Leaf returns the position of a leaf's event.
func (m *Audit) Leaf(ctx context.Context, index int64) (position uint64, err error) {
	found := false
	err = m.db.scan(ctx, nodeKey(0, index), nodeKey(0, index+1), func(_, value []byte) (bool, error) {
		if found = len(value) == tlog.HashSize+8; found {
			position = binary.BigEndian.Uint64(value[tlog.HashSize:])
		}
		return false, nil
	})
	if err == nil && !found {
		err = fmt.Errorf("the tree lacks leaf %d", index)
	}
	return position, err
}

// Find returns positions of an id, after one, in order.
func (m *Audit) Find(ctx context.Context, id, after uint64, limit int) (list []uint64, err error) {
	from := binary.BigEndian.AppendUint64([]byte{spacePlaces}, id)
	before := placesEnd(from)
	err = m.db.scan(ctx, binary.BigEndian.AppendUint64(from, after+1), before, func(key, _ []byte) (bool, error) {
		list = append(list, binary.BigEndian.Uint64(key[len(key)-8:]))
		return len(list) < limit, nil
	})
	return list, err
}

// placesEnd ends the places of an id.
func placesEnd(prefix []byte) []byte {
	return append(append([]byte(nil), prefix...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}

// Write stores hashes, places and the progress in one batch.
func (m *Audit) Write(ctx context.Context, nodes []audit.Node, places []audit.Place, p projections.Progress) error {
	return m.db.write(ctx, spaceAudit, p, func(b *pebbledb.Batch) error {
		var value []byte
		for i := range nodes {
			n := &nodes[i]
			if value = append(value[:0], n.Hash[:]...); n.Level == 0 {
				value = binary.BigEndian.AppendUint64(value, n.Position)
			}
			if err := b.Set(nodeKey(n.Level, n.Index), value, nil); err != nil {
				return err
			}
		}
		key := make([]byte, 0, 17)
		for _, x := range places {
			key = binary.BigEndian.AppendUint64(append(key[:0], spacePlaces), x.ID)
			if err := b.Set(binary.BigEndian.AppendUint64(key, x.Position), nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reset removes everything.
func (m *Audit) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spaceAudit, spaceAuditIsBelow)
}
