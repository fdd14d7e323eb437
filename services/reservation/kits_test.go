package reservation_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// teaShop sells a set of 4 cups and a pot, of 10 and 3.
func teaShop(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("cup", 10)
	w.Count("pot", 3)
	w.Kit("set", "cup", 4, "pot", 1)
	return w
}

// strong is a SKU's ATS, decided on the streams.
func strong(t *testing.T, w *servicetest.World, sku, reservation string) int64 {
	t.Helper()
	answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: sku, Channel: "web",
		Consistency: pb.Consistency_CONSISTENCY_STRONG, ReservationId: reservation})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Availability.Ats
}

func got(t *testing.T, w *servicetest.World, id string) *pb.Reservation {
	t.Helper()
	answer, err := w.ReservationClient().GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: id})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Reservation
}

func TestReservingAKitReservesItsComponents(t *testing.T) {
	w := teaShop(t)
	placed, err := w.Reserve("cart", "set", 2)
	if err != nil {
		t.Fatal(err)
	}
	r := placed.Reservation
	if r.Sku != "set" || r.Quantity != 2 || r.Remaining != 2 || r.Status != pb.ReservationStatus_RESERVATION_STATUS_HELD || r.ExpiresAt == nil || len(r.Components) != 2 {
		t.Errorf("got %v", r)
	}
	if c, p, s := strong(t, w, "cup", ""), strong(t, w, "pot", ""), strong(t, w, "set", ""); c != 2 || p != 1 || s != 0 {
		t.Errorf("%d cups, %d pots, %d sets are left", c, p, s)
	}
	if own := strong(t, w, "set", "cart"); own != 2 {
		t.Errorf("the cart sees %d sets, its own included", own)
	}
	again, err := w.Reserve("cart", "set", 2)
	if err != nil || !proto.Equal(again.Reservation, r) {
		t.Errorf("a retry got %v, %v", again, err)
	}
	_, err = w.Reserve("cart", "set", 1)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	_, err = w.Reserve("cart", "cup", 1)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	list, err := w.ReservationClient().ListReservations(t.Context(), &pb.ListReservationsRequest{Sku: "set", LiveOnly: true, Token: placed.Token})
	if err != nil || len(list.Reservations) != 1 || list.Reservations[0].Remaining != 2 {
		t.Errorf("listed: %v, %v", list, err)
	}
}

// Nothing is recorded of what there is not enough for: as with any SKU, the same id may ask again for fewer.
func TestTooManyKitsAreRefusedWithWhatThereIs(t *testing.T) {
	w := teaShop(t)
	_, err := w.Reserve("cart", "set", 3)
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "2" || facts["requested"] != "3" || facts["sku"] != "set" {
		t.Errorf("got %v", facts)
	}
	if strong(t, w, "cup", "") != 10 {
		t.Error("cups are held for what was refused")
	}
	if _, err := w.Reserve("cart", "set", 2); err != nil {
		t.Error(err)
	}
}

