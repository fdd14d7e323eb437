package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// Rules, supply and orders are told to one replica, carried on by a second, and known to a third that starts with nothing of its
// own: EventStoreDB has everything, Redis what channels can sell.
func TestRulesSupplyAndOrdersOnSharedStores(t *testing.T) {
	url, _ := eventStore(t, "--data", t.TempDir())
	server := redistest.Start(t)
	var all []*node.Node
	defer func() { // before the stores end
		for _, n := range all {
			stopNode(t, n)
		}
	}()
	add := func() *node.Node {
		c := testConfig(t)
		c.EventStore, c.Redis = eventstoredb.URL(url), redis.URL("redis://"+server.Addr())
		c.Roles = []string{node.RoleAPI, node.RoleProject, node.RoleExpire}
		n := startNode(t, c)
		all = append(all, n)
		return n
	}
	first, second := add(), add()
	tellRules(t, first)
	token := tellOrders(t, second)
	third := add()
	want := tale(t, first, token)
	for i, n := range []*node.Node{second, third} {
		if got := tale(t, n, token); got != want {
			t.Errorf("replica %d tells\n%s\nwant\n%s", i+2, got, want)
		}
	}
	for channel, ats := range map[string]int64{"web": 2, "market": 0} {
		if got := server.Do("HGET", "stockfold:sku:{milk}", "ats:"+channel); got != strconv.FormatInt(ats, 10) {
			t.Errorf("another program reads %s of %s, want %d", got, channel, ats)
		}
	}
}

// tellRules defines where is sold, with rules of several kinds, and what is there and to come: 20 milk and 20 tea; of milk 2 are kept back
// for safety and 5 for the web.
func tellRules(t *testing.T, n *node.Node) {
	t.Helper()
	conn := connect(t, n)
	policy, ctx := pb.NewPolicyServiceClient(conn), t.Context()
	do := func(_ proto.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(policy.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: "berlin"}}))
	for _, channel := range []string{"web", "market"} {
		do(policy.PutChannel(ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: channel, Sourcing: []string{"berlin"}}}))
	}
	var facts []*pb.Movement
	for _, sku := range []string{"milk", "tea"} {
		facts = append(facts,
			&pb.Movement{Sku: sku, Quantity: 20, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}},
			&pb.Movement{Sku: sku, Quantity: 30, Document: "po-1", Line: "1", Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{
				Kind: pb.SupplyKind_SUPPLY_KIND_PURCHASE_ORDER, DueAt: timestamppb.New(time.Now().Add(24 * time.Hour))}}})
	}
	for i, m := range facts {
		m.MovementId, m.Source, m.Location, m.OccurredAt = fmt.Sprint(i), "wms", "berlin", timestamppb.Now()
	}
	do(pb.NewStockServiceClient(conn).RecordMovements(ctx, &pb.RecordMovementsRequest{Movements: facts}))
	do(policy.PutSafetyRule(ctx, &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: "milk", Location: "berlin", Quantity: 2}}))
	do(policy.PutSafetyRule(ctx, &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Location: "berlin", BasisPoints: 500}}))
	do(policy.PutAllocation(ctx, &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "web", Fence: 5}}))
	do(policy.PutSellingRule(ctx, &pb.PutSellingRuleRequest{Rule: &pb.SellingRule{Sku: "tea", Backorders: 7}}))
}

