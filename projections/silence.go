package projections

import (
	"context"
	"fmt"
	"time"
)

// silentAfter is how long a projection may stand still away from the store's end before it counts as not moving, though
// nothing has failed: its subscription hands out nothing, or the store does not tell where it ends.
const silentAfter = 5 * time.Second

// stir notes that the projection has moved now.
func (r *Runner) stir() { r.stirredAt(time.Since(r.began)) }

// stirredAt notes that the projection had moved, or had all that the store held, so long after it was made.
func (r *Runner) stirredAt(at time.Duration) {
	for before := r.stirred.Load(); before < int64(at) && !r.stirred.CompareAndSwap(before, int64(at)); {
		before = r.stirred.Load()
	}
}

// Still tells for how long the projection has neither moved nor been known to be at the store's end; 0 while it does not
// run. It is measured by the clock that cannot be set.
func (r *Runner) Still() time.Duration {
	at := r.stirred.Load()
	if at == 0 {
		return 0
	}
	return time.Since(r.began) - time.Duration(at)
}

// silence is an error while the projection has been still for longer than silentAfter.
func (r *Runner) silence() error {
	if still := r.Still(); still > silentAfter {
		return fmt.Errorf("nothing has come from the event store for %s", still.Truncate(time.Second))
	}
	return nil
}

// noticeSilence logs when a silence begins, and when it ends.
func (r *Runner) noticeSilence(ctx context.Context) {
	tick := time.NewTicker(silentAfter / 5)
	defer tick.Stop()
	silent := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := r.silence()
		switch {
		case err != nil && !silent:
			r.Log.Error("projection does not move", "projection", r.Name, "position", r.Position(), "error", err)
		case err == nil && silent:
			r.Log.Info("projection moves again", "projection", r.Name, "position", r.Position())
		}
		silent = err != nil
	}
}