func TestAReservationOfKitsIsConfirmedExtendedReleasedAndFulfilled(t *testing.T) {
	w := teaShop(t)
	c := w.ReservationClient()
	if _, err := w.Reserve("cart", "set", 2); err != nil {
		t.Fatal(err)
	}
	extended, err := c.ExtendReservation(t.Context(), &pb.ExtendReservationRequest{ReservationId: "cart", HoldSeconds: 7200})
	if err != nil || time.Until(extended.Reservation.ExpiresAt.AsTime()) < time.Hour {
		t.Fatalf("%v, %v", extended, err)
	}
	for range 2 { // a retry is the first one
		confirmed, err := c.ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"})
		if err != nil || confirmed.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED || confirmed.Reservation.ExpiresAt != nil {
			t.Fatalf("%v, %v", confirmed, err)
		}
	}
	_, err = c.ExtendReservation(t.Context(), &pb.ExtendReservationRequest{ReservationId: "cart", HoldSeconds: 60})
	servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_HELD")
	_, err = c.FulfilReservation(t.Context(), &pb.FulfilReservationRequest{ReservationId: "cart", Quantity: 3, IdempotencyKey: "k3"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "EXCEEDS_REMAINING")
	for range 2 {
		answer, err := c.FulfilReservation(t.Context(), &pb.FulfilReservationRequest{ReservationId: "cart", Quantity: 1, IdempotencyKey: "k1"})
		if err != nil || answer.Reservation.Fulfilled != 1 || answer.Reservation.Remaining != 1 {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	for range 2 {
		answer, err := c.ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: "cart", Reason: "too much tea"})
		if err != nil || answer.Reservation.Released != 1 || answer.Reservation.Remaining != 0 ||
			answer.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_FULFILLED {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	_, err = c.FulfilReservation(t.Context(), &pb.FulfilReservationRequest{ReservationId: "cart", Quantity: 1, IdempotencyKey: "k2"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_LIVE")
	_, err = c.ChangeReservation(t.Context(), &pb.ChangeReservationRequest{ReservationId: "cart", Quantity: 1})
	servicetest.Refused(t, err, codes.FailedPrecondition, "KIT_RESERVATION")
	if cups, pots := strong(t, w, "cup", ""), strong(t, w, "pot", ""); cups != 6 || pots != 2 {
		t.Errorf("%d cups and %d pots are left", cups, pots)
	}
}

func TestAHoldOnKitsEndsByTime(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("cup", 10)
	w.Kit("set", "cup", 4)
	if _, err := w.Reserve("cart", "set", 2); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Hour)
	if r := got(t, w, "cart"); r.Status != pb.ReservationStatus_RESERVATION_STATUS_EXPIRED || r.Expired != 2 || r.Remaining != 0 {
		t.Errorf("got %v", r)
	}
	if n := strong(t, w, "set", ""); n != 2 {
		t.Errorf("%d sets", n)
	}
	_, err := w.ReservationClient().ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_LIVE"); facts["status"] != "expired" {
		t.Errorf("got %v", facts)
	}
}

// An order whose line carries a reservation of kits takes its holds over: nothing is held twice, also when there is no more than that.
func TestAnOrderTakesAReservationOfKitsOver(t *testing.T) {
	w := teaShop(t)
	if _, err := w.Reserve("cart", "set", 2); err != nil {
		t.Fatal(err)
	}
	w.Count("plate", 1)
	w.Kit("set", "cup", 1, "plate", 1) // what is held already stays as it was
	answer, err := w.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "order", Channel: "web", Confirm: true,
		Lines: []*pb.OrderedLine{{Line: "1", Sku: "set", Quantity: 2, ReservationId: "cart"}}})
	if err != nil || answer.Order.Status != pb.OrderStatus_ORDER_STATUS_CONFIRMED {
		t.Fatalf("%v, %v", answer, err)
	}
	if cups, pots, plates := strong(t, w, "cup", ""), strong(t, w, "pot", ""), strong(t, w, "plate", ""); cups != 2 || pots != 1 || plates != 1 {
		t.Errorf("%d cups, %d pots and %d plates are left", cups, pots, plates)
	}
	if r := got(t, w, "cart"); r.Remaining != 0 || r.Status != pb.ReservationStatus_RESERVATION_STATUS_RELEASED {
		t.Errorf("the cart has %v", r)
	}
	if _, err := w.OrderClient().CancelOrder(t.Context(), &pb.CancelOrderRequest{OrderId: "order"}); err != nil {
		t.Fatal(err)
	}
	if cups, pots := strong(t, w, "cup", ""), strong(t, w, "pot", ""); cups != 10 || pots != 3 {
		t.Errorf("%d cups and %d pots after the order was cancelled", cups, pots)
	}
}

func TestOrderIDsThatNameReservationsOfKitsAreKept(t *testing.T) {
	w := teaShop(t)
	_, err := w.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "kit-reservation:cart", Channel: "web",
		Lines: []*pb.OrderedLine{{Sku: "cup", Quantity: 1}}})
	if servicetest.Fields(err)["order_id"] == "" {
		t.Errorf("got %v", err)
	}
}

// However many want kits and single units at once, no component is promised twice, and what was refused holds nothing.
func TestKitsAndSinglesAtOnceOversellNothing(t *testing.T) {
	w := teaShop(t)
	w.Count("cup", 100)
	w.Count("pot", 40)
	w.Kit("tea for one", "pot", 1, "cup", 1)
	var cups, pots atomic.Int64
	var running sync.WaitGroup
	for i := range 160 {
		sku, cup, pot := [...]string{"set", "tea for one", "cup", "pot"}[i%4], [...]int64{4, 1, 1, 0}[i%4], [...]int64{1, 1, 0, 1}[i%4]
		running.Go(func() {
			if _, err := w.Reserve(fmt.Sprint("cart ", i), sku, 1); err == nil {
				cups.Add(cup)
				pots.Add(pot)
			}
		})
	}
	running.Wait()
	if c, p := strong(t, w, "cup", ""), strong(t, w, "pot", ""); c < 0 || p < 0 || c != 100-cups.Load() || p != 40-pots.Load() {
		t.Errorf("%d cups and %d pots are left, but %d and %d were promised", c, p, cups.Load(), pots.Load())
	}
}

// Two carts that want kits of the same components, named in different orders, never wait for each other: one of them gets the last.
func TestTwoCartsOfKitsThatCrossGetTheLastOnes(t *testing.T) {
	w := teaShop(t)
	w.Count("x", 30)
	w.Count("y", 30)
	w.Kit("a", "x", 1, "y", 1)
	w.Kit("b", "y", 1, "x", 1)
	var sold atomic.Int64
	var running sync.WaitGroup
	for i := range 40 {
		running.Go(func() {
			if _, err := w.Reserve(fmt.Sprint("cart ", i), [...]string{"a", "b"}[i%2], 1); err == nil {
				sold.Add(1)
			}
		})
	}
	running.Wait()
	if sold.Load() != 30 || strong(t, w, "x", "") != 0 || strong(t, w, "y", "") != 0 {
		t.Errorf("%d were sold of 30, %d and %d are left", sold.Load(), strong(t, w, "x", ""), strong(t, w, "y", ""))
	}
}
