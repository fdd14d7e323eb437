package projections

import (
	"context"
	"time"
)

// Watched is a projection, or a read model, that can lose what was written behind its writer's back. Watch runs as long as
// a subscription lasts. It returns what it found, which ends the subscription: the next one goes on from what Load then
// returns. It returns nil at ctx's end.
type Watched interface {
	Watch(ctx context.Context) error
}

// WatchModel watches a read model that is Watched; others need none.
func WatchModel(ctx context.Context, model any) error {
	if w, ok := model.(Watched); ok {
		return w.Watch(ctx)
	}
	return nil
}

// currentEvery is how often the runner asks for the store's end to find out how current it is.
const currentEvery = 250 * time.Millisecond

// Current is a time up to which everything recorded is readable, the zero time when none is known yet. While the
// projection keeps up, it is less than half a second ago.
func (r *Runner) Current() time.Time {
	if us := r.current.Load(); us != 0 {
		return time.UnixMicro(us)
	}
	return time.Time{}
}

// Stuck tells that the projection does not move, for the reason that Status has.
func (r *Runner) Stuck() bool { return r.stuck.Load() }

// Repairing tells that the read model lost something that was readable, and is being built again: what it holds may be
// older than what readers have seen.
func (r *Runner) Repairing() bool {
	floor := r.floor.Load() // first: the position may move on meanwhile
	return r.Position() < floor
}

// Lost tells that a position is below what was readable once.
func (r *Runner) Lost(position uint64) bool { return position < r.floor.Load() }

// Behind tells how far a position is before what the store held when the subscription began.
func (r *Runner) Behind(position uint64) uint64 {
	if target := r.target.Load(); position < target {
		return target - position
	}
	return 0
}

// Resuming tells that the progress is being loaded: whether the read model has lost something is not known yet.
func (r *Runner) Resuming() bool { return r.resuming.Load() || r.Repairing() }

// Loads changes whenever loading the progress begins or ends. A read that began and ended with the same number, and while
// the model was not Repairing both times, is of one and the same model.
func (r *Runner) Loads() uint64 { return r.loads.Load() }

// Steadily calls read, which reads the model, and tells whether that was the same model all the while: neither being loaded
// nor built again before, during or after. It reads once more when the model was loaded meanwhile and is all there.
func (r *Runner) Steadily(read func() error) (steady bool, err error) {
	for range 2 {
		loads := r.Loads()
		if r.Resuming() {
			return false, nil
		}
		if err = read(); r.Loads() == loads {
			return !r.Resuming(), err
		}
	}
	return false, err
}

// followEnd notes again and again how current the projection is.
func (r *Runner) followEnd(ctx context.Context) {
	for r.afterOthers() && ctx.Err() == nil { // who waits here would have it catch up at once
		r.stir()
		Sleep(ctx, wayStep)
	}
	tick := time.NewTicker(currentEvery)
	defer tick.Stop()
	for {
		elapsed := time.Since(r.began) // before the clock is read: no answer is older than Still says
		asked := r.Now()
		if r.WaitForEnd(ctx) == nil {
			r.current.Store(max(r.current.Load(), asked.UnixMicro()))
			r.stirredAt(elapsed)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
