package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// probeTimes are what probes measured.
type probeTimes struct {
	write    *clock // a reservation
	readable *clock // from its reply until a read with its token answered
	plain    *clock // a read without a token
}

func newProbeTimes() *probeTimes { return &probeTimes{newClock(), newClock(), newClock()} }

// probeSums are the same over several rounds.
type probeSums struct{ write, readable, plain *hdrhistogram.Histogram }

func newProbeSums() *probeSums { return &probeSums{empty(), empty(), empty()} }

func (s *probeSums) add(t *probeTimes) {
	s.write.Merge(t.write.histogram())
	s.readable.Merge(t.readable.histogram())
	s.plain.Merge(t.plain.histogram())
}

// probe writes and reads what it wrote. Nobody else writes its SKU, so that there is one right answer.
type probe struct {
	number  int
	reserve call
	token   string // of the last reservation
	ledger  *ledger
	sku     int // in ledger
	reads   pb.AvailabilityServiceClient
	plain   call
	times   *probeTimes
}

// run repeats until end, every so often, once at least. Calls that fail are for the ledger; only a wrong answer ends it
// early.
func (p *probe) run(ctx context.Context, end <-chan struct{}) error {
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	for {
		if err := p.once(ctx); errors.Is(err, ErrWrong) {
			return err
		}
		select {
		case <-end:
			return nil
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// once reserves a unit, reads it back, and reads something else.
func (p *probe) once(ctx context.Context) error {
	from := time.Now()
	if err := p.reserve(ctx); err != nil {
		return err
	}
	written := time.Now()
	p.times.write.record(p.number, written.Sub(from))
	reply, err := p.reads.GetAvailability(ctx, &pb.GetAvailabilityRequest{
		Sku: p.ledger.skus[p.sku], Channel: channels[webChannel].id, Token: p.token})
	if err != nil {
		return err
	}
	read := time.Now()
	p.times.readable.record(p.number, read.Sub(written))
	most := shelvesPerSKU*plenty - p.ledger.sure[p.sku].Load()
	if ats := reply.GetAvailability().GetAts(); ats > most || ats < most-p.ledger.maybe[p.sku].Load() {
		return wrong("SKU %q: a read with the token of the write that left %d available says %d", p.ledger.skus[p.sku], most, ats)
	}
	read = time.Now()
	if err := p.plain(ctx); err != nil {
		return err
	}
	p.times.plain.record(p.number, time.Since(read))
	return nil
}

// runProbes runs all probes until end.
func runProbes(ctx context.Context, all []*probe, end <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, p := range all {
		running.Go(func() {
			if err := p.run(ctx, end); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// newProbe returns a probe that writes the given hot SKU.
func newProbe(x *reservations, cc grpc.ClientConnInterface, number, sku int, q *questions, times *probeTimes) *probe {
	p := &probe{number: number, ledger: x.b.hot, sku: sku, reads: pb.NewAvailabilityServiceClient(cc), times: times}
	w := &wire{cc: cc}
	p.reserve = x.reserve(w, x.b.hot, func() int { return sku }, &p.token)
	p.plain = q.get(w, 0, number)
	return p
}
