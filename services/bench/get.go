package bench

import (
	"context"
	"math/rand/v2"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// drawn is how many requests are drawn before the clock runs; workers go through them in turn.
const drawn = 1 << 16

var getRow = Row{
	Name: "get", Title: "Get, 64 in flight", Unit: "calls/s", Baseline: echoBaseline, Target: &Target{Ratio: 0.85},
	takes: duelTakes,
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		q, err := newQuestions(b.catalogue, drawn)
		if err != nil {
			return err
		}
		return duel{inFlight: 64, calls: q.get}.run(ctx, b, f)
	},
}

// question is a SKU and a channel, with the one right answer.
type question struct {
	sku, channel string
	ats          int64
}

// questions are asked of stock that nobody changes meanwhile.
type questions struct {
	all      []question
	requests []*frame // of all
}

// newQuestions draws n by demand, for any channel.
func newQuestions(c *catalogue, n int) (*questions, error) {
	r := rand.New(rand.NewPCG(seed, 2))
	q := &questions{}
	for range n {
		sku, channel := c.demand.draw(r), r.IntN(len(channels))
		x := question{c.skus[sku], channels[channel].id, c.ats(sku, channel)}
		request, err := encode(&pb.GetAvailabilityRequest{Sku: x.sku, Channel: x.channel})
		if err != nil {
			return nil, err
		}
		q.all, q.requests = append(q.all, x), append(q.requests, request)
	}
	return q, nil
}

// get asks one question a call.
func (q *questions) get(w *wire, round, worker int) call {
	turn, reply := start(round, worker), new(frame)
	return func(ctx context.Context) error {
		i := turn % len(q.all)
		turn++
		if err := w.call(ctx, pb.AvailabilityService_GetAvailability_FullMethodName, q.requests[i], reply); err != nil {
			return err
		}
		var got pb.GetAvailabilityResponse
		if err := decode(reply, &got); err != nil {
			return err
		}
		return q.all[i].check(got.GetAvailability())
	}
}

// check compares an answer with the right one.
func (x *question) check(got *pb.Availability) error {
	if got.GetSku() != x.sku || got.GetChannel() != x.channel || !got.GetKnown() || got.GetAts() != x.ats {
		return wrong("SKU %q on channel %q has ATS %d; the service says %v", x.sku, x.channel, x.ats, got)
	}
	return nil
}

// start spreads workers and rounds over what was drawn.
func start(round, worker int) int { return round*104_729 + worker*1_009 }
