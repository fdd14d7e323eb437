package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
)

// Streams lists names of streams that begin with a prefix, after one, in an order of its own, at most limit of them. It shows what is written, durable or
// not.
func (s *Store) Streams(ctx context.Context, prefix, after string, limit int) (names []string, err error) {
	if err := s.enterToRead(ctx); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{spaceStream}, UpperBound: keyUpper(spaceStream)})
	if err != nil {
		return nil, err
	}
	ok := it.First()
	if after != "" {
		_, upper := streamBounds(after)
		ok = it.SeekGE(upper)
	}
	for n := 1; ok && len(names) < limit; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			break
		}
		name, _, found := cutPart(it.Key()[1:])
		if !found {
			return nil, firstError(fmt.Errorf("stream index key %q is damaged", it.Key()), it.Close())
		}
		if bytes.HasPrefix(name, []byte(prefix)) {
			names = append(names, string(name))
		}
		_, upper := streamBounds(string(name))
		ok = it.SeekGE(upper)
	}
	return names, firstError(ctx.Err(), it.Error(), it.Close())
}

// ErrNotThere says that an event to be rewritten is another than the one that stands there.
var ErrNotThere = errors.New("another event stands at this position")

// Rewrite puts other data into events that are durable, all or none, and returns when that is durable. Everything else of them stays. It
// keeps the data. It returns ErrNotThere (wrapped) when one of them is not where its record says.
func (s *Store) Rewrite(ctx context.Context, records []aggregates.Record) (err error) {
	if err := s.enterToWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	if err := s.checkThere(records); err != nil {
		return err
	}
	if err := s.looks.hold(ctx); err != nil {
		return err
	}
	defer s.looks.release()
	r := newRequest()
	for i := range records {
		r.size += len(records[i].Data)
	}
	r.put = func(b *pebbledb.Batch) error {
		for i := range records {
			e := &records[i]
			if err := b.Set(appendEventKey(nil, e.Position), appendFrame(nil, e.Stream, e.Revision, &e.NewEvent), nil); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err = s.submit(ctx, r); err != nil {
		return err
	}
	for i := range records {
		s.tail.rewrite(records[i].Position, records[i].Data)
	}
	return nil
}

// looks are the reads of streams that look up events one by one, and the rewrites, which wait for them: who reads sees all of a stream before a rewrite, or
// all of it after. Reads never wait.
type looks struct {
	held  atomic.Int64 // rewrites
	under atomic.Int64 // reads under way
}

// begin begins a read, unless something is being rewritten.
func (l *looks) begin() bool {
	l.under.Add(1)
	if l.held.Load() == 0 {
		return true
	}
	l.end()
	return false
}

func (l *looks) end() { l.under.Add(-1) }

// lookStep is how often a rewrite looks whether it still has to wait.
const lookStep = time.Millisecond

// hold has no read begin until release, and waits for those that have.
func (l *looks) hold(ctx context.Context) error {
	l.held.Add(1)
	t := time.NewTicker(lookStep)
	defer t.Stop()
	for l.under.Load() > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			l.release()
			return ctx.Err()
		}
	}
	return nil
}

func (l *looks) release() { l.held.Add(-1) }

// checkThere compares records with the events at their positions, all but the data. What is compared never changes.
func (s *Store) checkThere(records []aggregates.Record) error {
	end := s.tail.end.Load()
	for i := range records {
		e := &records[i]
		if e.Position > end {
			return fmt.Errorf("rewrite position %d: %w: the store ends at %d", e.Position, ErrNotThere, end)
		}
		value, closer, err := s.db.Get(appendEventKey(nil, e.Position))
		if errors.Is(err, pebbledb.ErrNotFound) {
			return missing(e.Position)
		}
		if err != nil {
			return err
		}
		var f frame
		err = f.parse(e.Position, value)
		if err == nil && (string(f.stream) != e.Stream || f.revision != e.Revision || f.id != e.ID || string(f.kind) != e.Type) {
			err = fmt.Errorf("rewrite position %d: %w: event %d of stream %q, not %d of %q", e.Position, ErrNotThere, f.revision, f.stream, e.Revision, e.Stream)
		}
		if err := firstError(err, closer.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Reclaim gives the room of what was rewritten up to a position back to the disk. It takes as long as writing what is left there.
func (s *Store) Reclaim(ctx context.Context, position uint64) (err error) {
	if err := s.enterToWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	return s.db.Compact(ctx, []byte{spaceEvent}, appendEventKey(nil, position+1), false)
}
