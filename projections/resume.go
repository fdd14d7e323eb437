package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// resume finds out where to go on. A model built from another history is emptied. One that went back is no longer
// readable beyond its progress, from the moment on that anything may be read from it.
func (r *Runner) resume(ctx context.Context) (from Progress, end uint64, err error) {
	r.resuming.Store(true)
	r.loads.Add(1)
	loaded := sync.OnceFunc(func() {
		r.resuming.Store(false)
		r.loads.Add(1)
	})
	defer loaded()
	if from, err = r.projection.Load(ctx); err != nil {
		return from, 0, fmt.Errorf("load the read model: %w", err)
	}
	if from.Position < r.Position() {
		r.waiters.set(from.Position)
	}
	if end, err = r.Store.End(ctx); err != nil {
		return from, 0, fmt.Errorf("find the store's end: %w", err)
	}
	r.floor.Store(min(r.floor.Load(), end)) // more than the store has was of another history
	r.target.Store(end)
	err = r.verify(ctx, from, end)
	if errors.Is(err, ErrOtherHistory) {
		r.Log.Warn("read model is dropped and built from scratch", "projection", r.Name, "reason", err)
		from = Progress{}
		if err = r.projection.Reset(ctx); err != nil {
			err = fmt.Errorf("empty the read model: %w", err)
		}
		r.waiters.set(0) // before it can be read
	}
	if err != nil {
		return from, 0, err
	}
	loaded() // before those who wait go on to read
	r.waiters.set(from.Position)
	return from, end, nil
}

// verify checks that the store still holds the event that the progress remembers.
func (r *Runner) verify(ctx context.Context, p Progress, end uint64) error {
	if p.Position > end {
		return fmt.Errorf("%w: the model is at position %d, the store ends at %d", ErrOtherHistory, p.Position, end)
	}
	if p.Mark.Position == 0 {
		return nil
	}
	sub, err := r.Store.Subscribe(ctx, p.Mark.After, r.Prefixes...)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer sub.Close()
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		for i := range b.Records {
			if b.Records[i].Position == p.Mark.Position && b.Records[i].ID == p.Mark.ID {
				return nil
			}
		}
		if b.Through >= p.Mark.Position {
			return fmt.Errorf("%w: event %s is not at position %d", ErrOtherHistory, p.Mark.ID, p.Mark.Position)
		}
	}
}
