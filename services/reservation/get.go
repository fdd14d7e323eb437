package reservation

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// GetReservation finds a reservation by id and shows it as its own stream has it now; one that ended so long ago that the
// stream's state forgot it, as the index has it. It returns *validation.Error, *refusals.UnknownReservation,
// what tokens.Codec.Await returns, and the errors of the index and the store.
func (s *Service) GetReservation(ctx context.Context, r *pb.GetReservationRequest) (*pb.GetReservationResponse, error) {
	var c validation.Checker
	c.ID("reservation_id", r.ReservationId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.Index); err != nil {
		return nil, err
	}
	in := look{id: r.ReservationId}
	found, _, err := s.decide(ctx, r.ReservationId, aggregates.Metadata{IdempotencyKey: "read"}, &in)
	switch {
	case found.ofKits(err):
		kits, _, err := s.Kits.FindKits(ctx, r.ReservationId)
		if err != nil {
			return nil, found.unlessGone(r.ReservationId, err)
		}
		return &pb.GetReservationResponse{Reservation: kitMessage(&kits)}, nil
	case errors.Is(err, stock.ErrUnknownReservation):
		in.result = at(found.record.Reservation, s.Now())
	case err != nil:
		return nil, err
	}
	return &pb.GetReservationResponse{Reservation: message(found.sku, &in.result)}, nil
}

// look is the intention to read; it records nothing.
type look struct {
	id string
	decided
}

// Decide reads.
func (x *look) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) (_ []aggregates.Event, err error) {
	x.result, err = stock.Find(s, x.id, now)
	return nil, err
}