// tellOrders has a cart reserve and confirm, and a marketplace sell, send and have something back: of milk, the market takes 13 and
// the web 3 of its 5. The token is of the last write.
func tellOrders(t *testing.T, n *node.Node) (token string) {
	t.Helper()
	orders, ctx := pb.NewOrderServiceClient(connect(t, n)), t.Context()
	policy := pb.NewPolicyServiceClient(connect(t, n))
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if known, err := policy.ListChannels(ctx, &pb.ListChannelsRequest{}); err == nil && len(known.Channels) == 2 {
			break
		} else if time.Since(began) > time.Minute {
			t.Fatalf("channels are %v, %v", known, err)
		}
	}
	line := func(line, sku string, quantity int64) *pb.OrderedLine {
		return &pb.OrderedLine{Line: line, Sku: sku, Quantity: quantity}
	}
	if _, err := orders.ReserveOrder(ctx, &pb.ReserveOrderRequest{OrderId: "cart", Channel: "web", HoldSeconds: 3600,
		Lines: []*pb.OrderedLine{line("1", "milk", 3), line("2", "tea", 2)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.ConfirmOrder(ctx, &pb.ConfirmOrderRequest{OrderId: "cart"}); err != nil {
		t.Fatal(err)
	}
	units := func(line, sku string, quantity int64) []*pb.OrderMessage_Part {
		return []*pb.OrderMessage_Part{{Line: line, Sku: sku, Quantity: quantity}}
	}
	for i, m := range []*pb.OrderMessage{
		{Kind: &pb.OrderMessage_Placed_{Placed: &pb.OrderMessage_Placed{Channel: "market", Sold: true, Lines: []*pb.OrderedLine{line("1", "milk", 13), line("2", "tea", 1)}}}},
		{Kind: &pb.OrderMessage_Shipped_{Shipped: &pb.OrderMessage_Shipped{Location: "berlin", Lines: units("1", "milk", 4)}}},
		{Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "berlin", Lines: units("1", "milk", 1)}}},
		{Kind: &pb.OrderMessage_Cut_{Cut: &pb.OrderMessage_Cut{Reason: "picked short", Lines: units("2", "tea", 1)}}},
	} {
		m.OrderId = "sold"
		done, err := orders.RecordOrderMessage(ctx, &pb.RecordOrderMessageRequest{Source: "market", MessageId: fmt.Sprint(i), OccurredAt: timestamppb.Now(), Message: m})
		if err != nil {
			t.Fatal(err)
		}
		token = done.Token
	}
	return token
}

// tale is everything that a replica tells, once it knows of a write.
func tale(t *testing.T, n *node.Node, token string) (text string) {
	t.Helper()
	conn, ctx := connect(t, n), t.Context()
	tell := func(m proto.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var same map[string]any // the library varies its spaces on purpose
		if err := json.Unmarshal(b, &same); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintln(same)
	}
	orders, policy := pb.NewOrderServiceClient(conn), pb.NewPolicyServiceClient(conn)
	available := pb.NewAvailabilityServiceClient(conn)
	for _, sku := range []string{"milk", "tea"} {
		for _, channel := range []string{"web", "market"} {
			a, err := available.GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: sku, Channel: channel, Token: token})
			if err != nil {
				t.Fatal(err)
			}
			a.Availability.CurrentAt = nil
			tell(a, nil)
		}
		tell(policy.GetItemRules(ctx, &pb.GetItemRulesRequest{Sku: sku, Token: token}))
		tell(available.ListSupply(ctx, &pb.ListSupplyRequest{Sku: sku}))
		tell(pb.NewHistoryServiceClient(conn).ListEvents(ctx, &pb.ListEventsRequest{Sku: sku, PageSize: 100}))
	}
	for _, id := range []string{"cart", "sold"} {
		tell(orders.GetOrder(ctx, &pb.GetOrderRequest{OrderId: id}))
	}
	tell(policy.GetSharedRules(ctx, &pb.GetSharedRulesRequest{}))
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the list is a read model without tokens
		if list, err := orders.ListOrders(ctx, &pb.ListOrdersRequest{PageSize: 10}); err == nil && len(list.Orders) == 2 && list.Orders[1].Status == pb.OrderStatus_ORDER_STATUS_CONFIRMED {
			return text + fmt.Sprintln(list.Orders[0].OrderId, list.Orders[0].Status, list.Orders[1].OrderId, list.Orders[1].Status)
		} else if time.Since(began) > time.Minute {
			t.Fatalf("orders are %v, %v", list, err)
		}
	}
}
