package reservation

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// ReallocateReservation moves what is promised where it cannot be kept to where units are free. It returns *validation.Error,
// *refusals.UnknownChannel and what change returns.
func (s *Service) ReallocateReservation(ctx context.Context, r *pb.ReallocateReservationRequest) (*pb.ReallocateReservationResponse, error) {
	c := checkChange(r.ReservationId, r.Actor)
	c.Text("reason", r.Reason, validation.MaxNote)
	if err := c.Err(); err != nil {
		return nil, err
	}
	m := metadata(ctx, r.ReservationId, r.Actor, onceKey("reallocate", r.ReservationId))
	in := reallocate{policies: s.Policies, request: stock.ReallocateRequest{ReservationID: r.ReservationId, Reason: r.Reason}}
	result, token, err := s.change(ctx, r.ReservationId, m, &in)
	if err != nil {
		return nil, err
	}
	return &pb.ReallocateReservationResponse{Reservation: result, Token: token}, nil
}

// reallocate is the intention.
type reallocate struct {
	policies Policies
	request  stock.ReallocateRequest
	decided
}

// Decide moves the promise under the policy that its channel has at this moment.
func (x *reallocate) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	policy, err := policyOf(x.policies, s, x.request.ReservationID, now)
	if err != nil {
		return nil, err
	}
	x.result, events, err = stock.Reallocate(s, x.request, m, policy, now)
	return events, err
}

// ListBreaks proposes which promises of a SKU to break where it is oversold. It returns *validation.Error and the errors of the store.
func (s *Service) ListBreaks(ctx context.Context, r *pb.ListBreaksRequest) (*pb.ListBreaksResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	if err := c.Err(); err != nil {
		return nil, err
	}
	var in breaks
	if _, err := s.SKUs.Do(ctx, r.Sku, aggregates.Metadata{IdempotencyKey: "read"}, &in); err != nil {
		return nil, err
	}
	answer := &pb.ListBreaksResponse{}
	for _, x := range in.found {
		answer.Breaks = append(answer.Breaks, &pb.ProposedBreak{ReservationId: x.ReservationID, Location: x.Location, Quantity: x.Quantity})
	}
	return answer, nil
}

// breaks is a look at a SKU, and records nothing.
type breaks struct{ found []stock.Break }

// Decide looks.
func (x *breaks) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	x.found = stock.Breaks(s, now)
	return nil, nil
}
