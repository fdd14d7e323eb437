package reservation_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates/order"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// What a first call came to is what its retry comes to, whatever became of the kit and the channel meanwhile.
func TestARetriedReservationOfKitsIsTheFirst(t *testing.T) {
	put := func(w *servicetest.World, r *pb.SellingRule) {
		if _, err := w.PolicyClient().PutSellingRule(t.Context(), &pb.PutSellingRuleRequest{Rule: r}); err != nil {
			t.Fatal(err)
		}
	}
	for name, meanwhile := range map[string]func(*servicetest.World){
		"is no kit any more": func(w *servicetest.World) { w.Kit("set") },
		"is no kit and has stock": func(w *servicetest.World) {
			w.Kit("set")
			w.Count("set", 7)
		},
		"is made of other things": func(w *servicetest.World) { w.Kit("set", "pot", 3) },
		"is not sold": func(w *servicetest.World) {
			put(w, &pb.SellingRule{Sku: "set", Channel: "web", Unsold: true})
		},
		"sells from nowhere": func(w *servicetest.World) { w.Channel("web") },
		"is not sold yet": func(w *servicetest.World) {
			put(w, &pb.SellingRule{Sku: "set", Channel: "web", ReleaseAt: timestamp(time.Now().Add(time.Hour))})
		},
		"is sold out": func(w *servicetest.World) { w.Count("pot", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := teaShop(t)
			first, err := w.Reserve("cart", "set", 2)
			if err != nil {
				t.Fatal(err)
			}
			meanwhile(w)
			again, err := w.Reserve("cart", "set", 2)
			if err != nil || !proto.Equal(again.Reservation, first.Reservation) {
				t.Errorf("a retry got %v, %v", again, err)
			}
			_, err = w.Reserve("cart", "set", 1)
			servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
			if list := listed(t, w, "set", first.Token); len(list) != 1 {
				t.Errorf("the id has %d reservations: %v", len(list), list)
			}
			if _, err := w.ReservationClient().ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: "cart"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// An id that single units had long ago is not free for kits, though the SKU's stream has forgotten it.
func TestAnIDThatUnitsHadIsNotFreeForKits(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("cup", 10)
	w.Count("set", 2)
	placed, err := w.Reserve("cart", "set", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReservationClient().ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: "cart"}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the state forgets
		clock.Advance(48 * time.Hour)
		w.Count("set", 0)
	}
	w.Kit("set", "cup", 4)
	listed(t, w, "set", placed.Token) // the index knows the id
	_, err = w.Reserve("cart", "set", 2)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	if n := strong(t, w, "cup", ""); n != 10 {
		t.Errorf("%d cups are left", n)
	}
}

// Nobody can take the ids under which a reservation of kits will hold its components, and so keep it from being placed.
func TestIDsThatNameComponentsOfReservationsAreKept(t *testing.T) {
	w := teaShop(t)
	for _, id := range []string{order.ComponentHold("cart", 0), order.KitReservation("cart")} {
		_, err := w.Reserve(id, "cup", 1)
		if servicetest.Fields(err)["reservation_id"] == "" {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := w.Reserve("cart", "set", 2); err != nil {
		t.Error(err)
	}
}

func listed(t *testing.T, w *servicetest.World, sku, token string) []*pb.Reservation {
	t.Helper()
	answer, err := w.ReservationClient().ListReservations(t.Context(), &pb.ListReservationsRequest{Sku: sku, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Reservations
}

func timestamp(at time.Time) *timestamppb.Timestamp { return timestamppb.New(at) }
