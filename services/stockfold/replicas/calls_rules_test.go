package replicas

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// asked makes a call that must succeed.
func asked[Q, A any](s *scene, call func(context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q) *A {
	s.t.Helper()
	a, err := call(s.ctx, q)
	s.check(err)
	return a
}

// drained reads a stream to its end.
func drained[Q, A any](s *scene, call func(context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[A], error), q *Q) (all []*A) {
	s.t.Helper()
	stream, err := call(s.ctx, q)
	s.check(err)
	for {
		a, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		s.check(err)
		all = append(all, a)
	}
}

func (s *scene) market() string   { return "market" + s.turn }
func (s *scene) yard() string     { return "yard" + s.turn }
func (s *scene) ruled() string    { return "ruled" + s.turn }
func (s *scene) category() string { return "category" + s.turn }

// rulesOfAnItem are put on replicas in turn, and read on another with the token of the last.
func (s *scene) rulesOfAnItem() {
	s.t.Helper()
	asked(s, s.a.policy.PutItem, &pb.PutItemRequest{Item: &pb.Item{Sku: s.ruled(), Name: "Ruled", Unit: "each", Category: s.category()}})
	safety := &pb.SafetyRule{Sku: s.ruled(), Channel: s.market(), Quantity: 1}
	buffer := &pb.BufferRule{Sku: s.ruled(), Channel: s.market(), Quantity: 2}
	selling := &pb.SellingRule{Sku: s.ruled(), Channel: s.market(), LowStock: 3}
	asked(s, s.b.policy.PutSafetyRule, &pb.PutSafetyRuleRequest{Rule: safety})
	asked(s, s.c.policy.PutBufferRule, &pb.PutBufferRuleRequest{Rule: buffer})
	asked(s, s.a.policy.PutAllocation, &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: s.ruled(), Channel: s.market(), Capped: true, Cap: 5}})
	put := asked(s, s.b.policy.PutSellingRule, &pb.PutSellingRuleRequest{Rule: selling})
	s.hasRules(put.Token, 1, 1, 1, 1)

	exported := drained(s, s.a.policy.ExportPolicies, &pb.ExportPoliciesRequest{})
	if !slices.ContainsFunc(exported, func(p *pb.ExportPoliciesResponse) bool {
		return slices.ContainsFunc(p.Rules, func(r *pb.PolicyRule) bool { return r.GetSelling().GetSku() == s.ruled() })
	}) {
		s.t.Errorf("%s exports no rule of %s", s.a.name, s.ruled())
	}
	gone := []*pb.PolicyChange{{Rule: &pb.PolicyRule{Rule: &pb.PolicyRule_Selling{Selling: selling}}, Remove: true}}
	if len(drained(s, s.b.policy.PreviewPolicies, &pb.PreviewPoliciesRequest{Changes: gone})) == 0 {
		s.t.Errorf("%s previews nothing", s.b.name)
	}
	s.hasRules(asked(s, s.c.policy.ApplyPolicies, &pb.ApplyPoliciesRequest{Changes: gone}).Token, 1, 1, 1, 0)
	asked(s, s.a.policy.DeleteSafetyRule, &pb.DeleteSafetyRuleRequest{Rule: safety})
	s.hasRules(asked(s, s.b.policy.DeleteBufferRule, &pb.DeleteBufferRuleRequest{Rule: buffer}).Token, 0, 0, 1, 0)
}

// hasRules reads how many rules of each kind there are of the item, on every replica.
func (s *scene) hasRules(token string, safety, buffers, allocations, selling int) {
	s.t.Helper()
	for _, r := range []*replica{s.a, s.b, s.c} {
		got := asked(s, r.policy.GetItemRules, &pb.GetItemRulesRequest{Sku: s.ruled(), Token: token})
		if len(got.Safety) != safety || len(got.Buffers) != buffers || len(got.Allocations) != allocations || len(got.Selling) != selling {
			s.t.Errorf("%s: %v, want %d, %d, %d and %d rules", r.name, got, safety, buffers, allocations, selling)
		}
	}
}

// sharedRules are put on a replica, and taken away on others.
func (s *scene) sharedRules() {
	s.t.Helper()
	move, back := &pb.ReallocationRule{Channel: s.market(), Off: true}, &pb.ReturnRule{Category: s.category(), Condition: pb.Condition_CONDITION_DAMAGED}
	asked(s, s.a.policy.PutLocationGroup, &pb.PutLocationGroupRequest{Group: &pb.LocationGroup{Group: "group" + s.turn, Locations: []string{s.yard()}}})
	asked(s, s.b.policy.PutFulfilmentRule, &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "method" + s.turn, Kinds: []string{"yard"}}})
	asked(s, s.c.policy.PutReallocationRule, &pb.PutReallocationRuleRequest{Rule: move})
	asked(s, s.a.policy.PutReturnRule, &pb.PutReturnRuleRequest{Rule: back})
	asked(s, s.b.policy.GetSharedRules, &pb.GetSharedRulesRequest{})
	asked(s, s.b.policy.DeleteReallocationRule, &pb.DeleteReallocationRuleRequest{Rule: move})
	asked(s, s.c.policy.DeleteReturnRule, &pb.DeleteReturnRuleRequest{Rule: back})
	asked(s, s.a.policy.DeleteFulfilmentRule, &pb.DeleteFulfilmentRuleRequest{Method: "method" + s.turn})

	owners := &pb.Owners{LocationId: s.yard(), Ownerships: []*pb.Ownership{{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"scene"}}}}
	asked(s, s.c.policy.PutOwners, &pb.PutOwnersRequest{Owners: owners})
	asked(s, s.a.policy.GetOwners, &pb.GetOwnersRequest{LocationId: s.yard()})
	asked(s, s.b.policy.ListOwners, &pb.ListOwnersRequest{})
	asked(s, s.b.policy.PutChannel, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "closed" + s.turn, Sourcing: []string{s.yard()}}})
	asked(s, s.c.policy.RetireChannel, &pb.RetireChannelRequest{ChannelId: "closed" + s.turn})
}

