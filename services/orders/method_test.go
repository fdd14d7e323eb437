package orders_test

import (
	"strings"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// openWithWays is a shop whose stores serve pickup, and whose warehouses do not.
func openWithWays(t *testing.T) *shop {
	t.Helper()
	s := open(t, servicetest.Options{})
	for id, kind := range map[string]string{"berlin": "dc", "hamburg": "dc", "store": "store"} {
		if _, err := s.PolicyClient().PutLocation(t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: id, Kind: kind}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PolicyClient().PutFulfilmentRule(t.Context(), &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "pickup", Kinds: []string{"store"}}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) receive(sku, location string, quantity int64) {
	s.Move(&pb.Movement{Sku: sku, Location: location, Quantity: quantity, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
}

// ways makes lines of triples of SKU, quantity and method.
func ways(triples ...any) (list []*pb.OrderedLine) {
	for i := 0; i < len(triples); i += 3 {
		l := lines(triples[i], triples[i+1])[0]
		l.Line, l.Method = string(rune('1'+i/3)), triples[i+2].(string)
		list = append(list, l)
	}
	return list
}

// A line that is to be picked up is promised where it can be, whatever lies elsewhere; another line of the SKU is not bound by that.
func TestLinesArePromisedWhereTheirMethodIsServed(t *testing.T) {
	s := openWithWays(t)
	s.Count("milk", 5) // in berlin
	s.receive("milk", "store", 2)
	reserve := func(id string, l ...*pb.OrderedLine) error {
		_, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: id, Channel: "web", Lines: l})
		return err
	}
	if err := reserve("o", ways("milk", 1, "pickup", "milk", 1, "ship")...); err != nil {
		t.Fatal(err)
	}
	s.expect("picked up in the store", s.stock("milk", "store").Reserved, 1)
	s.expect("sent from berlin", s.stock("milk", "berlin").Reserved, 1)
	if err := reserve("o2", ways("milk", 2, "pickup")...); err == nil || !strings.Contains(err.Error(), "2 requested, 1 available") {
		t.Errorf("two are promised, or the answer is unclear: %v", err)
	}
	warehouse := ways("milk", 1, "pickup")
	warehouse[0].Location = "berlin"
	if err := reserve("o3", warehouse...); err == nil || s.get("o3").Short[0].Reason != "NO_LOCATION_SERVES" {
		t.Errorf("picked up in a warehouse: %v", err)
	}
	if err := reserve("o4", ways("milk", 3, "by drone")...); err != nil { // a word of the retailer's own
		t.Errorf("without a rule: %v", err)
	}
	s.expect("reserved in berlin", s.stock("milk", "berlin").Reserved, 4)
}

// What is sold already counts: where its method is served as long as that is anywhere, and oversells there.
func TestWhatIsSoldAlreadyIsPromisedWhereItsMethodIsServed(t *testing.T) {
	s := openWithWays(t)
	s.Count("milk", 5)
	s.receive("milk", "store", 1)
	m := placed("m", "web", true)
	m.GetPlaced().Lines = ways("milk", 2, "pickup")
	o := s.must(s.say(m))
	if len(o.Oversold) != 1 || o.Oversold[0].Location != "store" || o.Oversold[0].OnHand != 1 || o.Oversold[0].Reserved != 2 {
		t.Errorf("got %v", o.Oversold)
	}
	m = placed("m2", "market", true) // sells from berlin alone, which does not serve it
	m.GetPlaced().Lines = ways("milk", 2, "pickup")
	if o = s.must(s.say(m)); len(o.Oversold) != 0 {
		t.Errorf("got %v", o.Oversold)
	}
	s.expect("reserved in berlin", s.stock("milk", "berlin").Reserved, 2)
}

// Kits are handed over as a whole.
func TestKitsArePromisedWhereTheirMethodIsServed(t *testing.T) {
	s := openWithWays(t)
	s.Count("milk", 10)
	s.Count("tea", 10)
	s.receive("milk", "store", 5)
	s.receive("tea", "store", 2)
	s.Kit("breakfast", "milk", 2, "tea", 1)
	r := &pb.ReserveRequest{ReservationId: "cart", Sku: "breakfast", Channel: "web", Quantity: 3, Method: "pickup"}
	if _, err := s.ReservationClient().Reserve(t.Context(), r); err == nil {
		t.Error("three are promised in a store that has tea for two")
	}
	r.Quantity = 2 // refused before anything was recorded, so the same id may ask again
	if _, err := s.ReservationClient().Reserve(t.Context(), r); err != nil {
		t.Error(err)
	}
	s.expect("milk in the store", s.stock("milk", "store").Reserved, 4)
	s.expect("tea in the store", s.stock("tea", "store").Reserved, 2)
	if _, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o", Channel: "web", Lines: ways("breakfast", 1, "pickup")}); err == nil ||
		!strings.Contains(err.Error(), `0 available for want of component "milk"`) {
		t.Errorf("got %v", err)
	}
	if _, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o2", Channel: "web", Lines: ways("breakfast", 1, "ship")}); err != nil {
		t.Error(err)
	}
}
