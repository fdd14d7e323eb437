package reservation_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestAReservationHoldsMoreOrFewer(t *testing.T) {
	w := shop(t)
	c, ctx := w.ReservationClient(), t.Context()
	if _, err := w.Reserve("cart", "milk", 4); err != nil {
		t.Fatal(err)
	}
	change := func(quantity int64, key string) (*pb.ChangeReservationResponse, error) {
		return c.ChangeReservation(ctx, &pb.ChangeReservationRequest{ReservationId: "cart", Quantity: quantity, IdempotencyKey: key})
	}
	more, err := change(9, "a")
	if err != nil || more.Reservation.Remaining != 9 || w.ATS("milk", more.Token) != 1 {
		t.Fatalf("%v, %v", more, err)
	}
	_, err = change(11, "b")
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "10" {
		t.Errorf("refused with %v", facts)
	}
	fewer, err := change(2, "c")
	if err != nil || fewer.Reservation.Remaining != 2 || w.ATS("milk", fewer.Token) != 8 {
		t.Errorf("%v, %v", fewer, err)
	}
	again, err := change(9, "a")
	if err != nil || again.Reservation.Remaining != 9 || w.ATS("milk", again.Token) != 8 {
		t.Errorf("repeated: %v, %v", again, err)
	}
	_, err = change(3, "a")
	if facts := servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED"); facts["key"] != "a" {
		t.Errorf("refused with %v", facts)
	}
	_, err = change(0, "")
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	_, err = c.ChangeReservation(ctx, &pb.ChangeReservationRequest{ReservationId: "none", Quantity: 1})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_RESERVATION")
}

func TestAReservationMovesWhenItsLocationCloses(t *testing.T) {
	w := shop(t)
	c, ctx := w.ReservationClient(), t.Context()
	w.Location("köln")
	w.Move(&pb.Movement{Sku: "milk", Location: "köln", Quantity: 3, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	if _, err := w.Reserve("cart", "milk", 4); err != nil {
		t.Fatal(err)
	}
	move := func() *pb.Reservation {
		t.Helper()
		moved, err := c.ReallocateReservation(ctx, &pb.ReallocateReservationRequest{ReservationId: "cart", Reason: "closed"})
		if err != nil {
			t.Fatal(err)
		}
		return moved.Reservation
	}
	if r := move(); len(r.Splits) != 1 || r.Splits[0].Location != "berlin" {
		t.Errorf("moved for no reason: %v", r)
	}
	w.Channel("web", "köln")
	if r := move(); len(r.Splits) != 2 || r.Splits[0].Quantity != 1 || r.Splits[1].Location != "köln" || r.Splits[1].Quantity != 3 {
		t.Errorf("moved to %v", r)
	}
	found, err := c.GetReservation(ctx, &pb.GetReservationRequest{ReservationId: "cart"})
	if err != nil || found.Reservation.Remaining != 4 {
		t.Errorf("%v, %v", found, err)
	}
}
