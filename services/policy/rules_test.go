package policy_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// dairy is a shop with 10 of a dairy product in Berlin.
func dairy(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	if _, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Category: "dairy"}}); err != nil {
		t.Fatal(err)
	}
	w.Count("milk", 10)
	return w
}

// shows reads with a token, from the read model and from the stream, and expects both to say the same.
func shows(t *testing.T, w *servicetest.World, token string, ats, beyond int64, status pb.AvailabilityStatus) {
	t.Helper()
	for _, consistency := range []pb.Consistency{0, pb.Consistency_CONSISTENCY_STRONG} {
		answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: token, Consistency: consistency})
		if err != nil {
			t.Fatal(err)
		}
		if a := answer.Availability; a.Ats != ats || a.Beyond != beyond || a.Status != status {
			t.Fatalf("%s: %v, expected %d and %d beyond, %s", consistency, a, ats, beyond, status)
		}
	}
}

const (
	inStock = pb.AvailabilityStatus_AVAILABILITY_STATUS_IN_STOCK
	low     = pb.AvailabilityStatus_AVAILABILITY_STATUS_LOW_STOCK
	out     = pb.AvailabilityStatus_AVAILABILITY_STATUS_OUT_OF_STOCK
	back    = pb.AvailabilityStatus_AVAILABILITY_STATUS_BACKORDER
	nowhere = pb.AvailabilityStatus_AVAILABILITY_STATUS_NOT_SOLD_HERE
)

func TestSafetyRulesAreInForceOnceTheyArePut(t *testing.T) {
	w := dairy(t)
	c := w.PolicyClient()
	put := func(r *pb.SafetyRule) string {
		t.Helper()
		answer, err := c.PutSafetyRule(t.Context(), &pb.PutSafetyRuleRequest{Rule: r})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Token
	}
	shows(t, w, put(&pb.SafetyRule{Channel: "web", Quantity: 1}), 9, 0, inStock)
	shows(t, w, put(&pb.SafetyRule{Location: "berlin", Quantity: 2}), 8, 0, inStock)
	shows(t, w, put(&pb.SafetyRule{Category: "dairy", BasisPoints: 2500}), 7, 0, inStock)
	shows(t, w, put(&pb.SafetyRule{Category: "dairy", Location: "berlin", Quantity: 4}), 6, 0, inStock)
	shows(t, w, put(&pb.SafetyRule{Sku: "milk", Quantity: 5}), 5, 0, inStock)
	shows(t, w, put(&pb.SafetyRule{Sku: "milk", Location: "berlin", Channel: "web", Quantity: 10}), 0, 0, out)
	deleted, err := c.DeleteSafetyRule(t.Context(), &pb.DeleteSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: "milk", Location: "berlin", Channel: "web"}})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, deleted.Token, 5, 0, inStock)
	own, err := c.GetItemRules(t.Context(), &pb.GetItemRulesRequest{Sku: "milk", Token: deleted.Token})
	if err != nil || len(own.Safety) != 1 || own.Safety[0].Quantity != 5 {
		t.Fatalf("%v, %v", own, err)
	}
	shared, err := c.GetSharedRules(t.Context(), &pb.GetSharedRulesRequest{})
	if err != nil || len(shared.Safety) != 4 {
		t.Fatalf("%v, %v", shared, err)
	}
	for _, r := range []*pb.SafetyRule{nil, {Quantity: 1}, {Category: "dairy", Channel: "web"}, {Sku: "milk", Category: "dairy"}, {Channel: "web", Quantity: -1},
		{Channel: "web", Quantity: 1, BasisPoints: 1}, {Channel: "web", From: timestamppb.New(time.Unix(9, 0)), Until: timestamppb.New(time.Unix(8, 0))}} {
		_, err := c.PutSafetyRule(t.Context(), &pb.PutSafetyRuleRequest{Rule: r})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
}

func TestAllocationsAndBackOrders(t *testing.T) {
	w := dairy(t)
	c := w.PolicyClient()
	if _, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "market", Sourcing: []string{"berlin"}}}); err != nil {
		t.Fatal(err)
	}
	put, err := c.PutAllocation(t.Context(), &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "market", Fence: 4}})
	if err != nil || len(put.Allocation.Locations) != 1 {
		t.Fatalf("%v, %v", put, err)
	}
	shows(t, w, put.Token, 6, 0, inStock)
	placed, err := w.ReservationClient().Reserve(t.Context(), &pb.ReserveRequest{ReservationId: "m", Sku: "milk", Channel: "market", Quantity: 3})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, placed.Token, 6, 0, inStock)
	_, err = c.PutAllocation(t.Context(), &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "market", Fence: 2}})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "ALLOCATION_USED"); facts["used"] != "3" {
		t.Fatal(facts)
	}
	selling, err := c.PutSellingRule(t.Context(), &pb.PutSellingRuleRequest{Rule: &pb.SellingRule{Sku: "milk", Channel: "web", Backorders: 5, LowStock: 6}})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, selling.Token, 6, 5, low)
	ordered, err := w.Reserve("cart", "milk", 8)
	if err != nil || ordered.Reservation.Backordered != 2 {
		t.Fatalf("%v, %v", ordered, err)
	}
	shows(t, w, ordered.Token, 0, 3, back)
	found, err := w.ReservationClient().GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart", Token: ordered.Token})
	if err != nil || found.Reservation.Backordered != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	_, err = w.Reserve("more", "milk", 4)
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "0" || facts["beyond"] != "3" {
		t.Fatal(facts)
	}
	own, err := c.GetItemRules(t.Context(), &pb.GetItemRulesRequest{Sku: "milk", Token: ordered.Token})
	if err != nil || len(own.Allocations) != 1 || own.Allocations[0].Used != 3 || len(own.Selling) != 1 {
		t.Fatalf("%v, %v", own, err)
	}
	_, err = c.PutAllocation(t.Context(), &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "nobody", Fence: 2}})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
	_, err = c.PutAllocation(t.Context(), &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "web", Group: "north"}})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_GROUP")
}

