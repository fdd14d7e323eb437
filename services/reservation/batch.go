package reservation

import (
	"context"
	"sync"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxBatch is how many reservations one call may ask for.
const MaxBatch = 8_192

// ReserveBatch reserves each of several by itself: what Reserve would return as an error is the result of that one. It returns *validation.Error for the
// batch as a whole, and commands.ErrOverloaded while too many are under way: nothing of it was done then.
func (s *Service) ReserveBatch(ctx context.Context, r *pb.ReserveBatchRequest) (*pb.ReserveBatchResponse, error) {
	var c validation.Checker
	if n := len(r.Reservations); n == 0 || n > MaxBatch {
		c.Fail("reservations", "must be 1 to %d, are %d", MaxBatch, n)
		return nil, c.Err()
	}
	if err := s.room.enter(len(r.Reservations), &s.claims); err != nil {
		if s.Refused != nil {
			s.Refused(len(r.Reservations))
		}
		return nil, err
	}
	x := &batch{Service: s, ctx: ctx, ask: r.Reservations, all: make([]placing, len(r.Reservations))}
	x.decide()
	return x.answer(), nil
}

// batch is a call under way.
type batch struct {
	*Service
	ctx     context.Context
	ask     []*pb.ReserveRequest
	all     []placing
	waiting sync.WaitGroup
}

// placing is one reservation on its way.
type placing struct {
	reserve
	claimed bool // its id is claimed by this batch
	alone   bool // it takes the way of a single call, for the rest or from the beginning
	out     commands.Outcome
	err     error
}

// decide has all decided at once that can be. What is left for answer is one command at a time, and needs no room.
func (x *batch) decide() {
	defer x.room.leave(len(x.ask))
	x.submit()
	x.waiting.Wait()
}

// submit hands all to their SKUs' mailboxes, in the order of the request.
func (x *batch) submit() {
	defer x.room.claimed(len(x.ask))
	for i, r := range x.ask {
		p := &x.all[i]
		if r == nil {
			r = &pb.ReserveRequest{}
			x.ask[i] = r
		}
		if p.err = checkReserve(r); p.err != nil {
			continue
		}
		if _, known := x.Policies.Channel(r.Channel); !known || x.claims.take(r.ReservationId, r.Sku) != nil {
			p.alone = true
			continue
		}
		p.claimed = true
		if p.known, p.err = x.owned(x.ctx, r.ReservationId, r.Sku); p.err != nil {
			continue
		}
		p.policies, p.channel, p.request = x.Policies, r.Channel, placed(r)
		x.waiting.Add(1)
		err := x.SKUs.Submit(r.Sku, reserveMetadata(x.ctx, r), &p.reserve, func(out commands.Outcome, err error) {
			p.out, p.err = out, err
			x.waiting.Done()
		})
		if err != nil { // it is not called; otherwise it may have been by now
			p.err = err
			x.waiting.Done()
		}
	}
}

// answer makes the results. What has turned out to be about kits goes the way of a single call.
func (x *batch) answer() *pb.ReserveBatchResponse {
	answer := &pb.ReserveBatchResponse{Results: make([]*pb.ReserveResult, len(x.all))}
	results := make([]pb.ReserveResult, len(x.all))
	var last uint64
	for i := range x.all {
		p, r := &x.all[i], x.ask[i]
		p.alone = p.alone || aboutKits(p.err)
		if p.claimed {
			x.claims.settle(r.ReservationId, judge(p.err), p.out.Position)
		}
		answer.Results[i] = &results[i]
		switch {
		case p.alone:
			var position uint64
			if results[i].Reservation, position, p.err = x.place(x.ctx, r); p.err == nil {
				last = max(last, position)
			}
		case p.err == nil:
			results[i].Reservation, last = message(r.Sku, &p.result), max(last, p.out.Position)
		default:
			p.err = about(r, p.err)
		}
		if p.err != nil {
			results[i].Refusal = x.Refusal(x.ctx, p.err)
		}
	}
	if last > 0 {
		answer.Token = x.Tokens.Encode(last)
	}
	return answer
}

// placed is what a request asks of the SKU.
func placed(r *pb.ReserveRequest) stock.ReserveRequest {
	return stock.ReserveRequest{
		ReservationID: r.ReservationId, Quantity: r.Quantity, Decimal: r.Decimal,
		HoldSeconds: r.HoldSeconds, Confirmed: r.Confirmed, PromiseAt: codec.Instant(r.PromiseAt),
		Location: r.Location, Binding: r.LocationBinding, Method: r.Method,
	}
}
