package availability_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

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

// A read with the token of a write to a component sees what that makes of the kit; so does one that is decided on the streams.
func TestAReadOfAKitSeesWritesToItsComponents(t *testing.T) {
	w := teaShop(t)
	for _, x := range []struct {
		sku     string
		counted int64
		sets    int64
	}{{"cup", 9, 2}, {"cup", 30, 3}, {"pot", 0, 0}, {"pot", 9, 7}} {
		token := w.Count(x.sku, x.counted)
		for _, consistency := range []pb.Consistency{0, pb.Consistency_CONSISTENCY_STRONG} {
			one, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "set", Channel: "web", Token: token, Consistency: consistency})
			if err != nil {
				t.Fatal(err)
			}
			many, err := w.AvailabilityClient().BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Skus: []string{"cup", "set"}, Channel: "web",
				Token: token, Consistency: consistency})
			if err != nil {
				t.Fatal(err)
			}
			if a := one.Availability; a.Ats != x.sets || many.Availabilities[1].Ats != x.sets || !a.Known || (x.sets > 0) != (a.Status == inStock) {
				t.Errorf("%s: got %v and %v, expected %d", consistency, a, many, x.sets)
			}
		}
	}
}

const inStock = pb.AvailabilityStatus_AVAILABILITY_STATUS_IN_STOCK

// Both ways of reading have the same position for the same events, so that who reads by both never goes back.
func TestAKitIsAsOfItsComponentsLastEvent(t *testing.T) {
	w := teaShop(t)
	token := w.Count("pot", 5)
	var positions []uint64
	for _, consistency := range []pb.Consistency{0, pb.Consistency_CONSISTENCY_STRONG} {
		answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "set", Channel: "web", Token: token, Consistency: consistency})
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, answer.Availability.Position)
	}
	if positions[0] != positions[1] || positions[0] == 0 {
		t.Errorf("positions %v", positions)
	}
}

func TestWhatCanBePromisedOfAKitByDate(t *testing.T) {
	w := teaShop(t)
	day := func(n int) *timestamppb.Timestamp {
		return timestamppb.New(time.Now().Add(time.Duration(n) * 24 * time.Hour))
	}
	supply := func(sku string, quantity int64, n int) {
		w.Move(&pb.Movement{Sku: sku, Quantity: quantity, Document: "po-" + sku, Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{DueAt: day(n)}}})
	}
	supply("cup", 40, 2)
	supply("pot", 2, 4)
	answer, err := w.AvailabilityClient().GetAvailabilityToPromise(t.Context(), &pb.GetAvailabilityToPromiseRequest{Sku: "set", Channel: "web"})
	if err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for _, s := range answer.Steps {
		steps = append(steps, s.Quantity)
	}
	if len(steps) != 3 || steps[0] != 2 || steps[1] != 3 || steps[2] != 5 {
		t.Errorf("got %v", answer)
	}
	w.Count("pot", 0)
	one, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "set", Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG})
	if err != nil {
		t.Fatal(err)
	}
	if at := one.Availability.NextAvailableAt; at == nil || at.AsTime().Sub(day(4).AsTime()).Abs() > time.Minute {
		t.Errorf("there are sets again at %v, expected it with the pots", at)
	}
}
