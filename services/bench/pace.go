package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// paceTick is how often calls that have become due are let go.
const paceTick = time.Millisecond

// pace is an open loop: calls become due at a fixed rate, whether or not earlier ones were answered.
type pace struct {
	rate    float64 // calls per second
	workers int     // most calls in flight; what is due beyond them is late, not lost
}

// paced is what an open loop saw.
type paced struct {
	answered int64
	failed   int64
	elapsed  time.Duration
}

// rate is calls answered well per second.
func (p paced) rate() float64 {
	if p.elapsed <= 0 {
		return 0
	}
	return float64(p.answered) / p.elapsed.Seconds()
}

// add sums up windows.
func (p *paced) add(other paced) {
	p.answered, p.failed, p.elapsed = p.answered+other.answered, p.failed+other.failed, p.elapsed+other.elapsed
}

// run lets calls go until ctx ends, then waits for those in flight. It returns ErrWrong for a wrong answer.
func (p pace) run(ctx context.Context, worker func(int) call) (paced, error) {
	due := make(chan struct{}, p.workers)
	// Calls let go are finished: what they wrote counts in the sums.
	calls, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var answered, failed atomic.Int64
	var running sync.WaitGroup
	for i := range p.workers {
		next := worker(i)
		running.Go(func() {
			for range due {
				switch err := next(calls); {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, ErrWrong):
					cancel(err)
				default:
					failed.Add(1)
				}
			}
		})
	}
	start := time.Now()
	p.release(ctx, calls, due, start)
	elapsed := time.Since(start)
	close(due)
	guard := time.AfterFunc(drainTimeout, func() { cancel(context.DeadlineExceeded) })
	running.Wait()
	guard.Stop()
	seen := paced{answered: answered.Load(), failed: failed.Load(), elapsed: elapsed}
	if err := context.Cause(calls); errors.Is(err, ErrWrong) {
		return seen, err
	}
	return seen, nil
}

// release hands out calls as they become due.
func (p pace) release(ctx, calls context.Context, due chan<- struct{}, start time.Time) {
	ticks := time.NewTicker(paceTick)
	defer ticks.Stop()
	var released int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-calls.Done():
			return
		case now := <-ticks.C:
			for target := int64(now.Sub(start).Seconds() * p.rate); released < target; released++ {
				select {
				case due <- struct{}{}:
				case <-ctx.Done():
					return
				case <-calls.Done():
					return
				}
			}
		}
	}
}
