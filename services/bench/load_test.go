package bench

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// takes is a call that takes a while.
func takes(d time.Duration) func(int) call {
	return func(int) call {
		return func(context.Context) error {
			time.Sleep(d)
			return nil
		}
	}
}

func TestDriveKeepsSoManyInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := drive(context.Background(), 64, time.Second, takes(10*time.Millisecond))
		if err != nil || s.done != 6_400 || s.calls != 6_400 || s.rate() != 6_400 {
			t.Errorf("%d of %d calls, %g calls/s (%v)", s.done, s.calls, s.rate(), err)
		}
		if l := latency(s.timings); l.P50 < 9.99 || l.Max > 10.01 {
			t.Errorf("latency: %+v", l)
		}
	})
}

// A call that ends after the window was made, and took its time, but is no part of the rate.
func TestDriveWaitsForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		s, err := drive(context.Background(), 2, time.Second, takes(600*time.Millisecond))
		if err != nil || s.done != 2 || s.calls != 4 || s.timings.TotalCount() != 4 {
			t.Errorf("%d of %d calls, %d timed (%v)", s.done, s.calls, s.timings.TotalCount(), err)
		}
		if took := time.Since(from); took != 1200*time.Millisecond {
			t.Errorf("returned after %s", took)
		}
	})
}

// Slow is a figure, too.
func TestCallsThatAllEndAfterTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := drive(context.Background(), 3, time.Second, takes(5*time.Second))
		if err != nil || s.done != 0 || s.calls != 3 || s.rate() != 0 || s.timings.TotalCount() != 3 {
			t.Errorf("%+v (%v)", s, err)
		}
	})
}

func TestDriveCountsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := drive(context.Background(), 1, time.Second, func(int) call {
			n := 0
			return func(context.Context) error {
				time.Sleep(100 * time.Millisecond)
				if n++; n%5 == 0 {
					return status.Error(codes.ResourceExhausted, "full")
				}
				return nil
			}
		})
		if err != nil || s.done != 8 || s.calls != 10 || s.failed["ResourceExhausted: full"] != 2 || s.timings.TotalCount() != 8 {
			t.Errorf("%+v (%v)", s, err)
		}
	})
}

func TestDriveEndsWithAWrongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		_, err := drive(context.Background(), 8, time.Hour, func(w int) call {
			return func(ctx context.Context) error {
				if w == 3 {
					time.Sleep(time.Second)
					return wrong("seven")
				}
				<-ctx.Done()
				return ctx.Err()
			}
		})
		if !errors.Is(err, ErrWrong) || time.Since(from) != time.Second {
			t.Errorf("%v after %s", err, time.Since(from))
		}
	})
}

func TestDriveGivesUpOnCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		_, err := drive(context.Background(), 2, time.Second, func(int) call {
			return func(ctx context.Context) error {
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			}
		})
		if err == nil || !strings.Contains(err.Error(), "no call was answered well in 1s: 2 x Canceled") {
			t.Errorf("error: %v", err)
		}
		if took := time.Since(from); took != time.Second+drainTimeout {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestDriveStopsWhenToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		reason := errors.New("server ended")
		time.AfterFunc(time.Second, func() { cancel(reason) })
		if _, err := drive(ctx, 4, time.Hour, takes(time.Millisecond)); !errors.Is(err, reason) {
			t.Errorf("error: %v", err)
		}
	})
}

func TestFailuresAreDescribedMostFrequentFirst(t *testing.T) {
	failed := map[string]int64{}
	for range 3 {
		failed[reason(status.Error(codes.Unavailable, "gone"))]++
	}
	failed[reason(errors.New(strings.Repeat("x", 1000)))]++
	got := describe(failed)
	if !strings.HasPrefix(got, "3 x Unavailable: gone; 1 x Unknown: xxx") || len(got) > 200 {
		t.Errorf("%q", got)
	}
}

