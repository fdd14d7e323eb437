package projections

import (
	"context"
	"math"
	"time"
)

// A projection in the background gives way while more than busyEvents are recorded in currentEvery, for as long as nobody waits for it and it
// is not behind for longer than maxWay; then it catches up first. One that is to come after another gives way for as long after its start, at most.
// Both look every wayStep whether they still have to.
const (
	busyEvents = 250
	maxWay     = 20 * time.Second
	wayStep    = 20 * time.Millisecond
)

// followLoad finds out, again and again, how much is recorded, and since when a projection in the background is behind.
func (r *Runner) followLoad(ctx context.Context) {
	tick := time.NewTicker(currentEvery)
	defer tick.Stop()
	last := uint64(math.MaxUint64)
	for {
		elapsed, asked := time.Since(r.began), r.Now()
		if end, err := r.Store.End(ctx); err == nil {
			r.busy.Store(end > last && end-last > busyEvents)
			last = end
			if r.Position() >= end {
				r.current.Store(max(r.current.Load(), asked.UnixMicro()))
				r.stirredAt(elapsed)
				r.behind.Store(0)
			} else {
				r.behind.CompareAndSwap(0, int64(elapsed))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Busy tells whether the store has much to do.
func (r *Runner) Busy() bool { return r.busy.Load() }

// giveWay waits while others have much to do and nobody waits for this projection.
func (r *Runner) giveWay(ctx context.Context) {
	for (r.Background && r.busy.Load() && !r.overdue() || r.afterOthers()) && !r.waiters.any() && ctx.Err() == nil {
		r.stir()
		Sleep(ctx, wayStep)
	}
}

// afterOthers tells that another projection is to be caught up first, and is not yet.
func (r *Runner) afterOthers() bool {
	return r.After != nil && time.Since(r.began) < maxWay && r.After()
}

// CatchingUp tells whether the projection moves towards what the store held when it began, and is not there yet.
func (r *Runner) CatchingUp() bool {
	return !r.stuck.Load() && (r.loads.Load() < 2 || r.Position() < r.target.Load())
}

// overdue tells that the projection is behind for longer than it may be for the sake of others.
func (r *Runner) overdue() bool {
	since := r.behind.Load()
	return since != 0 && time.Since(r.began)-time.Duration(since) > maxWay
}
