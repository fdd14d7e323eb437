package availability_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// wayAsked is a way of handing over that a test asks about.
type wayAsked struct{ method, location string }

// askBy asks for a SKU in every way of reading, and returns the one answer that all of them give.
func askBy(t *testing.T, w *servicetest.World, sku string, way wayAsked, token string) int64 {
	t.Helper()
	var answers []int64
	for _, consistency := range []pb.Consistency{0, pb.Consistency_CONSISTENCY_STRONG} {
		one, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: sku, Channel: "web", Token: token,
			Method: way.method, Location: way.location, Consistency: consistency})
		if err != nil {
			t.Fatal(err)
		}
		many, err := w.AvailabilityClient().BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Skus: []string{"cup", sku}, Channel: "web",
			Token: token, Method: way.method, Location: way.location, Consistency: consistency})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := one.Availability, many.Availabilities[1]; a.Status != b.Status || !a.Known || (a.Ats > 0) != (a.Status == inStock) {
			t.Errorf("by %+v, %s: got %v and %v", way, consistency, a, b)
		}
		answers = append(answers, one.Availability.Ats, many.Availabilities[1].Ats)
	}
	x, err := w.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{Sku: sku, Channel: "web", Method: way.method, Location: way.location})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range append(answers, x.Ats) {
		if n != answers[0] {
			t.Fatalf("%s by %+v: got %v, explained %v", sku, way, answers, x)
		}
	}
	return answers[0]
}

// each lists how many of a SKU each location has for a method.
func each(t *testing.T, w *servicetest.World, sku, method, token string) map[string]int64 {
	t.Helper()
	answer, err := w.AvailabilityClient().ListPickupAvailability(t.Context(), &pb.ListPickupAvailabilityRequest{Sku: sku, Channel: "web", Method: method,
		IncludeEmpty: true, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]int64{}
	for _, l := range answer.Locations {
		list[l.Location] = l.Ats
	}
	return list
}

func countAt(w *servicetest.World, sku, location string, n int64) string {
	return w.Move(&pb.Movement{Sku: sku, Location: location, Quantity: n, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
}

func TestAKitCanBeHadTheWayItsComponentsCan(t *testing.T) {
	clock := noon()
	w, _ := streets(t, clock)
	for location, n := range map[string][2]int64{"dc": {40, 1}, "berlin": {9, 5}, "york": {4, 0}} {
		countAt(w, "cup", location, n[0])
		countAt(w, "pot", location, n[1])
	}
	token := w.Kit("set", "cup", 4, "pot", 1)
	for way, want := range map[wayAsked]int64{{}: 6, {method: "ship"}: 1, {method: "pickup"}: 3, {"pickup", "berlin"}: 2, {"pickup", "york"}: 0,
		{"pickup", "dc"}: 0, {location: "berlin"}: 2, {location: "nowhere"}: 0, {method: "same_day"}: 3} {
		if got := askBy(t, w, "set", way, token); got != want {
			t.Errorf("by %+v: %d, expected %d", way, got, want)
		}
	}
	if got := fmt.Sprint(each(t, w, "set", "", token)); got != "map[berlin:2 york:0]" {
		t.Errorf("stores have %s", got)
	}
	if got := fmt.Sprint(each(t, w, "set", "ship", token)); got != "map[dc:1]" {
		t.Errorf("the warehouse has %s", got)
	}
	_, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "set", Channel: "web", Method: "pigeon"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_METHOD")
	clock.Advance(time.Hour) // three in Berlin
	if got := askBy(t, w, "set", wayAsked{method: "same_day"}, ""); got != 0 {
		t.Errorf("after the cut-off of Berlin: %d", got)
	}
	// Its own rules keep it from being sold, whatever the way.
	released := timestamppb.New(clock.Now().Time().Add(time.Hour))
	put, err := w.PolicyClient().PutSellingRule(t.Context(), &pb.PutSellingRuleRequest{Rule: &pb.SellingRule{Sku: "set", ReleaseAt: released}})
	if err != nil {
		t.Fatal(err)
	}
	if got := askBy(t, w, "set", wayAsked{method: "pickup"}, put.Token); got != 0 {
		t.Errorf("before its release: %d", got)
	}
	if got := fmt.Sprint(each(t, w, "set", "", put.Token)); got != "map[berlin:0 york:0]" {
		t.Errorf("before its release stores have %s", got)
	}
}

// Whatever lies where and is promised: every way of reading a kit gives the fewest kits of its components by that way, and a list of
// locations has what each of them gives.
func TestKitsByAnyWayOverRandomHistories(t *testing.T) {
	w, _ := streets(t, noon())
	places, random := []string{"dc", "berlin", "york"}, rand.New(rand.NewPCG(5, 6))
	parts := []string{"cup", "pot"}
	for _, sku := range parts {
		for _, l := range places {
			countAt(w, sku, l, random.Int64N(30))
		}
	}
	w.Kit("set", "cup", 3, "pot", 2)
	for i := range 40 {
		switch random.IntN(3) {
		case 0:
			_, _ = w.ReservationClient().Reserve(t.Context(), &pb.ReserveRequest{ReservationId: fmt.Sprint("r", i), Sku: append(parts, "set")[random.IntN(3)],
				Channel: "web", Quantity: 1 + random.Int64N(4), Method: []string{"", "ship", "pickup"}[random.IntN(3)]})
		default:
			countAt(w, parts[random.IntN(2)], places[random.IntN(3)], random.Int64N(30))
		}
		token := w.Count("last", int64(i))
		way := wayAsked{[]string{"", "ship", "pickup", "same_day"}[random.IntN(4)], append(places, "")[random.IntN(4)]}
		want := min(askBy(t, w, "cup", way, token)/3, askBy(t, w, "pot", way, token)/2)
		if got := askBy(t, w, "set", way, token); got != want {
			t.Fatalf("by %+v: %d, expected %d", way, got, want)
		}
		for location, n := range each(t, w, "set", "pickup", token) {
			if got := askBy(t, w, "set", wayAsked{"pickup", location}, token); got != n {
				t.Fatalf("%s has %d, a list of stores says %d", location, got, n)
			}
		}
	}
}
