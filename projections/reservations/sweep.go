package reservations

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// Ended records go in steps of sweepEvery of recorded time, sweepChunk at a time between two batches of live events.
const (
	sweepEvery = 60 * 60 * aggregates.Second
	sweepChunk = 128
)

// mindSweep has ended records removed when recorded time, as far as it is written, has come to another step. What ended
// long before is written then, too, so that the sweep finds it.
func (f *fold) mindSweep(newest aggregates.Instant) {
	f.written.Store(int64(newest))
	if int64(newest-newest%sweepEvery) <= f.swept.Load() {
		return
	}
	select {
	case f.sweep <- struct{}{}:
	default:
	}
}

// Tend removes records that ended longer ago than Keep. What is left depends on the events alone, once it is done.
func (f *fold) Tend(ctx context.Context, touch projections.Touch) error {
	for {
		now := aggregates.Instant(f.written.Load())
		if step := now - now%sweepEvery; int64(step) > f.swept.Load() {
			if err := f.sweepBefore(ctx, step-Keep, touch); err != nil {
				return err
			}
			f.swept.Store(int64(step))
			continue
		}
		select {
		case <-f.sweep:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweepBefore removes the records that ended before an instant.
func (f *fold) sweepBefore(ctx context.Context, before aggregates.Instant, touch projections.Touch) error {
	var last *Record
	for {
		chunk, err := f.model.Ended(ctx, before, last, sweepChunk)
		if err != nil {
			return fmt.Errorf("find reservations that ended before %s: %w", before.Time(), err)
		}
		if len(chunk) == 0 {
			return nil
		}
		last = chunk[len(chunk)-1]
		err = touch(func(workerOf func(string) int) error {
			for _, r := range chunk {
				if err := f.remove(ctx, workerOf, r, before); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// remove makes a draft of a record's removal, if it has not changed meanwhile.
func (f *fold) remove(ctx context.Context, workerOf func(string) int, r *Record, before aggregates.Instant) error {
	s, k := &f.shards[workerOf(aggregates.SKUPrefix+r.SKU)], key{sku: r.SKU, id: r.ID}
	d, err := f.draft(ctx, s, k)
	if err != nil || d.now == nil || d.now.Live() || d.now.EndedAt >= before {
		return err
	}
	s.keep(k, draft{before: d.before})
	return nil
}
