package policy_test

import (
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// One allocation takes the place of another that has a location in common with it, whichever change is named first; and a group that goes is needed until then.
func TestWhatASKUNoLongerHasGoesFirst(t *testing.T) {
	w := dairy(t)
	group := func(id string) *pb.PolicyRule {
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Group{Group: &pb.LocationGroup{Group: id, Locations: []string{"berlin"}}}}
	}
	fence := func(group string) *pb.PolicyRule {
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Allocation{Allocation: &pb.Allocation{Sku: "milk", Channel: "web", Group: group, Fence: 3}}}
	}
	apply(t, w, puts([]*pb.PolicyRule{fence("north"), group("north")})...)
	changes := []*pb.PolicyChange{{Rule: group("north"), Remove: true}, {Rule: fence("south")}, {Rule: fence("north"), Remove: true}, {Rule: group("south")}}
	if _, refused := previewed(t, w, &pb.PreviewPoliciesRequest{Changes: changes}); len(refused) != 0 {
		t.Errorf("previewed: %v", refused)
	}
	for _, x := range apply(t, w, changes...).Results {
		if x.Status != pb.PolicyResult_STATUS_APPLIED {
			t.Errorf("%v", x)
		}
	}
}
