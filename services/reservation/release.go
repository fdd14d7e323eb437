package reservation

import (
	"context"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// ReleaseReservation gives back some or all of what is still reserved. It returns *validation.Error and what change returns.
func (s *Service) ReleaseReservation(ctx context.Context, r *pb.ReleaseReservationRequest) (*pb.ReleaseReservationResponse, error) {
	c := checkChange(r.ReservationId, r.Actor)
	checkPart(&c, r.Quantity, r.IdempotencyKey)
	c.Text("reason", r.Reason, validation.MaxNote)
	if err := c.Err(); err != nil {
		return nil, err
	}
	m := metadata(ctx, r.ReservationId, r.Actor, restKey("release", r.ReservationId))
	if r.IdempotencyKey != "" {
		m = metadata(ctx, r.ReservationId, r.Actor, callKey("release", r.ReservationId, r.IdempotencyKey),
			strconv.FormatInt(r.Quantity, 10), r.Reason)
	}
	in := release{request: stock.ReleaseRequest{ReservationID: r.ReservationId, Quantity: r.Quantity, Reason: r.Reason}}
	result, token, err := s.change(ctx, r.ReservationId, m, &in)
	if err != nil {
		return nil, err
	}
	return &pb.ReleaseReservationResponse{Reservation: result, Token: token}, nil
}

// release is the intention.
type release struct {
	request stock.ReleaseRequest
	decided
}

// Decide releases.
func (x *release) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	x.result, events, err = stock.Release(s, x.request, m, now)
	return events, err
}
