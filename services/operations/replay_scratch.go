package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/projections/availability"
)

const (
	// buildStep is how often it is looked how far a second read model is.
	buildStep = 100 * time.Millisecond
	// buildPatience is how long it may stand still for an error before the replay ends with that.
	buildPatience = 30 * time.Second
	// maxAnnounced is how many SKUs that differed are told of again once they are right.
	maxAnnounced = 100_000
)

// Second is a read model that is being built beside the one that serves. Exchange puts it in the place of that one, once it is stopped; Remove throws away what
// there is of it, and is called last.
type Second struct {
	*availability.Beside
	Exchange func(ctx context.Context) error
	Remove   func() error
}

// scratch builds everything anew, compares, and exchanges unless it only checks.
func (r *replaying) scratch(ctx context.Context, store Store) (err error) {
	second, err := r.Begin(ctx, r.ask.Check)
	if err != nil {
		return fmt.Errorf("begin a second read model: %w", err)
	}
	defer func() {
		second.Stop()
		err = errors.Join(err, second.Remove())
	}()
	if err := r.build(ctx, second, store); err != nil {
		return err
	}
	wrong, err := r.compareAll(ctx, second)
	if r.summary.Position = second.Position(); err != nil || r.ask.Check {
		return err
	}
	err = r.Checker.Exchange(ctx, func(ctx context.Context, least uint64) error {
		if err := second.Finish(ctx, least); err != nil {
			return err
		}
		r.summary.Position = second.Position()
		return second.Exchange(ctx)
	})
	if err != nil {
		return err
	}
	r.summary.Swapped = true
	if err := r.Checker.WaitFor(ctx, r.summary.Position); err != nil {
		return err
	}
	return r.Checker.Announce(ctx, wrong)
}

// build waits until the second read model includes what the store held when it was begun, and all that is readable by then.
func (r *replaying) build(ctx context.Context, second *Second, store Store) error {
	end, err := store.End(ctx)
	if err != nil {
		return err
	}
	at := r.stage("build", int(end))
	tick := time.NewTicker(buildStep)
	defer tick.Stop()
	for moved := time.Now(); second.Position() < end; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		position := int(min(second.Position(), end))
		if position > at.done || !second.Stuck() {
			moved = time.Now()
		} else if time.Since(moved) > buildPatience {
			return fmt.Errorf("the second read model does not get on: %s", second.Status(ctx).Error)
		}
		if position < int(end) {
			if err := at.add(position - at.done); err != nil {
				return err
			}
		}
	}
	if err := second.WaitFor(ctx, max(end, r.Checker.Position())); err != nil {
		return err
	}
	return at.add(int(end) - at.done)
}

// compareAll tells what differs, and returns the SKUs, as many as may be told of again.
func (r *replaying) compareAll(ctx context.Context, second *Second) (wrong []string, err error) {
	total, err := r.count(ctx)
	if err != nil {
		return nil, err
	}
	at := r.stage("compare", total)
	counted := func(n int) error {
		r.summary.Skus += int64(n)
		at.total = max(at.total, int(r.summary.Skus))
		return at.add(n)
	}
	r.summary.Skipped, err = r.Checker.CompareBeside(ctx, second.Beside, counted, func(d *availability.Drift) error {
		if len(wrong) < maxAnnounced {
			wrong = append(wrong, d.SKU)
		}
		r.summary.Differences++
		return r.send(differenceMessage(d))
	})
	return wrong, err
}
