package bench

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	batchSize  = 100
	pagesDrawn = 1 << 10
)

var batchGetRow = Row{
	Name: "batchget", Title: "BatchGet of 100 SKUs, 64 in flight", Unit: "SKU-reads/s", Baseline: echoBaseline,
	Target: &Target{Value: 1_000_000, Ratio: 0.7},
	takes:  duelTakes,
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		all, err := newPages(b.catalogue)
		if err != nil {
			return err
		}
		return duel{inFlight: 64, each: batchSize, calls: all.get}.run(ctx, b, f)
	},
}

// batch is a request with the right answers.
type batch struct {
	request *pb.BatchGetAvailabilityRequest
	answers []question
}

// ask adds a SKU to a batch.
func (x *batch) ask(c *catalogue, sku, channel int) {
	x.request.Skus = append(x.request.Skus, c.skus[sku])
	x.answers = append(x.answers, question{c.skus[sku], channels[channel].id, c.ats(sku, channel)})
}

// check compares all answers with the right ones.
func (x *batch) check(got []*pb.Availability) error {
	if len(got) != len(x.answers) {
		return wrong("%d SKUs asked for, %d answered", len(x.answers), len(got))
	}
	for i := range got {
		if err := x.answers[i].check(got[i]); err != nil {
			return err
		}
	}
	return nil
}

// page is a batch ready to be asked. A reply that equals one that was found right, byte for byte, is right: decoding a
// hundred answers would take as long as the service needs to give them.
type page struct {
	batch
	encoded *frame
	right   atomic.Pointer[frame] // the last reply that was decoded and found right
}

type pages []page

// newPages draws pages of a shop: SKUs by demand, all for one channel.
func newPages(c *catalogue) (pages, error) {
	r := rand.New(rand.NewPCG(seed, 3))
	all := make(pages, pagesDrawn)
	for i := range all {
		x, channel := &all[i], r.IntN(len(channels))
		x.request = &pb.BatchGetAvailabilityRequest{Channel: channels[channel].id}
		for _, sku := range c.demand.draws(r, batchSize) {
			x.ask(c, int(sku), channel)
		}
		var err error
		if x.encoded, err = encode(x.request); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// get asks for one page a call.
func (all pages) get(w *wire, round, worker int) call {
	turn, reply := start(round, worker), new(frame)
	return func(ctx context.Context) error {
		x := &all[turn%len(all)]
		turn++
		if err := w.call(ctx, pb.AvailabilityService_BatchGetAvailability_FullMethodName, x.encoded, reply); err != nil {
			return err
		}
		return x.checkFrame(reply)
	}
}

// checkFrame compares an encoded reply with the right answers.
func (x *page) checkFrame(reply *frame) error {
	if right := x.right.Load(); right != nil && bytes.Equal(*right, *reply) {
		return nil
	}
	var got pb.BatchGetAvailabilityResponse
	if err := decode(reply, &got); err != nil {
		return err
	}
	if err := x.check(got.GetAvailabilities()); err != nil {
		return err
	}
	right := slices.Clone(*reply)
	x.right.Store(&right)
	return nil
}
