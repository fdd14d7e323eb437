package policy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/servicetest"
)

// said is a message about a rule, with a number unless it is 0.
func said(t interface{ Fatal(...any) }, w *servicetest.World, id string, number int, rpc string, request proto.Message) ingest.Message {
	data, err := protojson.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	sequence := ""
	if number > 0 {
		sequence = fmt.Sprint(number)
	}
	c, err := policy.ReadCommand(policy.TypeOf(rpc), data)
	if err != nil {
		t.Fatal(err)
	}
	return servicetest.Event(policy.TypeOf(rpc), id, "erp", sequence, c.Key(), w.Now(), string(data))
}

// asMessage is the command that puts a rule.
func asMessage(r *pb.PolicyRule) (rpc string, request proto.Message) {
	switch x := r.Rule.(type) {
	case *pb.PolicyRule_Location:
		return "PutLocation", &pb.PutLocationRequest{Location: x.Location}
	case *pb.PolicyRule_Group:
		return "PutLocationGroup", &pb.PutLocationGroupRequest{Group: x.Group}
	case *pb.PolicyRule_Channel:
		if x.Channel.Retired {
			return "RetireChannel", &pb.RetireChannelRequest{ChannelId: x.Channel.ChannelId}
		}
		return "PutChannel", &pb.PutChannelRequest{Channel: x.Channel}
	case *pb.PolicyRule_Fulfilment:
		return "PutFulfilmentRule", &pb.PutFulfilmentRuleRequest{Rule: x.Fulfilment}
	case *pb.PolicyRule_Owners:
		return "PutOwners", &pb.PutOwnersRequest{Owners: x.Owners}
	case *pb.PolicyRule_Item:
		return "PutItem", &pb.PutItemRequest{Item: x.Item}
	case *pb.PolicyRule_Safety:
		return "PutSafetyRule", &pb.PutSafetyRuleRequest{Rule: x.Safety}
	case *pb.PolicyRule_Buffer:
		return "PutBufferRule", &pb.PutBufferRuleRequest{Rule: x.Buffer}
	case *pb.PolicyRule_Selling:
		return "PutSellingRule", &pb.PutSellingRuleRequest{Rule: x.Selling}
	case *pb.PolicyRule_Allocation:
		return "PutAllocation", &pb.PutAllocationRequest{Allocation: x.Allocation}
	case *pb.PolicyRule_Reallocation:
		return "PutReallocationRule", &pb.PutReallocationRuleRequest{Rule: x.Reallocation}
	case *pb.PolicyRule_Returns:
		return "PutReturnRule", &pb.PutReturnRuleRequest{Rule: x.Returns}
	}
	panic(fmt.Sprintf("no message for %v", r))
}

func letters(t interface{ Fatal(...any) }, w *servicetest.World) []*pb.DeadLetter {
	list, err := w.OperationsClient().ListDeadLetters(context.Background(), &pb.ListDeadLettersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return list.DeadLetters
}

// The data of a message, its type, and its key follow from the RPC alone, for every command there is.
func TestEveryCommandHasAMessage(t *testing.T) {
	service := pb.File_stockfold_inventory_v1_policy_proto.Services().ByName("PolicyService")
	known := map[string]bool{}
	for _, rpc := range policy.Commands() {
		known[rpc] = true
		if service.Methods().ByName(protoName(rpc)) == nil {
			t.Errorf("there is no RPC %s", rpc)
		}
	}
	for i := range service.Methods().Len() {
		name := string(service.Methods().Get(i).Name())
		reads := false
		for _, prefix := range []string{"Get", "List", "Export", "Preview", "Apply"} {
			reads = reads || strings.HasPrefix(name, prefix)
		}
		if !reads && !known[name] {
			t.Errorf("%s has no message", name)
		}
	}
}

func TestRulesComeByMessages(t *testing.T) {
	w := dairy(t)
	safety := func(n int64) *pb.PutSafetyRuleRequest {
		return &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: "milk", Channel: "web", Quantity: n}}
	}
	five, seven := said(t, w, "m5", 5, "PutSafetyRule", safety(5)), said(t, w, "m7", 7, "PutSafetyRule", safety(7))
	w.Ingest(ingest.TopicPolicy, 0, seven, five, seven)
	shows(t, w, tokenOf(t, w), 3, 0, inStock)
	if _, err := w.PolicyClient().PutSafetyRule(t.Context(), safety(1)); err != nil {
		t.Fatal(err)
	}
	reused := said(t, w, "m7", 0, "PutSafetyRule", safety(8))
	w.Ingest(ingest.TopicPolicy, 3, seven, five, reused, said(t, w, "m6", 6, "DeleteSafetyRule", &pb.DeleteSafetyRuleRequest{Rule: safety(0).Rule}))
	shows(t, w, tokenOf(t, w), 9, 0, inStock)
	if got := letters(t, w); len(got) != 1 || got[0].Reason != "IDEMPOTENCY_KEY_REUSED" {
		t.Fatalf("%v", got)
	}
	w.Ingest(ingest.TopicPolicy, 7, said(t, w, "m8", 8, "DeleteSafetyRule", &pb.DeleteSafetyRuleRequest{Rule: safety(0).Rule}))
	shows(t, w, tokenOf(t, w), 10, 0, inStock)
}

