package replicas

import (
	"context"
	"fmt"
	"math/rand/v2"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Holds, in seconds.
const (
	shortHold = 2
	longHold  = 3600
)

// shopper places carts and carries each to its end, every call on whatever replica.
type shopper struct {
	*run
	number int
	among  []*replica
}

func (x *run) shopper(number int) *shopper { return &shopper{x, number, x.cluster.replicas} }

// shop places carts until ctx ends. The last one is carried to its end.
func (s *shopper) shop(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !s.t.Failed(); n++ {
		c := s.ledger.cart(cart{
			id: fmt.Sprintf("cart-%d-%d", s.number, n), sku: s.skus[rand.IntN(len(s.skus))], quantity: 1 + rand.Int64N(3), lapses: n%4 == 0,
		})
		s.carry(context.WithoutCancel(ctx), c, n)
	}
}

func (s *shopper) carry(ctx context.Context, c *cart, n int) {
	if c.placed = s.reserve(ctx, c); c.placed != acknowledged || c.lapses {
		return
	}
	if n%5 == 0 { // a client that did not hear the answer
		if again := s.reserve(ctx, c); again != acknowledged {
			s.t.Errorf("%s was placed, and refused when that was repeated", c.id)
		}
	}
	switch n % 4 {
	case 1:
		c.confirmed = s.confirm(ctx, c)
		s.finds(ctx, c, pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED)
	case 2:
		c.released = s.ask(ctx, func(ctx context.Context, r *replica) error {
			_, err := r.reservations.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: c.id})
			return err
		})
		s.finds(ctx, c, pb.ReservationStatus_RESERVATION_STATUS_RELEASED)
	case 3:
		s.finds(ctx, c, pb.ReservationStatus_RESERVATION_STATUS_HELD)
		c.confirmed = s.confirm(ctx, c)
		c.fulfilled = s.ask(ctx, func(ctx context.Context, r *replica) error {
			_, err := r.reservations.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: c.id})
			return err
		})
	}
}

func (s *shopper) reserve(ctx context.Context, c *cart) outcome {
	hold := int64(longHold)
	if c.lapses {
		hold = shortHold
	}
	return s.ask(ctx, func(ctx context.Context, r *replica) error {
		_, err := r.reservations.Reserve(ctx, &pb.ReserveRequest{ReservationId: c.id, Sku: c.sku, Channel: web, Quantity: c.quantity, HoldSeconds: hold})
		return err
	})
}

func (s *shopper) confirm(ctx context.Context, c *cart) outcome {
	return s.ask(ctx, func(ctx context.Context, r *replica) error {
		_, err := r.reservations.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: c.id})
		return err
	})
}

// finds reads the reservation by its id alone, on whatever replica, right after it was changed.
func (s *shopper) finds(ctx context.Context, c *cart, want pb.ReservationStatus) {
	var got *pb.Reservation
	s.ask(ctx, func(ctx context.Context, r *replica) error {
		answer, err := r.reservations.GetReservation(ctx, &pb.GetReservationRequest{ReservationId: c.id})
		got = answer.GetReservation()
		return err
	})
	s.found.Add(1)
	if got.GetStatus() != want {
		s.stale.Add(1)
	}
}

// ask makes a call anywhere. An answer that is neither good nor a refusal is a failure of the test.
func (s *shopper) ask(ctx context.Context, call func(context.Context, *replica) error) outcome {
	o, err := anywhere(ctx, s.among, call)
	if o == unknown {
		s.t.Errorf("a customer got: %v", err)
	}
	return o
}
