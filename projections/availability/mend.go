package availability

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// mendPatience is how long mending waits until a document is written, before it is checked again whether it is right.
const mendPatience = 10 * time.Second

// ErrNotMended says that a document could not be mended in its place: the read model keeps it, since it claims to be newer than what it should be.
var ErrNotMended = errors.New("the document cannot be mended in its place; build the read model from scratch")

// mending is a document that is to be written as its stream says. It is handed to whoever folds, so that no event is lost or folded twice.
type mending struct {
	ctx     context.Context // of who asks
	what    *fresh
	streams Streams
	done    chan error    // of taking it in; takes one
	out     chan struct{} // closed once it is published, or given up
}

// Mend has a drifted document written as its stream says, and returns once it is readable. Events of the SKU that came since the check are folded in. It returns
// ErrNotMended when the document is not right afterwards.
func (c *Checker) Mend(ctx context.Context, d *Drift) error {
	waiting, stop := context.WithTimeout(ctx, mendPatience)
	defer stop()
	m := &mending{ctx: waiting, what: d.fresh, streams: c.streams, done: make(chan error, 1), out: make(chan struct{})}
	select {
	case c.mendings <- m:
	case <-waiting.Done():
		return fmt.Errorf("mend the document of SKU %q: the projection does not get on: %w", d.SKU, waiting.Err())
	}
	select {
	case err := <-m.done:
		if err != nil {
			return fmt.Errorf("mend the document of SKU %q: %w", d.SKU, err)
		}
	case <-waiting.Done():
		return fmt.Errorf("mend the document of SKU %q: the projection does not get on: %w", d.SKU, waiting.Err())
	}
	select {
	case <-m.out:
	case <-waiting.Done():
	}
	switch still, err := c.Check(ctx, d.SKU); {
	case err != nil:
		return fmt.Errorf("mend the document of SKU %q: %w", d.SKU, err)
	case still != nil:
		return fmt.Errorf("%w: SKU %q: %s", ErrNotMended, d.SKU, still.Explanation())
	}
	return nil
}

// mend takes in a document that is to be written.
func (f *fold) mend(m *mending, touch projections.Touch) error {
	return touch(func(workerOf func(string) int) error {
		s := &f.shards[workerOf(aggregates.SKUPrefix+m.what.SKU)]
		err := f.replace(m, s)
		if err != nil {
			close(m.out)
		} else {
			f.mended = append(f.mended, m.out)
		}
		m.done <- err
		return nil // what came of it is told to who asked; folding goes on
	})
}

// replace puts a document in the place of what is folded on. While this runs nothing is folded, so all that was folded of the SKU so far is in one of its
// documents: the stream is followed up to the newest of them.
func (f *fold) replace(m *mending, s *shard) error {
	sku := m.what.SKU
	draft, drafted := s.drafts[sku]
	newest := draft.Document
	if !drafted {
		var err error
		if newest, err = f.latest(m.ctx, s, sku); err != nil {
			return err
		}
	}
	if newest.is(sku) && newest.Position > m.what.Position {
		if err := m.what.follow(m.ctx, m.streams, through(newest.Position), nil); err != nil {
			return err
		}
		if m.what.Position != newest.Position {
			return fmt.Errorf("%w: SKU %q is kept with position %d, its stream ends at %d", ErrNotMended, sku, newest.Position, m.what.Position)
		}
	}
	if drafted {
		draft.Position, draft.RecordedAt, draft.Balances = m.what.Position, m.what.RecordedAt, m.what.Balances.Clone()
	} else {
		what := m.what.Document
		what.Balances = what.Balances.Clone() // it may be followed on
		draft = s.begin(sku, &what)
	}
	draft.before, draft.mends = nil, true // what watchers have heard of was wrong
	s.drafts[sku] = draft
	return nil
}

// letGo lets go of those who wait for a document to be published.
func letGo(waiting []chan struct{}) {
	for _, c := range waiting {
		close(c)
	}
}
