package reservation

import (
	"context"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// ExtendReservation moves the end of a live hold. It returns *validation.Error and what change returns.
func (s *Service) ExtendReservation(ctx context.Context, r *pb.ExtendReservationRequest) (*pb.ExtendReservationResponse, error) {
	if err := checkExtend(r); err != nil {
		return nil, err
	}
	key := onceKey("extend", r.ReservationId)
	if r.IdempotencyKey != "" {
		key = callKey("extend", r.ReservationId, r.IdempotencyKey)
	}
	in := extend{id: r.ReservationId, seconds: r.HoldSeconds, until: codec.Instant(r.ExpiresAt)}
	m := metadata(ctx, r.ReservationId, r.Actor, key,
		strconv.FormatInt(r.HoldSeconds, 10), strconv.FormatInt(int64(in.until), 10))
	result, token, err := s.change(ctx, r.ReservationId, m, &in)
	if err != nil {
		return nil, err
	}
	return &pb.ExtendReservationResponse{Reservation: result, Token: token}, nil
}

func checkExtend(r *pb.ExtendReservationRequest) error {
	c := checkChange(r.ReservationId, r.Actor)
	c.Text("idempotency_key", r.IdempotencyKey, validation.MaxID)
	switch {
	case r.ExpiresAt != nil && r.HoldSeconds != 0:
		c.Fail("expires_at", "must be left out when hold_seconds is given")
	case r.ExpiresAt != nil:
		checkTime(&c, "expires_at", r.ExpiresAt)
	default:
		c.Range("hold_seconds", r.HoldSeconds, 1, stock.MaxHoldSeconds)
	}
	return c.Err()
}

// extend is the intention: an end so many seconds from the decision, or at an instant.
type extend struct {
	id      string
	seconds int64
	until   aggregates.Instant
	decided
}

// Decide extends.
func (x *extend) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	until := x.until
	if x.seconds != 0 {
		until = now + aggregates.Instant(x.seconds)*aggregates.Second
	}
	x.result, events, err = stock.Extend(s, stock.ExtendRequest{ReservationID: x.id, ExpiresAt: until}, m, now)
	return events, err
}
