package bench

import (
	"context"
	"errors"
	"time"
)

const (
	probes         = 4 // who write and read what they wrote, each a SKU of its own
	probeEvery     = 10 * time.Millisecond
	backgroundMost = 1_024 // calls of the background in flight
	peakInFlight   = 64    // to find the highest rate when no row has measured it
)

var readableRow = Row{
	Name: "readable", Title: "Commit to readable, p50, at half of the highest Reserve rate", Unit: "ms", Baseline: "plain Get",
	Target: &Target{Most: 1, P99: 10},
	takes:  func(e effort) time.Duration { return e.warmUp + time.Duration(e.rounds)*e.window + time.Second },
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		s, err := b.stocked(ctx)
		if err != nil {
			return err
		}
		ctx, unwatch := s.watch(ctx)
		defer unwatch()
		if err := measureReadable(ctx, b, s, f); err != nil {
			return because(ctx, err)
		}
		return b.checkReserved(ctx)
	},
}

// measureReadable measures, round by round, how long after a write's reply a read with its token answers, beside a
// read without a token at the same time, while reservations keep coming at half of the highest rate.
func measureReadable(ctx context.Context, b *bench, s *server, f *Figure) error {
	x := newReservations(b)
	q, err := newQuestions(b.catalogue, drawn)
	if err != nil {
		return err
	}
	if err := findPeak(ctx, b, s, x, f); err != nil {
		return err
	}
	first, sums := b.takeHot(probes), newProbeSums()
	var behind paced
	for round := 1; round <= b.rounds; round++ {
		times := newProbeTimes()
		all := make([]*probe, probes)
		for i := range all {
			all[i] = newProbe(x, s.wire(i).cc, i, first+i, q, times)
		}
		load, err := loaded(ctx, b.window, pace{rate: b.peak / 2, workers: backgroundMost},
			func(w int) call { return x.many(s.wire(w), round, w) },
			func(ctx context.Context, end <-chan struct{}) error { return runProbes(ctx, all, end) })
		if err != nil {
			return err
		}
		behind.add(load)
		sums.add(times)
		after, plain := latency(times.readable.histogram()), latency(times.plain.histogram())
		if after == nil || plain == nil {
			return errors.New("no write became readable within the window")
		}
		f.Rounds = append(f.Rounds, newRound(after.P50, plain.P50))
		b.say("  round %d of %d: %s ms, plain Get %s ms", round, b.rounds, amount(after.P50), amount(plain.P50))
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	f.Latency, f.BaselineLatency = latency(sums.readable), latency(sums.plain)
	f.Calls, f.Errors = f.Calls+behind.answered+behind.failed, f.Errors+behind.failed
	f.note("%s reservations/s behind it, of %s asked for", amount(behind.rate()), amount(b.peak/2))
	if w := latency(sums.write); w != nil {
		f.note("Reserve itself meanwhile: p50 %s ms, p99 %s ms", amount(w.P50), amount(w.P99))
	}
	return nil
}

// findPeak measures the highest rate of reservations when no row has done so.
func findPeak(ctx context.Context, b *bench, s *server, x *reservations, f *Figure) error {
	if b.peak > 0 {
		return nil
	}
	seen, err := drive(ctx, peakInFlight, b.warmUp, func(w int) call { return x.many(s.wire(w), 0, w) })
	f.count(seen)
	b.peak = seen.rate()
	if err != nil {
		return err
	}
	return s.settle(ctx)
}

// loaded runs something for a window while an open loop keeps the service busy.
func loaded(ctx context.Context, window time.Duration, p pace, worker func(int) call,
	do func(ctx context.Context, end <-chan struct{}) error) (paced, error) {
	limited, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := do(ctx, limited.Done())
		if err != nil {
			cancel() // no use in going on
		}
		done <- err
	}()
	seen, err := p.run(limited, worker)
	return seen, errors.Join(err, <-done, ctx.Err())
}
