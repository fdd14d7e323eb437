package orders_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// saysAt takes in what a source says that occurred at an instant.
func (s *shop) saysAt(source string, at aggregates.Instant, m *pb.OrderMessage) *pb.Order {
	s.t.Helper()
	answer, err := s.OrderClient().RecordOrderMessage(s.t.Context(), &pb.RecordOrderMessageRequest{
		Source: source, MessageId: fmt.Sprint("m", s.n.Add(1)), OccurredAt: codec.Timestamp(at), Message: m})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Order
}

// events are the events of an order, by name.
func (s *shop) events(id string) (list []*pb.Event) {
	s.t.Helper()
	err := s.Store.ReadStream(s.t.Context(), aggregates.OrderPrefix+id, 0, func(r aggregates.Record) bool {
		e, err := codec.Proto(r)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, e)
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// Orders at Berlin are the old system's until noon, and the new one's from then on: by when something occurred, not by when it came.
func TestWhatAnotherThanTheSystemOfRecordSaysOfAnOrderIsKeptAndNotApplied(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 20)
	noon := s.at.Now() + 3600*aggregates.Second
	_, err := s.PolicyClient().PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "berlin", Ownerships: []*pb.Ownership{
		{Fact: pb.OwnedFact_OWNED_FACT_ORDERS, Sources: []string{"old"}},
		{Fact: pb.OwnedFact_OWNED_FACT_ORDERS, Sources: []string{"new", "newer"}, From: codec.Timestamp(noon)}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.saysAt("shop", s.at.Now(), placed("o", "web", false, "milk", 8)) // it names no place
	s.at.Advance(2 * time.Hour)
	open := func(what string, want int64) {
		t.Helper()
		s.expect(what, s.get("o").Lines[0].Open, want)
		s.expect("on hand after "+what, s.stock("milk", "berlin").Sellable, 12+want)
		s.expect("reserved after "+what, s.stock("milk", "berlin").Reserved, want)
	}
	o := s.saysAt("new", noon-1, shipped("o", "1", "milk", 1))
	open("the new one on what was before", 8)
	s.expect("settled", o.Settled, true)
	s.saysAt("old", noon-1, shipped("o", "1", "milk", 1)) // late, of its own time
	open("the old one on what was before", 7)
	s.saysAt("old", noon, shipped("o", "1", "milk", 1))
	open("the old one on what came after", 7)
	s.saysAt("newer", noon, shipped("o", "1", "milk", 1))
	open("the new one on what came after", 6)
	s.saysAt("old", noon, &pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "berlin",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 1}}}}})
	s.expect("returned", s.get("o").Lines[0].Returned, 0)
	s.saysAt("old", noon, &pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "hamburg",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 1}}}}})
	s.expect("returned elsewhere", s.get("o").Lines[0].Returned, 1)
	var kept []string
	for _, e := range s.events("o") {
		if x := e.GetOrderObserved(); x != nil {
			kept = append(kept, fmt.Sprint(e.Source.System, " ", x.Message, " ", x.Lines[0].Quantity, " ", x.Owners))
		}
	}
	s.expect("kept", kept, []string{"new shipped 1 [old]", "old shipped 1 [new newer]", "old returned 1 [new newer]"})
	status, err := s.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int64{}
	for _, x := range status.Sources {
		counted[x.Source] = x.Observations
	}
	s.expect("observations", counted["old"]+counted["new"], 3)
	pick := placed("p", "web", false, "milk", 1)
	pick.GetPlaced().Lines[0].Location = "berlin"
	s.saysAt("old", noon, pick)
	s.expect("placed for there by another", s.get("p").Status, pb.OrderStatus_ORDER_STATUS_AWAITED)
	s.saysAt("new", noon, pick)
	s.expect("placed for there", s.get("p").Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
}

