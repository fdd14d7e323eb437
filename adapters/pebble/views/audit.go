package views

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/audit"
)

// Audit keeps the tree over all events in tiles, and where ids are found in runs, by segment: an event takes about 40 bytes, and each of
// its ids about 10.
type Audit struct{ db *DB }

var _ audit.ReadModel = (*Audit)(nil)

// Audit returns the read model of the tree.
func (d *DB) Audit() *Audit { return &Audit{d} }

// Progress tells how far the tree has come.
func (m *Audit) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.progress(ctx, spaceAudit)
}

func tileKey(level int, index int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceTiles, byte(level)}, uint64(index))
}

// Tile returns a tile, nil when there is none.
func (m *Audit) Tile(ctx context.Context, level int, index int64) (found []byte, err error) {
	err = m.db.use(ctx, func(db *pebbledb.DB) error {
		value, closer, err := db.Get(tileKey(level, index))
		if errors.Is(err, pebbledb.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found = bytes.Clone(value)
		return closer.Close()
	})
	return found, err
}

// runKey is the key of a run; that of an id 0 comes before all of its segment.
func runKey(segment, id, position uint64) []byte {
	key := binary.BigEndian.AppendUint64([]byte{spaceRuns}, segment)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(key, id), position)
}

// runOf reads a run's key.
func runOf(key []byte) (segment, id uint64) {
	return binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint64(key[9:])
}

// Runs visits the runs that may hold an id, in segments that end after a position.
func (m *Audit) Runs(ctx context.Context, id, after uint64, visit func(segment uint64, data []byte) (bool, error)) error {
	return m.db.use(ctx, func(db *pebbledb.DB) (err error) {
		it, err := db.NewIterWithContext(ctx, &pebbledb.IterOptions{LowerBound: []byte{spaceRuns}, UpperBound: []byte{spaceRuns + 1}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for ok := it.SeekGE(runKey(after+1, 0, 0)); ok && ctx.Err() == nil; {
			segment, _ := runOf(it.Key())
			if more, err := visitSegment(it, segment, id, visit); err != nil || !more {
				return err
			}
			ok = it.SeekGE(runKey(segment+1, 0, 0))
		}
		return errors.Join(ctx.Err(), it.Error())
	})
}

// visitSegment visits the runs of a segment that may hold an id: the last that begins before it, and those that begin with it.
func visitSegment(it *pebbledb.Iterator, segment, id uint64, visit func(uint64, []byte) (bool, error)) (more bool, err error) {
	ok := it.SeekLT(runKey(segment, id, 0))
	if ok {
		of, _ := runOf(it.Key())
		ok = of == segment
	}
	if !ok {
		ok = it.SeekGE(runKey(segment, 0, 0))
	}
	for ; ok; ok = it.Next() {
		of, first := runOf(it.Key())
		if of != segment || first > id {
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return false, err
		}
		if more, err := visit(segment, value); err != nil || !more {
			return false, err
		}
	}
	return true, it.Error()
}

// Write stores a segment and the progress in one batch.
func (m *Audit) Write(ctx context.Context, s audit.Segment, p projections.Progress) error {
	return m.db.write(ctx, spaceAudit, p, func(b *pebbledb.Batch) error {
		if err := setTiles(b, s.Tiles); err != nil {
			return err
		}
		for _, r := range s.Runs {
			if err := b.Set(runKey(s.Through, r.ID, r.Position), r.Data, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keep stores tiles.
func (m *Audit) Keep(ctx context.Context, tiles []audit.Tile) error {
	return m.db.update(ctx, func(db *pebbledb.DB) error {
		b := db.NewBatch()
		defer b.Close()
		return errors.Join(setTiles(b, tiles), b.Commit(pebbledb.NoSync))
	})
}

func setTiles(b *pebbledb.Batch, tiles []audit.Tile) error {
	for _, t := range tiles {
		if err := b.Set(tileKey(t.Level, t.Index), t.Data, nil); err != nil {
			return err
		}
	}
	return nil
}

// Reset removes everything.
func (m *Audit) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spaceAudit, spaceAuditIsBelow)
}
