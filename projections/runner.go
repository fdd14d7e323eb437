package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// After a failure the runner waits before it subscribes again, at first firstBackoff, then twice as long each
// time, at most lastBackoff.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Config says what a Runner runs. Name, Prefixes and Store must be set.
type Config struct {
	Name       string   // in status and logs
	Prefixes   []string // of the streams that are folded
	Store      Store
	Workers    int              // that fold in parallel; GOMAXPROCS when 0
	Pace       time.Duration    // least time between two writes when up to date; 1 ms when 0
	Gather     time.Duration    // least time between two readings when up to date and while nobody waits; 0 reads at once
	Background bool             // nobody waits for it: while others have much to do it gives way, for a while
	After      func() bool      // after a start it gives way while this is true, for a while; nil when it never is
	Now        func() time.Time // to measure the delay; time.Now when nil
	Log        *slog.Logger     // slog.Default() when nil
}

// Runner runs one projection.
type Runner struct {
	Config
	projection Projection
	waiters    *waiters
	unreadable *UnreadableError // the projection stands before this event; used by Run only

	floor    atomic.Uint64 // the highest position that was ever readable
	target   atomic.Uint64 // the store's end when the subscription began
	resuming atomic.Bool   // the progress is being loaded
	loads    atomic.Uint64 // how often that began or ended
	current  atomic.Int64  // everything recorded up to here is readable, microseconds since 1970; 0 when not known
	stuck    atomic.Bool   // err is set
	began    time.Time     // when the runner was made, for stirred
	stirred  atomic.Int64  // when it last moved or was at the store's end, in nanoseconds after began; 0 before it runs

	busy   atomic.Bool  // much is recorded; in the background only
	behind atomic.Int64 // since when it is behind, in nanoseconds after began; 0 when it is not; in the background only

	mu    sync.Mutex
	err   error         // why it does not move
	delay time.Duration // of the last event published
}

// NewRunner prepares a runner of p.
func NewRunner(p Projection, c Config) *Runner {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Pace == 0 {
		c.Pace = pace
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Runner{Config: c, projection: p, waiters: newWaiters(), began: time.Now()}
}

// Run folds events until ctx ends, and returns nil then. Trouble with the store or the model is shown in
// Status, and tried again; before an unreadable event it stands still.
func (r *Runner) Run(ctx context.Context) error {
	var owned sync.WaitGroup
	defer owned.Wait()
	r.stirredAt(max(time.Since(r.began), 1))
	if r.Background {
		owned.Go(func() { r.followLoad(ctx) })
	} else {
		owned.Go(func() { r.followEnd(ctx) })
	}
	owned.Go(func() { r.noticeSilence(ctx) })
	backoff := firstBackoff
	for ctx.Err() == nil {
		before := r.Position()
		err := r.subscribe(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, ErrReload) {
			continue
		}
		if r.Position() > before {
			backoff = firstBackoff
		}
		r.report(err)
		var unreadable *UnreadableError
		switch {
		case errors.Is(err, errHalted):
			<-ctx.Done()
		case errors.As(err, &unreadable):
			r.unreadable = unreadable
		default:
			Sleep(ctx, backoff)
			backoff = min(2*backoff, lastBackoff)
		}
	}
	return nil
}

// Position is the store position up to which everything is readable.
func (r *Runner) Position() uint64 { return r.waiters.position.Load() }

// WaitFor waits until everything up to a position is readable. It returns the cause of ctx's end when that
// comes first, and ErrTooManyWaiters at the bound.
func (r *Runner) WaitFor(ctx context.Context, position uint64) error {
	if err := r.waiters.wait(ctx, position); err != nil {
		return fmt.Errorf("projection %s: %w", r.Name, err)
	}
	return nil
}

// WaitForEnd waits until everything that the store holds now is readable.
func (r *Runner) WaitForEnd(ctx context.Context) error {
	end, err := r.Store.End(ctx)
	if err != nil {
		return fmt.Errorf("projection %s: find the store's end: %w", r.Name, err)
	}
	return r.WaitFor(ctx, end)
}

// Status tells how far the projection has come.
func (r *Runner) Status(ctx context.Context) Status {
	end, endErr := r.Store.End(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Name: r.Name, Position: r.Position(), Delay: r.delay}
	if s.Position < end {
		s.Lag = end - s.Position
	}
	if err := errors.Join(r.err, endErr, r.silence()); err != nil {
		s.Error = err.Error()
	}
	return s
}

// report notes why the projection does not move, and logs it when that is news.
func (r *Runner) report(err error) {
	if errors.Is(err, errHalted) && r.unreadable != nil {
		err = r.unreadable
	}
	r.mu.Lock()
	news := r.err == nil || r.err.Error() != err.Error()
	r.err = err
	r.mu.Unlock()
	r.stuck.Store(true)
	if news {
		r.Log.Error("projection does not move", "projection", r.Name, "position", r.Position(), "error", err)
	}
}

// published moves the readable position on. newest is when the newest event folded was recorded.
func (r *Runner) published(position uint64, newest aggregates.Instant) {
	r.mu.Lock()
	recovered := r.err != nil && r.unreadable == nil
	if recovered {
		r.err = nil
		r.stuck.Store(false)
	}
	if newest != 0 {
		r.delay = r.Now().Sub(newest.Time())
	}
	r.mu.Unlock()
	if recovered {
		r.Log.Info("projection moves again", "projection", r.Name, "position", position)
	}
	if position > r.Position() {
		r.stir()
	}
	r.waiters.set(position) // before the floor, which would be above it otherwise
	r.floor.Store(max(r.floor.Load(), position))
}

// Sleep waits for so long, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
