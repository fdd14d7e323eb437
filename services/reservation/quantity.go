package reservation

import (
	"context"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// ChangeReservation makes a live reservation hold more or fewer units, under the guard of Reserve. It returns *validation.Error,
// *refusals.UnknownChannel and what change returns.
func (s *Service) ChangeReservation(ctx context.Context, r *pb.ChangeReservationRequest) (*pb.ChangeReservationResponse, error) {
	c := checkChange(r.ReservationId, r.Actor)
	c.Amount(r.Quantity, r.Decimal, 1)
	c.Text("idempotency_key", r.IdempotencyKey, validation.MaxID)
	if err := c.Err(); err != nil {
		return nil, err
	}
	key := onceKey("change", r.ReservationId)
	if r.IdempotencyKey != "" {
		key = callKey("change", r.ReservationId, r.IdempotencyKey)
	}
	m := metadata(ctx, r.ReservationId, r.Actor, key, strconv.FormatInt(r.Quantity, 10), r.Decimal)
	in := quantity{policies: s.Policies, request: stock.ChangeRequest{ReservationID: r.ReservationId, Quantity: r.Quantity, Decimal: r.Decimal}}
	result, token, err := s.change(ctx, r.ReservationId, m, &in)
	if err != nil {
		return nil, err
	}
	return &pb.ChangeReservationResponse{Reservation: result, Token: token}, nil
}

// quantity is the intention to hold another quantity.
type quantity struct {
	policies Policies
	request  stock.ChangeRequest
	decided
}

// Decide changes the quantity under the policy that the reservation's channel has at this moment.
func (x *quantity) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	policy, err := policyOf(x.policies, s, x.request.ReservationID, now)
	if err != nil {
		return nil, err
	}
	x.result, events, err = stock.Change(s, x.request, m, policy, now)
	return events, err
}

// policyOf is the policy of the channel that a reservation is for.
func policyOf(policies Policies, s *stock.State, id string, now aggregates.Instant) (*stock.Policy, error) {
	found, err := stock.Find(s, id, now)
	if err != nil {
		return nil, err
	}
	channel, ok := policies.Channel(found.Channel)
	if !ok {
		return nil, &refusals.UnknownChannel{Channel: found.Channel}
	}
	return channel.Policy, nil
}