// tokenOf is a token of everything that is recorded.
func tokenOf(t *testing.T, w *servicetest.World) string {
	t.Helper()
	end, err := w.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w.Tokens.Encode(end)
}

func TestWhatIsWrongWithARuleIsADeadLetter(t *testing.T) {
	w := dairy(t)
	fence := func(n int64) *pb.PutAllocationRequest {
		return &pb.PutAllocationRequest{Allocation: &pb.Allocation{Sku: "milk", Channel: "web", Fence: n}}
	}
	w.Ingest(ingest.TopicPolicy, 0, said(t, w, "a", 0, "PutAllocation", fence(6)))
	if _, err := w.Reserve("cart", "milk", 4); err != nil {
		t.Fatal(err)
	}
	w.Ingest(ingest.TopicPolicy, 1,
		servicetest.Event("stockfold.policy.PutAllocation.v1", "b", "erp", "", "milk", w.Now(), `{"allocation": {"sku": "milk", "fense": 2}}`),
		servicetest.Event("stockfold.policy.PutKitten.v1", "c", "erp", "", "milk", w.Now(), `{}`),
		servicetest.Event("stockfold.policy.PutAllocation.v1", "d", "erp", "", "milk", w.Now().Add(time.Hour), `{}`),
		said(t, w, "e", 0, "PutAllocation", fence(2)),
		said(t, w, "f", 0, "PutSafetyRule", &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Quantity: -1}}))
	want := map[string]string{"MALFORMED": "fense", "UNKNOWN_TYPE": "PutKitten", "CLOCK_SKEW": "", "ALLOCATION_USED": "has used 4, a ring-fence of 2", "INVALID": "rule.quantity"}
	var refused string
	for _, l := range letters(t, w) {
		text, ok := want[l.Reason]
		if !ok || !strings.Contains(l.Message, text) {
			t.Errorf("%s: %s", l.Reason, l.Message)
		}
		if delete(want, l.Reason); l.Reason == "ALLOCATION_USED" {
			refused = l.DeadLetterId
		}
	}
	if len(want) != 0 {
		t.Fatalf("no letter for %v", want)
	}
	if _, err := w.ReservationClient().ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: "cart", Quantity: 3, IdempotencyKey: "back"}); err != nil {
		t.Fatal(err)
	}
	answer, err := w.OperationsClient().ReplayDeadLetter(t.Context(), &pb.ReplayDeadLetterRequest{DeadLetterId: refused})
	if err != nil || answer.DeadLetter.State != pb.DeadLetterState_DEAD_LETTER_STATE_REPLAYED {
		t.Fatalf("%v, %v", answer, err)
	}
	own, err := w.PolicyClient().GetItemRules(t.Context(), &pb.GetItemRulesRequest{Sku: "milk", Token: tokenOf(t, w)})
	if err != nil || own.Allocations[0].Fence != 2 {
		t.Fatalf("%v, %v", own, err)
	}
}

