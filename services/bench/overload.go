package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	overloadBatch    = 100   // reservations of one call: whoever asks for too much must not take the processor for asking
	overloadInFlight = 64    // calls, to find what the service can take
	overloadBy       = 2     // times as much is asked for
	overloadCallers  = 2_048 // calls in flight, at most: far more than the service lets wait
	overloadWindows  = 12    // windows of growth that the peak and overload each last
	overloadP99      = 2_000 // ms: in which 99 of 100 calls are to be answered meanwhile

	burstCalls = 16    // of burstBatch each, for one SKU
	burstBatch = 7_000 // three of them are let in at once, more than may wait for one SKU
)

// overloadRow asks for twice as much as the service can take, whether or not it answers.
var overloadRow = Row{
	Name: "overload", Title: fmt.Sprintf("Overload: reservations placed while %d times as many as it can take are asked for", overloadBy),
	Unit: "reservations/s", Baseline: "the peak", Target: &Target{Ratio: 0.9, P99: overloadP99}, long: true,
	takes: func(e effort) time.Duration {
		return 3*time.Second + time.Duration(e.growthRounds)*(2*overloadWindows*e.growthWindow+time.Second)
	},
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		return inShop(ctx, b, f, func(ctx context.Context, s *shop) error { return measureOverload(ctx, s, f) })
	},
}

func measureOverload(ctx context.Context, s *shop, f *Figure) error {
	x := &overload{shop: s, timings: newClock()}
	b := s.b
	for round := 0; round <= b.growthRounds; round++ {
		peak, err := x.peak(ctx, f, round)
		if err != nil {
			return err
		}
		if err := s.server.settle(ctx); err != nil || round == 0 {
			if err != nil {
				return err
			}
			continue
		}
		placed, err := x.open(ctx, f, round, overloadBy*peak/overloadBatch)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		f.Rounds = append(f.Rounds, newRound(placed, peak))
		b.say("  round %d of %d: %s reservations/s, at its peak %s", round, b.growthRounds, amount(placed), amount(peak))
	}
	if err := x.burst(ctx, f); err != nil {
		return err
	}
	x.tell(f)
	return s.checkSums(ctx, []*goods{s.goods}, s.stores[0])
}

// overload counts what becomes of reservations.
type overload struct {
	*shop
	timings         *clock // of calls of which something was placed, while too much is asked for
	placed, refused atomic.Int64
	until           time.Time // what is placed after it does not count
	counts          bool
	away            int64 // refused while too much is asked for
}

// peak returns how many reservations a second are placed when nobody asks for more than is answered.
func (x *overload) peak(ctx context.Context, f *Figure, round int) (float64, error) {
	window := overloadWindows * x.b.growthWindow
	x.placed.Store(0)
	x.until = time.Now().Add(window)
	seen, err := drive(ctx, overloadInFlight, window, func(w int) call { return x.calls(x.server.wire(w), round, w) })
	f.count(seen)
	return float64(x.placed.Load()) / window.Seconds(), err
}

// open asks for so many calls a second and returns how many reservations a second were placed.
func (x *overload) open(ctx context.Context, f *Figure, round int, rate float64) (float64, error) {
	window := overloadWindows * x.b.growthWindow
	limited, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	x.placed.Store(0)
	refused := x.refused.Load()
	x.until, x.counts = time.Now().Add(window), true
	seen, err := pace{rate: rate, workers: overloadCallers}.run(limited, func(w int) call { return x.calls(x.server.wire(w), overloadInFlight*round, w) })
	x.counts = false
	x.away += x.refused.Load() - refused
	f.Calls, f.Errors = f.Calls+seen.answered+seen.failed, f.Errors+seen.failed
	if err := errors.Join(err, ctx.Err()); err != nil {
		return 0, err
	}
	return float64(x.placed.Load()) / window.Seconds(), x.server.settle(ctx)
}

// calls reserves a unit of each of several SKUs by demand, in one call.
func (x *overload) calls(w *wire, round, worker int) call {
	turn, counts := start(round, worker), x.counts
	ranks := x.shop.reservations.ranks
	return func(ctx context.Context) error {
		picked := make([]int, overloadBatch)
		for i := range picked {
			turn++
			picked[i] = int(ranks[turn%len(ranks)])
		}
		from := time.Now()
		placed, again, err := x.reserveAll(ctx, w, picked)
		to := time.Now()
		if counts && placed > 0 {
			x.timings.record(worker, to.Sub(from))
		}
		if !to.After(x.until) {
			x.placed.Add(placed)
		}
		if !counts && again > 0 { // who wants to be served, and not to overload, waits as told
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
		}
		return err
	}
}

