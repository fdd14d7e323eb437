package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// drainTimeout bounds how long calls still in flight after a window may take.
const drainTimeout = 30 * time.Second

// ErrWrong says that the service answered what cannot be: the run fails.
var ErrWrong = errors.New("wrong answer")

// wrong describes an answer that cannot be.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrWrong, fmt.Sprintf(format, args...))
}

// call makes one call and checks its answer. It belongs to one worker, who makes one call at a time.
type call func(ctx context.Context) error

// sample is what a window saw.
type sample struct {
	done    int64            // calls answered well inside the window
	calls   int64            // made altogether, those that ended after the window and those that failed included
	failed  map[string]int64 // calls that failed, by status
	window  time.Duration
	timings *hdrhistogram.Histogram // of calls answered well
}

// rate is calls answered well per second.
func (s sample) rate() float64 { return float64(s.done) / s.window.Seconds() }

// drive keeps inFlight workers calling, each the next as soon as the last was answered, until the window is over,
// and waits for those in flight. A wrong answer ends it with ErrWrong; calls that fail are counted.
func drive(ctx context.Context, inFlight int, window time.Duration, worker func(int) call) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(window+drainTimeout, func() { cancel(context.DeadlineExceeded) })
	defer guard.Stop()

	timings := newClock()
	tallies := make([]tally, inFlight)
	calls := make([]call, inFlight)
	for i := range calls {
		calls[i] = worker(i)
	}
	var running sync.WaitGroup
	start := time.Now()
	for i := range inFlight {
		running.Go(func() {
			// A context per worker: calls register with their parent, and one parent for all is a meeting point.
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			if err := tallies[i].run(ctx, i, start.Add(window), calls[i], timings); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	s := sum(tallies)
	s.window, s.timings = window, timings.histogram()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s, err
	}
	if s.timings.TotalCount() == 0 {
		return s, fmt.Errorf("no call was answered well in %s: %s", window, describe(s.failed))
	}
	return s, nil
}

// tally is one worker's count.
type tally struct {
	done, calls int64
	failed      map[string]int64
	_           [40]byte // apart from the next worker's in memory
}

// run calls until the window is over. Only a wrong answer is an error.
func (t *tally) run(ctx context.Context, worker int, end time.Time, next call, timings *clock) error {
	from := time.Now()
	for from.Before(end) && ctx.Err() == nil {
		err := next(ctx)
		to := time.Now()
		t.calls++
		switch {
		case err == nil:
			timings.record(worker, to.Sub(from))
			if !to.After(end) {
				t.done++
			}
		case errors.Is(err, ErrWrong):
			return err
		default:
			if t.failed == nil {
				t.failed = map[string]int64{}
			}
			t.failed[reason(err)]++
		}
		from = to
	}
	return nil
}

func sum(tallies []tally) sample {
	s := sample{failed: map[string]int64{}}
	for _, t := range tallies {
		s.done, s.calls = s.done+t.done, s.calls+t.calls
		addFailures(s.failed, t.failed)
	}
	return s
}

func addFailures(to, from map[string]int64) {
	for k, n := range from {
		to[k] += n
	}
}

// reason names a failure by its gRPC code and, cut short, its message.
func reason(err error) string {
	const most = 120
	s, ok := status.FromError(err)
	if !ok {
		s = status.New(codes.Unknown, err.Error())
	}
	text := s.Message()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return s.Code().String() + ": " + text
}

// describe lists failures with how often they occurred, the most frequent first.
func describe(failed map[string]int64) string {
	reasons := slices.SortedFunc(maps.Keys(failed), func(a, b string) int {
		return cmp.Or(cmp.Compare(failed[b], failed[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = fmt.Sprintf("%d x %s", failed[r], r)
	}
	return strings.Join(parts, "; ")
}

// mayHaveHappened tells whether a write that failed so can have been recorded all the same.
func mayHaveHappened(err error) bool {
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.AlreadyExists,
		codes.OutOfRange, codes.Unimplemented:
		return false
	default:
		return true
	}
}
