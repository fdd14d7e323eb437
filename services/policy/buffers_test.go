package policy_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestBuffersAreInForceOnceTheyArePut(t *testing.T) {
	w := dairy(t)
	c := w.PolicyClient()
	put := func(r *pb.BufferRule) string {
		t.Helper()
		answer, err := c.PutBufferRule(t.Context(), &pb.PutBufferRuleRequest{Rule: r})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Token
	}
	channel, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, Buffer: 1}})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, w, channel.Token, 9, 0, inStock)
	shows(t, w, put(&pb.BufferRule{Category: "dairy", Quantity: 2}), 8, 0, inStock)
	shows(t, w, put(&pb.BufferRule{Category: "dairy", Channel: "web", BasisPoints: 2500}), 7, 0, inStock)
	shows(t, w, put(&pb.BufferRule{Sku: "milk", Quantity: 4}), 6, 0, inStock)
	shows(t, w, put(&pb.BufferRule{Sku: "milk", Channel: "web"}), 10, 0, inStock)
	own, err := c.GetItemRules(t.Context(), &pb.GetItemRulesRequest{Sku: "milk", Token: put(&pb.BufferRule{Sku: "milk", Channel: "web", Quantity: 5})})
	if err != nil || len(own.Buffers) != 2 || own.Buffers[1].Quantity != 5 {
		t.Fatalf("%v, %v", own, err)
	}
	explained, err := w.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web"})
	if err != nil || explained.Ats != 5 {
		t.Fatalf("%v, %v", explained, err)
	}
	for _, step := range explained.Steps {
		if step.Step == "BUFFER" && (len(step.Rules) != 5 || step.Rules[0].Level != "sku+channel" || step.Rules[0].Cause == nil ||
			step.Rules[2].Level != "category+channel" || step.Rules[4].Level != "channel" || step.Rules[4].Quantity != 1) {
			t.Errorf("%v", step.Rules)
		}
	}
	for _, r := range []*pb.BufferRule{{Sku: "milk", Channel: "web"}, {Sku: "milk"}} {
		if _, err := c.DeleteBufferRule(t.Context(), &pb.DeleteBufferRuleRequest{Rule: r}); err != nil {
			t.Fatal(err)
		}
	}
	shared, err := c.GetSharedRules(t.Context(), &pb.GetSharedRulesRequest{})
	if err != nil || len(shared.Buffers) != 2 {
		t.Fatalf("%v, %v", shared, err)
	}
	for _, r := range []*pb.BufferRule{nil, {Quantity: 1}, {Channel: "web", Quantity: 1}, {Sku: "milk", Category: "dairy"}, {Sku: "milk", Quantity: 1, BasisPoints: 1}} {
		_, err := c.PutBufferRule(t.Context(), &pb.PutBufferRuleRequest{Rule: r})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
}
