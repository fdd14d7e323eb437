package reservation

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// ConfirmReservation turns a live hold into a promise that does not expire. It returns *validation.Error and what change returns.
func (s *Service) ConfirmReservation(ctx context.Context, r *pb.ConfirmReservationRequest) (*pb.ConfirmReservationResponse, error) {
	c := checkChange(r.ReservationId, r.Actor)
	if err := c.Err(); err != nil {
		return nil, err
	}
	m := metadata(ctx, r.ReservationId, r.Actor, "confirm:"+r.ReservationId)
	result, token, err := s.change(ctx, r.ReservationId, m, &confirm{id: r.ReservationId})
	if err != nil {
		return nil, err
	}
	return &pb.ConfirmReservationResponse{Reservation: result, Token: token}, nil
}

// confirm is the intention.
type confirm struct {
	id string
	decided
}

// Decide confirms.
func (x *confirm) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	x.result, events, err = stock.Confirm(s, stock.ConfirmRequest{ReservationID: x.id}, m, now)
	return events, err
}