// kit is defined on one replica and known on another.
func (s *scene) kit() {
	s.t.Helper()
	put := asked(s, s.a.policy.PutKit, &pb.PutKitRequest{Kit: &pb.Kit{Sku: "kit" + s.turn, Components: []*pb.KitComponent{{Sku: s.ruled(), Quantity: 2}}}})
	if got := asked(s, s.b.policy.GetKit, &pb.GetKitRequest{Sku: "kit" + s.turn, Token: put.Token}); len(got.GetKit().GetComponents()) != 1 {
		s.t.Errorf("%s: %v", s.b.name, got)
	}
}

// promises are asked about, changed and looked for where they were not placed.
func (s *scene) promises() {
	s.t.Helper()
	id := "moved" + s.turn
	asked(s, s.a.reservations.Reserve, &pb.ReserveRequest{ReservationId: id, Sku: s.sku(), Channel: s.market(), Quantity: 3})
	changed := asked(s, s.b.reservations.ChangeReservation, &pb.ChangeReservationRequest{ReservationId: id, Quantity: 2, IdempotencyKey: "less"})
	if changed.Reservation.Remaining != 2 {
		s.t.Errorf("%s: %v", s.b.name, changed)
	}
	asked(s, s.c.reservations.ReallocateReservation, &pb.ReallocateReservationRequest{ReservationId: id})
	asked(s, s.a.reservations.ListReservationsAtRisk, &pb.ListReservationsAtRiskRequest{})
	asked(s, s.b.reservations.ListBreaks, &pb.ListBreaksRequest{Sku: s.sku()})
	asked(s, s.c.reservations.ReleaseReservation, &pb.ReleaseReservationRequest{ReservationId: id})

	asked(s, s.a.availability.GetAvailabilityToPromise, &pb.GetAvailabilityToPromiseRequest{Sku: s.sku(), Channel: s.market(),
		Horizon: timestamppb.New(time.Now().Add(24 * time.Hour))})
	asked(s, s.b.availability.ListSupply, &pb.ListSupplyRequest{Sku: s.sku()})
	asked(s, s.c.availability.ListPickupAvailability, &pb.ListPickupAvailabilityRequest{Sku: s.sku(), Channel: s.market()})
	if told := asked(s, s.a.history.ExplainAvailability, &pb.ExplainAvailabilityRequest{Sku: s.sku(), Channel: s.market()}); told.Ats != 7 {
		s.t.Errorf("%s explains %d, want 7", s.a.name, told.Ats)
	}
}

// orders are placed on a replica and carried on by others.
func (s *scene) ordered() {
	s.t.Helper()
	id := "order" + s.turn
	asked(s, s.a.orders.ReserveOrder, &pb.ReserveOrderRequest{OrderId: id, Channel: s.market(),
		Lines: []*pb.OrderedLine{{Line: "1", Sku: s.sku(), Quantity: 1}, {Line: "2", Sku: s.sku(), Quantity: 2}}})
	asked(s, s.b.orders.ExtendOrder, &pb.ExtendOrderRequest{OrderId: id, HoldSeconds: longHold})
	asked(s, s.c.orders.ConfirmOrder, &pb.ConfirmOrderRequest{OrderId: id})
	if got := asked(s, s.a.orders.GetOrder, &pb.GetOrderRequest{OrderId: id}); got.Order.Status != pb.OrderStatus_ORDER_STATUS_CONFIRMED {
		s.t.Errorf("%s: %v", s.a.name, got)
	}
	sold := asked(s, s.c.orders.RecordOrderMessage, &pb.RecordOrderMessageRequest{Source: "scene", MessageId: "sold" + s.turn, OccurredAt: timestamppb.Now(),
		Message: &pb.OrderMessage{OrderId: "sold" + s.turn, Kind: &pb.OrderMessage_Placed_{Placed: &pb.OrderMessage_Placed{Channel: s.market(), Sold: true,
			Lines: []*pb.OrderedLine{{Line: "1", Sku: s.sku(), Quantity: 1}}}}}})
	if list := asked(s, s.b.orders.ListOrders, &pb.ListOrdersRequest{Channel: s.market(), Token: sold.Token}); len(list.Orders) != 2 {
		s.t.Errorf("%s: %v", s.b.name, list)
	}
	asked(s, s.b.orders.CancelOrder, &pb.CancelOrderRequest{OrderId: id})
	asked(s, s.a.orders.CancelOrder, &pb.CancelOrderRequest{OrderId: "sold" + s.turn})
}
