package history_test

import (
	"fmt"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// ruled lists the rules of the explanation's step of a name, at a location.
func ruled(answer *pb.ExplainAvailabilityResponse, step, location string) (text []string) {
	for _, s := range answer.Steps {
		if s.Step != step || s.Location != location {
			continue
		}
		for _, r := range s.Rules {
			applied := "beaten"
			if r.Applied {
				applied = "applied"
			}
			text = append(text, fmt.Sprint(applied, " ", r.Level, " ", r.Quantity, " by ", r.Cause.GetActor()))
		}
	}
	return text
}

// A rule of the SKU and one that all SKUs share may be about the same channel or location: an explanation tells them apart, also once the SKU's own
// has ended.
func TestASharedRuleIsNotTakenForTheSKUsOwn(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Channel("web", "berlin")
	w.Count("milk", 20)
	c := w.PolicyClient()
	put := func(actor string, r *pb.SafetyRule) {
		if _, err := c.PutSafetyRule(t.Context(), &pb.PutSafetyRuleRequest{Actor: actor, Rule: r}); err != nil {
			t.Fatal(err)
		}
	}
	put("ann", &pb.SafetyRule{Channel: "web", Quantity: 1})
	put("bob", &pb.SafetyRule{Location: "berlin", Quantity: 2})
	put("cid", &pb.SafetyRule{Sku: "milk", Channel: "web", Quantity: 4})
	ask := &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web"}
	if got := fmt.Sprint(ruled(explained(t, w, ask), "SAFETY_STOCK", "berlin")); got != "[applied sku+channel 4 by cid beaten location 2 by bob beaten channel 1 by ann]" &&
		got != "[applied sku+channel 4 by cid beaten channel 1 by ann beaten location 2 by bob]" {
		t.Error(got)
	}
	if _, err := c.DeleteSafetyRule(t.Context(), &pb.DeleteSafetyRuleRequest{Actor: "dan", Rule: &pb.SafetyRule{Sku: "milk", Channel: "web"}}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(ruled(explained(t, w, ask), "SAFETY_STOCK", "berlin")); got != "[applied location 2 by bob beaten channel 1 by ann]" {
		t.Error(got)
	}
}

// A cap of another channel keeps nothing aside, and is not named as if it did.
func TestOnlyARingFenceKeepsUnitsAside(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Channel("web", "berlin")
	w.Channel("shop", "berlin")
	w.Channel("market", "berlin")
	w.Count("milk", 20)
	for actor, a := range map[string]*pb.Allocation{"ann": {Sku: "milk", Channel: "shop", Fence: 5}, "bob": {Sku: "milk", Channel: "market", Capped: true, Cap: 8}} {
		if _, err := w.PolicyClient().PutAllocation(t.Context(), &pb.PutAllocationRequest{Actor: actor, Allocation: a}); err != nil {
			t.Fatal(err)
		}
	}
	answer := explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web"})
	if got := fmt.Sprint(ruled(answer, "PUT_ASIDE", "")); got != "[applied sku+channel shop 5 by ann]" || answer.Ats != 15 {
		t.Errorf("%s, ATS %d", got, answer.Ats)
	}
	answer = explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "market"})
	if got := fmt.Sprint(ruled(answer, "CAP", "")); got != "[applied sku+channel market 8 by bob]" || answer.Ats != 8 {
		t.Errorf("%s, ATS %d: %v", got, answer.Ats, answer.Steps)
	}
}
