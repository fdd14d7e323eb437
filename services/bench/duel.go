package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// echoBaseline names the baseline of calls.
const echoBaseline = "gRPC echo"

// duel compares calls with the echo, round by round.
type duel struct {
	inFlight int
	// each is what one call counts for in the row's unit; 0 is 1.
	each int64
	// calls returns a worker's calls. Round 0 warms up.
	calls func(w *wire, round, worker int) call
	// before and after run around each of the row's own windows, outside the time measured; nil for nothing.
	before func(ctx context.Context)
	after  func(ctx context.Context) error
	// rival has another system do the same for a window, and returns its rate; nil for none.
	rival func(ctx context.Context, window time.Duration) (rate float64, err error)
}

// run measures and fills in the figure.
func (d duel) run(ctx context.Context, b *bench, f *Figure) error {
	s, err := b.stocked(ctx)
	if err != nil {
		return err
	}
	ctx, unwatch := s.watch(ctx)
	defer unwatch()
	if err := d.rounds(ctx, b, s, f); err != nil {
		return because(ctx, err)
	}
	return nil
}

func (d duel) rounds(ctx context.Context, b *bench, s *server, f *Figure) error {
	echoes, err := d.warmUp(ctx, b, s, f)
	if err != nil {
		return err
	}
	ours, theirs := empty(), empty()
	beside := b.beside()
	each := max(1, d.each)
	scale := float64(each)
	bareCPU, ownCPU := meter{pid: b.echo.pid()}, meter{pid: s.pid()}
	for round := 1; round <= b.rounds; round++ {
		var bare, own sample
		err := bareCPU.around(func() (n int64, err error) {
			bare, err = drive(ctx, d.inFlight, b.window, func(w int) call { return echoes.call(b.echo.wire(w), w) })
			return bare.calls * each, err
		})
		if err != nil {
			return fmt.Errorf("echo, round %d: %w", round, err)
		}
		err = ownCPU.around(func() (int64, error) {
			return beside.around(func() (n int64, err error) {
				own, err = d.window(ctx, b.window, f, func(w int) call { return d.calls(s.wire(w), round, w) })
				return own.calls * each, err
			})
		})
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		f.Rounds = append(f.Rounds, newRound(scale*own.rate(), scale*bare.rate()))
		if err := d.compare(ctx, b, f, own.rate()); err != nil {
			return fmt.Errorf("%s, round %d: %w", f.Against[0].Name, round, err)
		}
		theirs.Merge(bare.timings)
		ours.Merge(own.timings)
		b.say("  round %d of %d: %s, echo %s", round, b.rounds, amount(scale*own.rate()), amount(scale*bare.rate()))
	}
	f.Latency, f.BaselineLatency = latency(ours), latency(theirs)
	f.CPU = &CPU{Service: ownCPU.perCall(), Baseline: bareCPU.perCall(), Others: beside.perCall()}
	return nil
}

// compare has the rival do the same. One that fails is not compared with any more, and the report says why; the row goes on.
func (d duel) compare(ctx context.Context, b *bench, f *Figure, own float64) error {
	if d.rival == nil || f.Against[0].Missing != "" {
		return nil
	}
	rate, err := d.rival(ctx, b.window)
	switch {
	case err == nil:
		f.Against[0].rounds = append(f.Against[0].rounds, newRound(own, rate))
	case errors.Is(err, ErrWrong), ctx.Err() != nil:
		return err
	default:
		f.Against[0].Missing, f.Against[0].rounds = err.Error(), nil
	}
	return nil
}

// warmUp runs both sides for a while, and learns the sizes of the row's messages.
func (d duel) warmUp(ctx context.Context, b *bench, s *server, f *Figure) (*echoes, error) {
	var learned []*wire
	for _, w := range s.wires {
		learned = append(learned, learning(w.cc))
	}
	if _, err := d.window(ctx, b.warmUp, f, func(w int) call { return d.calls(learned[w%len(learned)], 0, w) }); err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	var exchanges []exchange
	for _, w := range learned {
		exchanges = append(exchanges, w.seen...)
	}
	f.Sizes = meanSizes(exchanges)
	e, err := newEchoes(exchanges)
	if err != nil {
		return nil, err
	}
	_, err = drive(ctx, d.inFlight, b.warmUp, func(w int) call { return e.call(b.echo.wire(w), w) })
	if err != nil {
		return nil, fmt.Errorf("warm-up of the echo: %w", err)
	}
	return e, nil
}

// window drives the row's own calls once.
func (d duel) window(ctx context.Context, length time.Duration, f *Figure, worker func(int) call) (sample, error) {
	if d.before != nil {
		d.before(ctx)
	}
	s, err := drive(ctx, d.inFlight, length, worker)
	f.count(s)
	if err != nil || d.after == nil {
		return s, err
	}
	return s, d.after(ctx)
}

// empty is a histogram to merge others into.
func empty() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, figuresKept) }