func TestAChannelIsRetiredAndPutAgain(t *testing.T) {
	w := dairy(t)
	c := w.PolicyClient()
	retired, err := c.RetireChannel(t.Context(), &pb.RetireChannelRequest{ChannelId: "web", Reason: "closed"})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, retired.Token, 0, 0, nowhere)
	_, err = w.Reserve("cart", "milk", 1)
	servicetest.Refused(t, err, codes.FailedPrecondition, "NOT_SOLD_HERE")
	got, err := c.GetChannel(t.Context(), &pb.GetChannelRequest{ChannelId: "web"})
	if err != nil || !got.Channel.Retired {
		t.Fatalf("%v, %v", got, err)
	}
	put, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, BufferBasisPoints: 2000, LowStock: 8}})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, put.Token, 8, 0, low)
	_, err = c.RetireChannel(t.Context(), &pb.RetireChannelRequest{ChannelId: "nobody"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
}

func TestGroupsMethodsAndWishes(t *testing.T) {
	w := dairy(t)
	c := w.PolicyClient()
	w.Location("store")
	if _, err := c.PutLocationGroup(t.Context(), &pb.PutLocationGroupRequest{Group: &pb.LocationGroup{Group: "stores", Locations: []string{"store", "berlin"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", SourcingGroups: []string{"stores"}, MaxSplits: 1}}); err != nil {
		t.Fatal(err)
	}
	w.Move(&pb.Movement{Sku: "milk", Location: "store", Quantity: 3, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	if _, err := c.PutFulfilmentRule(t.Context(), &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "ship", Kinds: []string{"hub"}}}); err != nil {
		t.Fatal(err)
	}
	reserve := func(r *pb.ReserveRequest) (*pb.ReserveResponse, error) {
		r.Sku, r.Channel, r.Quantity = "milk", "web", max(1, r.Quantity)
		return w.ReservationClient().Reserve(t.Context(), r)
	}
	_, err := reserve(&pb.ReserveRequest{ReservationId: "a", Method: "ship"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "NO_LOCATION_SERVES")
	_, err = reserve(&pb.ReserveRequest{ReservationId: "b", Method: "pigeon"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_METHOD")
	_, err = reserve(&pb.ReserveRequest{ReservationId: "c", LocationBinding: true})
	servicetest.Refused(t, err, codes.InvalidArgument, "LOCATION_NEEDED")
	_, err = reserve(&pb.ReserveRequest{ReservationId: "d", Quantity: 12})
	servicetest.Refused(t, err, codes.FailedPrecondition, "TOO_MANY_SPLITS")
	placed, err := reserve(&pb.ReserveRequest{ReservationId: "e", Quantity: 2, Location: "store", LocationBinding: true, Method: "pickup"})
	if err != nil || placed.Reservation.Splits[0].Location != "store" {
		t.Fatalf("%v, %v", placed, err)
	}
	if _, err := reserve(&pb.ReserveRequest{ReservationId: "e", Quantity: 2, Location: "store", LocationBinding: true, Method: "pickup"}); err != nil {
		t.Fatalf("the same again: %v", err)
	}
	_, err = reserve(&pb.ReserveRequest{ReservationId: "e", Quantity: 2, Location: "store", Method: "pickup"})
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	for _, cutOff := range []string{"25:00", "noon", "9"} {
		_, err = c.PutFulfilmentRule(t.Context(), &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "ship", CutOff: cutOff}})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
	if _, err := c.PutFulfilmentRule(t.Context(), &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "same_day", CutOff: "14:05"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteFulfilmentRule(t.Context(), &pb.DeleteFulfilmentRuleRequest{Method: "ship"}); err != nil {
		t.Fatal(err)
	}
	shared, err := c.GetSharedRules(t.Context(), &pb.GetSharedRulesRequest{})
	if err != nil || len(shared.Groups) != 1 || len(shared.Methods) != 1 || shared.Methods[0].CutOff != "14:05" {
		t.Fatalf("%v, %v", shared, err)
	}
}
