package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/services/ingest"
)

// DeadLetters fills ingest.DeadLetters. Letters lie by id; an index lists the ids of each state.
type DeadLetters struct {
	store *Store
	open  atomic.Int64
	seed  maphash.Seed
	locks [64]sync.Mutex // the puts of one id go one after the other
}

// load counts the open letters.
func (d *DeadLetters) load() error {
	d.seed = maphash.MakeSeed()
	it, err := d.store.db.NewIter(letterBounds(ingest.Open, ""))
	if err != nil {
		return err
	}
	n := int64(0)
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	d.open.Store(n)
	return firstError(it.Error(), it.Close())
}

func letterKey(id string) []byte { return append([]byte{spaceLetter}, id...) }

func letterStateKey(state ingest.State, id string) []byte {
	return append([]byte{spaceLetterState, byte(state)}, id...)
}

// letterBounds are those of the ids of one state that come after an id.
func letterBounds(state ingest.State, after string) *pebbledb.IterOptions {
	lower := letterStateKey(state, after)
	if after != "" {
		lower = append(lower, 0)
	}
	return &pebbledb.IterOptions{LowerBound: lower, UpperBound: []byte{spaceLetterState, byte(state) + 1}}
}

// Put is ingest.DeadLetters'.
func (d *DeadLetters) Put(ctx context.Context, letter ingest.DeadLetter) (version uint64, err error) {
	if err := checkName("id of the dead letter", letter.ID, MaxNameBytes); err != nil {
		return 0, err
	}
	if letter.State < ingest.Open || letter.State > ingest.Discarded {
		return 0, fmt.Errorf("dead letter %s has no state that can be kept: %d", letter.ID, letter.State)
	}
	if err := d.store.enterToWrite(); err != nil {
		return 0, err
	}
	defer d.store.gate.leave()
	lock := &d.locks[maphash.String(d.seed, letter.ID)%uint64(len(d.locks))]
	lock.Lock()
	defer lock.Unlock()
	return d.put(ctx, letter)
}

func (d *DeadLetters) put(ctx context.Context, letter ingest.DeadLetter) (version uint64, err error) {
	before, err := d.Get(ctx, letter.ID)
	if err != nil && !errors.Is(err, ingest.ErrNoDeadLetter) {
		return 0, err
	}
	if before.Version != letter.Version {
		return 0, fmt.Errorf("%w: %s", ingest.ErrLetterChanged, letter.ID)
	}
	if before.ReceivedAt != 0 {
		letter.ReceivedAt = before.ReceivedAt
	}
	value, err := encodeLetter(&letter)
	if err != nil {
		return 0, err
	}
	r := newRequest()
	r.size = len(value)
	r.put = func(b *pebbledb.Batch) error {
		if before.State != 0 && before.State != letter.State {
			if err := b.Delete(letterStateKey(before.State, letter.ID), nil); err != nil {
				return err
			}
		}
		if err := b.Set(letterStateKey(letter.State, letter.ID), []byte(letter.Reason), nil); err != nil {
			return err
		}
		return b.Set(letterKey(letter.ID), value, nil)
	}
	if _, err := d.store.submit(ctx, r); err != nil {
		return 0, fmt.Errorf("keep dead letter %s: %w", letter.ID, err)
	}
	d.open.Add(openLetters(letter.State) - openLetters(before.State))
	return d.version(value), nil
}

// version tells stored letters apart by what they hold. Only this process has the store open, so a seed of its own will do.
func (d *DeadLetters) version(value []byte) uint64 { return max(maphash.Bytes(d.seed, value), 1) }

func openLetters(state ingest.State) int64 {
	if state == ingest.Open {
		return 1
	}
	return 0
}

// Get is ingest.DeadLetters'.
func (d *DeadLetters) Get(ctx context.Context, id string) (ingest.DeadLetter, error) {
	value, ok, err := d.store.get(ctx, letterKey(id))
	if err != nil {
		return ingest.DeadLetter{}, err
	}
	if !ok {
		return ingest.DeadLetter{}, fmt.Errorf("%w: %.100q", ingest.ErrNoDeadLetter, id)
	}
	letter, err := decodeLetter(id, value)
	letter.Version = d.version(value)
	return letter, err
}

// List is ingest.DeadLetters'. A page ends early when its letters have more than MaxAppendBytes together.
func (d *DeadLetters) List(ctx context.Context, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error) {
	if q.Limit < 1 {
		return nil, false, fmt.Errorf("list of dead letters with limit %d: at least 1 is needed", q.Limit)
	}
	if q.State == 0 {
		q.State = ingest.Open
	}
	s := d.store
	if err := s.enterToRead(ctx); err != nil {
		return nil, false, err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	it, err := s.db.NewIterWithContext(ctx, letterBounds(q.State, q.After))
	if err != nil {
		return nil, false, err
	}
	letters, more, err = d.page(ctx, it, q)
	return letters, more, firstError(err, it.Error(), it.Close())
}

func (d *DeadLetters) page(ctx context.Context, it *pebbledb.Iterator, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error) {
	size, seen := 0, 0
	for ok := it.First(); ok; ok = it.Next() {
		if seen++; seen%checkEvery == 0 && ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		if q.Reason != "" && !bytes.Equal(it.Value(), []byte(q.Reason)) {
			continue
		}
		if len(letters) == q.Limit || size > MaxAppendBytes {
			return letters, true, nil
		}
		id := string(it.Key()[2:])
		letter, err := d.Get(ctx, id)
		if err != nil {
			return nil, false, fmt.Errorf("list dead letters: %w", err)
		}
		if letter.State != q.State { // it changed meanwhile
			continue
		}
		letters = append(letters, letter)
		size += len(letter.Value)
	}
	return letters, false, nil
}

// CountOpen is ingest.DeadLetters'.
func (d *DeadLetters) CountOpen(ctx context.Context) (int64, error) {
	if err := d.store.enterToRead(ctx); err != nil {
		return 0, err
	}
	defer d.store.gate.leave()
	return d.open.Load(), nil
}