// What is certain not to have happened must not widen what the sums may be.
func TestWhichFailuresLeaveItOpen(t *testing.T) {
	for code, open := range map[codes.Code]bool{codes.ResourceExhausted: false, codes.FailedPrecondition: false,
		codes.NotFound: false, codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Unknown: true, codes.Canceled: true} {
		if mayHaveHappened(status.Error(code, "")) != open {
			t.Errorf("%s: expected %t", code, open)
		}
	}
	l := newLedger([]string{"a"})
	l.add(0, 2, nil)
	l.add(0, 3, status.Error(codes.Unavailable, ""))
	l.add(0, 4, status.Error(codes.ResourceExhausted, ""))
	if l.sure[0].Load() != 2 || l.maybe[0].Load() != 3 {
		t.Errorf("sure %d, maybe %d", l.sure[0].Load(), l.maybe[0].Load())
	}
}

func TestPaceDoesNotWaitForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		// Each call takes a second, so that 50/s need 50 in flight.
		seen, err := pace{rate: 50, workers: 100}.run(ctx, takes(time.Second))
		if err != nil || seen.answered < 498 || seen.answered > 500 || seen.elapsed != 10*time.Second {
			t.Errorf("%+v (%v)", seen, err)
		}
		if r := seen.rate(); r < 49.8 || r > 50 {
			t.Errorf("%g calls/s", r)
		}
	})
}

func TestPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var inFlight, most atomic.Int64
		_, err := pace{rate: 1000, workers: 7}.run(ctx, func(int) call {
			return func(context.Context) error {
				n := inFlight.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				inFlight.Add(-1)
				return nil
			}
		})
		if err != nil || most.Load() != 7 {
			t.Errorf("%d calls in flight (%v)", most.Load(), err)
		}
	})
}

func TestPaceCountsFailuresAndEndsWithAWrongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		seen, err := pace{rate: 10, workers: 1}.run(ctx, func(int) call {
			return func(context.Context) error { return status.Error(codes.Unavailable, "") }
		})
		if err != nil || seen.failed < 9 || seen.answered != 0 {
			t.Errorf("%+v (%v)", seen, err)
		}
		_, err = pace{rate: 10, workers: 1}.run(context.Background(), func(int) call {
			return func(context.Context) error { return wrong("seven") }
		})
		if !errors.Is(err, ErrWrong) {
			t.Errorf("error: %v", err)
		}
	})
}

// What runs under load must end it when it fails, and not otherwise before the window is over.
func TestLoadedEndsWithWhatItLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, from := pace{rate: 100, workers: 4}, time.Now()
		_, err := loaded(context.Background(), time.Hour, p, takes(time.Millisecond), func(context.Context, <-chan struct{}) error {
			return wrong("seven")
		})
		if !errors.Is(err, ErrWrong) || time.Since(from) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(from))
		}
		seen, err := loaded(context.Background(), time.Minute, p, takes(time.Millisecond), func(_ context.Context, end <-chan struct{}) error {
			<-end
			return nil
		})
		if err != nil || seen.elapsed != time.Minute || seen.answered < 5_990 {
			t.Errorf("%+v (%v)", seen, err)
		}
	})
}

func TestParallelReturnsTheFirstError(t *testing.T) {
	var done atomic.Int64
	if err := parallel(context.Background(), 1_000, func(context.Context, int) error { done.Add(1); return nil }); err != nil || done.Load() != 1_000 {
		t.Errorf("%d done (%v)", done.Load(), err)
	}
	done.Store(0)
	err := parallel(context.Background(), 1_000_000, func(ctx context.Context, i int) error {
		switch done.Add(1); {
		case i == 10:
			return wrong("ten")
		case i > 10:
			<-ctx.Done() // the others go on no further than this
		}
		return nil
	})
	if !errors.Is(err, ErrWrong) || done.Load() > 11+parallelCalls {
		t.Errorf("%d done (%v)", done.Load(), err)
	}
}