// reserveAll makes one call. Each of its reservations is placed, or refused with a word on when to try again; again is when, if none was.
func (x *overload) reserveAll(ctx context.Context, w *wire, picked []int) (placed int64, again time.Duration, err error) {
	ask := &pb.ReserveBatchRequest{}
	for _, i := range picked {
		ask.Reservations = append(ask.Reservations, &pb.ReserveRequest{ReservationId: x.b.carts.next(), Sku: x.skus[i], Channel: channels[webChannel].id, Quantity: 1})
	}
	encoded, err := encode(ask)
	if err != nil {
		return 0, 0, err
	}
	var reply frame
	if err := w.call(ctx, pb.ReservationService_ReserveBatch_FullMethodName, encoded, &reply); err != nil {
		for _, i := range picked {
			x.add(i, 1, err)
		}
		if again, err = refusal(err); again > 0 {
			x.refused.Add(int64(len(picked)))
		}
		return 0, again, err
	}
	var got pb.ReserveBatchResponse
	if err := decode(&reply, &got); err != nil {
		return 0, 0, err
	}
	if len(got.Results) != len(picked) {
		return 0, 0, wrong("%d reservations asked for, %d answered", len(picked), len(got.Results))
	}
	for j, r := range got.Results {
		if no := r.Refusal; no != nil {
			x.refused.Add(1)
			x.add(picked[j], 1, status.Error(codes.Code(no.Code), no.Message))
			if codes.Code(no.Code) != codes.ResourceExhausted || no.RetryAfterMs <= 0 {
				return placed, 0, wrong("%v was refused without a word on when to try again: %v", ask.Reservations[j], no)
			}
			continue
		}
		if err := checkReply(ask.Reservations[j], &pb.ReserveResponse{Reservation: r.Reservation, Token: got.Token}); err != nil {
			return placed, 0, err
		}
		x.add(picked[j], 1, nil)
		placed++
	}
	return placed, 0, nil
}

// refusal is when to try again after an error that says that there is too much, which has to say it, or another error as it is.
func refusal(err error) (again time.Duration, other error) {
	s, _ := status.FromError(err)
	if s.Code() != codes.ResourceExhausted {
		return 0, err
	}
	for _, d := range s.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() > 0 {
			return retry.GetRetryDelay().AsDuration(), nil
		}
	}
	return 0, wrong("refused without RetryInfo: %v", err)
}

// burst asks for more of one SKU at once than may wait for it, and for single units meanwhile: who is refused is to be told by
// the status itself when to try again.
func (x *overload) burst(ctx context.Context, f *Figure) error {
	picked := make([]int, burstBatch) // all of the first
	var bulk sync.WaitGroup
	bulkErrs := make([]error, burstCalls)
	done, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range burstCalls {
		bulk.Go(func() { _, _, bulkErrs[i] = x.reserveAll(ctx, x.server.wire(i), picked) })
	}
	go func() {
		bulk.Wait()
		cancel()
	}()
	var placed, refused atomic.Int64
	err := parallel(ctx, parallelCalls, func(ctx context.Context, worker int) error {
		one := x.shop.reservations.reserve(x.server.wire(worker), x.ledger, func() int { return 0 }, nil)
		for done.Err() == nil {
			err := one(ctx)
			if err == nil {
				placed.Add(1)
				continue
			}
			if _, err = refusal(err); errors.Is(err, ErrWrong) {
				return err
			}
			refused.Add(1)
		}
		return nil
	})
	bulk.Wait()
	f.note("while %s reservations of one SKU were asked for at once, %s single ones of it were placed, and %s refused, each with RetryInfo",
		grouped(burstCalls*burstBatch), grouped(placed.Load()), grouped(refused.Load()))
	return errors.Join(append(bulkErrs, err)...)
}

// tell says what was seen beside the rate.
func (x *overload) tell(f *Figure) {
	f.Latency = latency(x.timings.histogram())
	f.note("asked for in calls of %d, as they become due; %s refused, each with when to try again", overloadBatch, grouped(x.away))
}