func TestQuantitiesOfOrdersInDecimals(t *testing.T) {
	s := open(t, servicetest.Options{})
	if _, err := s.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "beef", Unit: "kg", Decimals: 2}}); err != nil {
		t.Fatal(err)
	}
	s.Move(&pb.Movement{Sku: "beef", Decimal: "5", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	m := placed("o", "web", false, "beef", 0)
	m.GetPlaced().Lines[0].Decimal = "1.5"
	s.expect("ordered", s.must(s.sayAs("once", m)).Lines[0].Quantity, 150)
	s.must(s.sayAs("once", m))
	out := shipped("o", "1", "beef", 0)
	out.GetShipped().Lines[0].Decimal = "0.50"
	s.expect("still to be sent", s.must(s.say(out)).Lines[0].Open, 100)
	s.expect("on hand", s.stock("beef", "berlin").Sellable, 450)
	changed := &pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Changed_{Changed: &pb.OrderMessage_Changed{OrderVersion: 1,
		Lines: []*pb.OrderedLine{{Line: "1", Sku: "beef", Decimal: "2.25"}}}}}
	s.expect("changed", s.must(s.say(changed)).Lines[0].Open, 175)
	refuse := func(decimal string, quantity int64, code codes.Code, reason string) {
		t.Helper()
		x := shipped("o", "1", "beef", quantity)
		x.GetShipped().Lines[0].Decimal = decimal
		_, err := s.say(x)
		servicetest.Refused(t, err, code, reason)
		_, err = s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "r" + decimal, Channel: "web",
			Lines: []*pb.OrderedLine{{Sku: "beef", Decimal: decimal, Quantity: quantity}}})
		servicetest.Refused(t, err, code, reason)
	}
	refuse("0.125", 0, codes.InvalidArgument, "TOO_MANY_DECIMALS")
	refuse("a kilo", 0, codes.InvalidArgument, "INVALID_FIELDS")
	refuse("1", 1, codes.InvalidArgument, "INVALID_FIELDS")
	refuse("0", 0, codes.InvalidArgument, "INVALID_FIELDS")
	answer, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "cart", Channel: "web", Lines: []*pb.OrderedLine{{Sku: "beef", Decimal: "0.5"}}})
	if err != nil || answer.Order.Lines[0].Quantity != 50 {
		t.Errorf("%v, %v", answer, err)
	}
	s.expect("held and sent", s.stock("beef", "berlin").Reserved, 225)
}

func TestARuleSaysInWhichConditionReturnsLie(t *testing.T) {
	s := open(t, servicetest.Options{})
	for _, sku := range []string{"milk", "tea"} {
		s.Count(sku, 20)
		if _, err := s.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: sku, Category: map[string]string{"milk": "fresh"}[sku]}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*pb.ReturnRule{{Condition: pb.Condition_CONDITION_SELLABLE}, {Category: "fresh", Condition: pb.Condition_CONDITION_INSPECTION}} {
		if _, err := s.PolicyClient().PutReturnRule(t.Context(), &pb.PutReturnRuleRequest{Rule: r}); err != nil {
			t.Fatal(err)
		}
	}
	s.must(s.say(placed("o", "web", false, "milk", 5, "tea", 5)))
	s.must(s.say(shipped("o", "1", "milk", 5)))
	s.must(s.say(shipped("o", "2", "tea", 5)))
	back := func(d pb.Disposition) {
		t.Helper()
		s.must(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "store", Disposition: d,
			Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 1}, {Line: "2", Sku: "tea", Quantity: 1}}}}}))
	}
	lies := func(sku string, sellable, inspection, damaged int64) {
		t.Helper()
		x := s.stock(sku, "store")
		s.expect(sku, []int64{x.Sellable, x.Inspection, x.Damaged}, []int64{sellable, inspection, damaged})
	}
	back(pb.Disposition_DISPOSITION_UNSPECIFIED)
	lies("milk", 0, 1, 0)
	lies("tea", 1, 0, 0)
	back(pb.Disposition_DISPOSITION_RESTOCK) // the rule wants milk looked at first
	lies("milk", 0, 2, 0)
	lies("tea", 2, 0, 0)
	back(pb.Disposition_DISPOSITION_DAMAGED)
	lies("milk", 0, 2, 1)
	lies("tea", 2, 0, 1)
	last := s.events("o")
	for _, e := range last {
		if x := e.GetOrderLineReturned(); x != nil && x.PolicyPosition == 0 {
			t.Errorf("%v does not say which rules it follows from", x)
		}
	}
	rules, err := s.PolicyClient().GetSharedRules(t.Context(), &pb.GetSharedRulesRequest{})
	if err != nil || len(rules.Returns) != 2 || rules.Returns[1].Category != "fresh" || rules.Returns[1].Condition != pb.Condition_CONDITION_INSPECTION {
		t.Errorf("%v, %v", rules, err)
	}
	if _, err := s.PolicyClient().DeleteReturnRule(t.Context(), &pb.DeleteReturnRuleRequest{Rule: rules.Returns[0]}); err != nil {
		t.Fatal(err)
	}
	back(pb.Disposition_DISPOSITION_UNSPECIFIED)
	lies("tea", 2, 1, 1)
	_, err = s.PolicyClient().PutReturnRule(t.Context(), &pb.PutReturnRuleRequest{Rule: &pb.ReturnRule{Sku: "a", Category: "b", Condition: 1}})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	_, err = s.PolicyClient().PutReturnRule(t.Context(), &pb.PutReturnRuleRequest{Rule: &pb.ReturnRule{Sku: "a"}})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
}