// Messages of one source with numbers come to the same in any order, twice, and over several deliveries: those that came before what they stand on wait for it.
func TestMessagesAboutRulesConverge(t *testing.T) {
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		if rounds++; rounds > 15 { // each waits for progress to be saved
			return
		}
		r := rules{rt}
		list := r.world()
		for range r.n(15) {
			list = append(list, r.any(false))
		}
		want, end := startRound(t)
		defer end()
		got, endGot := startRound(t)
		defer endGot()
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- got.Desk.Run(ctx) }()
		defer func() { stop(); <-ended }()
		got.Policies.OnChange(got.Desk.PolicyChanged)
		var messages []ingest.Message
		numbers := map[string]int{} // by key, as sources number what they send
		for i, x := range list {
			rpc, request := asMessage(x)
			key := string(said(rt, want, "", 0, rpc, request).Key)
			numbers[key]++
			messages = append(messages, said(rt, want, fmt.Sprint(i), numbers[key], rpc, request))
		}
		want.Ingest(ingest.TopicPolicy, 0, slices.Clone(messages)...)
		if open := letters(rt, want); len(open) > 0 && !retires(list) {
			rt.Fatalf("in order: %v", open)
		}
		shuffled := rapid.Permutation(append(messages, messages[:len(messages)/2]...)).Draw(rt, "order")
		cut := len(shuffled) / 2
		got.Ingest(ingest.TopicPolicy, 0, shuffled[:cut]...)
		got.Ingest(ingest.TopicPolicy, int64(cut), shuffled[cut:]...)
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for !sameRules(inForce(exported(rt, want)), inForce(exported(rt, got))) { // the letters are replayed by themselves
			if limit.Err() != nil {
				rt.Fatalf("in order\n%v\nin another order\n%v\nletters %v", exported(rt, want), exported(rt, got), letters(rt, got))
			}
		}
	})
}

// inForce leaves out what retired channels were: to retire one says nothing of that.
func inForce(list []*pb.PolicyRule) []*pb.PolicyRule {
	for _, r := range list {
		if c := r.GetChannel(); c.GetRetired() {
			r.Rule = &pb.PolicyRule_Channel{Channel: &pb.Channel{ChannelId: c.ChannelId, Retired: true}}
		}
	}
	return list
}

// retires tells whether a channel is retired by a rule before anything defines it.
func retires(list []*pb.PolicyRule) bool {
	for _, r := range list {
		if r.GetChannel().GetRetired() {
			return true
		}
	}
	return false
}

func protoName(s string) protoreflect.Name { return protoreflect.Name(s) }

// Messages without numbers about one thing count in the order in which they were sent, however many are under way.
func TestMessagesAboutOneRuleKeepTheirOrder(t *testing.T) {
	w := dairy(t)
	var messages []ingest.Message
	for i := range int64(60) {
		messages = append(messages,
			said(t, w, fmt.Sprint("c", i), 0, "PutChannel", &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, LowStock: i}}),
			said(t, w, fmt.Sprint("s", i), 0, "PutSafetyRule", &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: "milk", Quantity: i % 7}}),
			said(t, w, fmt.Sprint("t", i), 0, "PutItem", &pb.PutItemRequest{Item: &pb.Item{Sku: "tea", Name: fmt.Sprint(i)}}))
	}
	w.Ingest(ingest.TopicPolicy, 0, messages...)
	shows(t, w, tokenOf(t, w), 10-59%7, 0, low)
	for _, r := range exported(t, w) {
		if c := r.GetChannel(); c != nil && c.LowStock != 59 {
			t.Errorf("%v", c)
		}
		if i := r.GetItem(); i.GetSku() == "tea" && i.Name != "59" {
			t.Errorf("%v", i)
		}
	}
}

// A message about what an item is leaves its safety stock as it is, unless it gives one.
func TestAnItemByMessageKeepsItsSafetyStock(t *testing.T) {
	w := dairy(t)
	w.Ingest(ingest.TopicPolicy, 0,
		said(t, w, "1", 0, "PutItem", &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", SafetyStock: []*pb.SafetyStock{{Location: "berlin", Quantity: 3}}}}),
		said(t, w, "2", 0, "PutItem", &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Name: "Milk"}}))
	shows(t, w, tokenOf(t, w), 7, 0, inStock)
	if _, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Name: "Milk"}}); err != nil {
		t.Fatal(err)
	}
	shows(t, w, tokenOf(t, w), 10, 0, inStock)
}
