package views

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/ledger"
)

// Ledger keeps blocks by group, axis and start.
type Ledger struct{ db *DB }

// Ledger returns the read model of the ledger.
func (d *DB) Ledger() *Ledger { return &Ledger{d} }

// Progress tells how far the blocks have come.
func (m *Ledger) Progress(ctx context.Context) (projections.Progress, error) {
	return m.db.progress(ctx, spaceLedger)
}

// Group returns what a group is beside its blocks.
func (m *Ledger) Group(ctx context.Context, group int) (found []byte, err error) {
	err = m.db.use(ctx, func(db *pebbledb.DB) error {
		value, closer, err := db.Get(groupKey(group))
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

// Blocks returns the block that covers an instant and those that start after it, up to another one.
func (m *Ledger) Blocks(ctx context.Context, group int, a ledger.Axis, at, to aggregates.Instant) (list []ledger.Block, err error) {
	lower, upper := axisKey(group, a), after(axisKey(group, a))
	last := blockKey(group, a, to)
	err = m.db.use(ctx, func(db *pebbledb.DB) (err error) {
		it, err := db.NewIterWithContext(ctx, &pebbledb.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		ok := it.SeekLT(append(blockKey(group, a, at), 0))
		if !ok {
			ok = it.First()
		}
		for ; ok && (len(list) == 0 || bytes.Compare(it.Key(), last) <= 0); ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			list = append(list, ledger.Block{Start: startOf(it.Key()), Value: bytes.Clone(value)})
		}
		return it.Error()
	})
	return list, err
}

// Write stores a group in one batch.
func (m *Ledger) Write(ctx context.Context, group int, w ledger.Written) error {
	return m.db.update(ctx, func(db *pebbledb.DB) error {
		b := db.NewBatch()
		defer b.Close()
		for a := range w.Gone {
			for _, start := range w.Gone[a] {
				if err := b.Delete(blockKey(group, ledger.Axis(a), start), nil); err != nil {
					return err
				}
			}
			for _, x := range w.Blocks[a] {
				if err := b.Set(blockKey(group, ledger.Axis(a), x.Start), x.Value, nil); err != nil {
					return err
				}
			}
		}
		if err := b.Set(groupKey(group), w.Group, nil); err != nil {
			return err
		}
		return b.Commit(pebbledb.NoSync)
	})
}

// Save stores the progress.
func (m *Ledger) Save(ctx context.Context, p projections.Progress) error {
	return m.db.write(ctx, spaceLedger, p, func(*pebbledb.Batch) error { return nil })
}

// Reset removes everything.
func (m *Ledger) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spaceLedger, spaceLedgerIsBelow)
}

func groupKey(group int) []byte {
	return binary.BigEndian.AppendUint16([]byte{spaceLedgerGroups}, uint16(group))
}

func axisKey(group int, a ledger.Axis) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{spaceLedgerBlocks}, uint16(group)), byte(a))
}

// instantSign has instants before 1970 sort before those after it.
const instantSign = 1 << 63

func blockKey(group int, a ledger.Axis, start aggregates.Instant) []byte {
	return binary.BigEndian.AppendUint64(axisKey(group, a), uint64(start)^instantSign)
}

func startOf(key []byte) aggregates.Instant {
	return aggregates.Instant(binary.BigEndian.Uint64(key[len(key)-8:]) ^ instantSign)
}

var _ ledger.ReadModel = (*Ledger)(nil)
