package orders_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/servicetest"
)

// shop is a world that sells from berlin and hamburg, with a store to pick up from.
type shop struct {
	*servicetest.World
	t  testing.TB
	at *servicetest.Clock
	n  atomic.Int64
}

func open(t testing.TB, o servicetest.Options) *shop {
	t.Helper()
	s := &shop{t: t, at: servicetest.NewClock()}
	o.Now = s.at.Now
	s.World = servicetest.Start(t, o)
	for _, l := range []string{"berlin", "hamburg", "store"} {
		s.Location(l)
	}
	s.Channel("web", "berlin", "hamburg", "store")
	s.Channel("market", "berlin")
	return s
}

// lines makes lines of pairs of SKU and quantity.
func lines(pairs ...any) (list []*pb.OrderedLine) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, &pb.OrderedLine{Line: fmt.Sprint(i/2 + 1), Sku: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return list
}

func (s *shop) reserve(id string, pairs ...any) (*pb.Order, error) {
	answer, err := s.OrderClient().ReserveOrder(s.t.Context(), &pb.ReserveOrderRequest{OrderId: id, Channel: "web", Lines: lines(pairs...)})
	return answer.GetOrder(), err
}

func (s *shop) get(id string) *pb.Order {
	s.t.Helper()
	answer, err := s.OrderClient().GetOrder(s.t.Context(), &pb.GetOrderRequest{OrderId: id})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Order
}

// say takes in a message under an id of its own.
func (s *shop) say(m *pb.OrderMessage) (*pb.Order, error) {
	return s.sayAs(fmt.Sprint("m", s.n.Add(1)), m)
}

func (s *shop) sayAs(id string, m *pb.OrderMessage) (*pb.Order, error) {
	answer, err := s.OrderClient().RecordOrderMessage(s.t.Context(), &pb.RecordOrderMessageRequest{
		Source: "oms", MessageId: id, OccurredAt: codec.Timestamp(s.at.Now()), Message: m})
	return answer.GetOrder(), err
}

func (s *shop) must(o *pb.Order, err error) *pb.Order {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// ats is what a channel can sell of a SKU, decided on its stream.
func (s *shop) ats(sku string) int64 { return s.atsFor(sku, "") }

func (s *shop) atsFor(sku, reservation string) int64 {
	s.t.Helper()
	answer, err := s.AvailabilityClient().GetAvailability(s.t.Context(), &pb.GetAvailabilityRequest{
		Sku: sku, Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG, ReservationId: reservation})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Availability.Ats
}

// stock is what lies at a location: on hand by condition, and what is reserved.
func (s *shop) stock(sku, location string) *pb.StockAtLocation {
	s.t.Helper()
	answer, err := s.StockClient().GetStock(s.t.Context(), &pb.GetStockRequest{Sku: sku, Token: s.end()})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, b := range answer.Stock.Locations {
		if b.Location == location {
			return b
		}
	}
	return &pb.StockAtLocation{}
}

// end is a token of everything there is.
func (s *shop) end() string {
	end, err := s.Store.End(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Tokens.Encode(end)
}

func (s *shop) expect(what string, got, want any) {
	s.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: %v, expected %v", what, got, want)
	}
}

func TestAnOrderIsPromisedAllOrNothing(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 10)
	s.Count("tea", 3)
	o := s.must(s.reserve("o1", "milk", 4, "tea", 2, "milk", 3))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_RESERVED)
	s.expect("settled", o.Settled, true)
	s.expect("milk left", s.ats("milk"), 3)
	again := s.must(s.reserve("o1", "milk", 4, "tea", 2, "milk", 3))
	if !proto.Equal(again, o) {
		t.Errorf("repeated: %v\nfirst: %v", again, o)
	}
	_, err := s.reserve("o1", "milk", 5)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")

	_, err = s.reserve("o2", "milk", 3, "tea", 2, "coffee", 1)
	facts := servicetest.Refused(t, err, codes.FailedPrecondition, "ORDER_SHORT")
	s.expect("short", facts["short_1"]+"; "+facts["short_2"], "line=3 sku=coffee requested=1 available=0 reason=UNKNOWN_SKU; "+
		"line=2 sku=tea requested=2 available=1 reason=INSUFFICIENT_STOCK")
	s.expect("milk left after a refusal", s.ats("milk"), 3)
	s.expect("tea left after a refusal", s.ats("tea"), 1)
	_, again2 := s.reserve("o2", "milk", 3, "tea", 2, "coffee", 1)
	s.expect("the refusal repeated", status.Convert(again2).Message(), status.Convert(err).Message())

	_, err = s.reserve("o3", "milk", 2, "milk", 2) // each fits, both do not
	servicetest.Refused(t, err, codes.FailedPrecondition, "ORDER_SHORT")
	s.expect("milk left", s.ats("milk"), 3)
	_, err = s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o4", Channel: "none", Lines: lines("milk", 1)})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
	_, err = s.OrderClient().GetOrder(t.Context(), &pb.GetOrderRequest{OrderId: "o4"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_ORDER")
}

func TestLinesOfAPartialOrderAreAcceptedOneByOne(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	s.Count("tea", 1)
	answer, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o", Channel: "web", Partial: true,
		Lines: lines("milk", 3, "tea", 2, "milk", 3, "milk", 2)})
	if err != nil {
		t.Fatal(err)
	}
	var open []int64
	for _, l := range answer.Order.Lines {
		open = append(open, l.Open)
	}
	s.expect("open", open, []int64{3, 0, 0, 2})
	s.expect("short", len(answer.Order.Short), 2)
	s.expect("left", []int64{s.ats("milk"), s.ats("tea")}, []int64{0, 1})
}

func TestAnOrderOfFiveHundredLines(t *testing.T) {
	s := open(t, servicetest.Options{})
	var pairs []any
	for i := range 500 {
		sku := fmt.Sprintf("sku-%03d", i%250)
		if i < 250 {
			s.Count(sku, 3)
		}
		pairs = append(pairs, sku, 1)
	}
	o := s.must(s.reserve("big", pairs...))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_RESERVED)
	_, err := s.reserve("second", pairs...)
	facts := servicetest.Refused(t, err, codes.FailedPrecondition, "ORDER_SHORT")
	s.expect("lines that are short", facts["lines"], "500")
	for i := range 250 {
		if got := s.ats(fmt.Sprintf("sku-%03d", i)); got != 1 {
			t.Fatalf("SKU %d has %d left", i, got)
		}
	}
	_, err = s.reserve("too large", append(pairs, "sku-000", 1)...)
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
}

func TestAnOrderThroughItsLife(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 10)
	s.must(s.reserve("o", "milk", 4))
	confirmed, err := s.OrderClient().ConfirmOrder(t.Context(), &pb.ConfirmOrderRequest{OrderId: "o"})
	if err != nil {
		t.Fatal(err)
	}
	s.expect("status", confirmed.Order.Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
	s.at.Advance(40 * 24 * time.Hour)
	s.expect("left long after", s.ats("milk"), 6)
	ship := &pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Shipped_{Shipped: &pb.OrderMessage_Shipped{Location: "berlin", Shipment: "p1",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 3}}}}}
	o := s.must(s.sayAs("ship-1", ship))
	s.must(s.sayAs("ship-1", ship)) // twice
	s.expect("open", o.Lines[0].Open, 1)
	b := s.stock("milk", "berlin")
	s.expect("on hand and reserved", []int64{b.Sellable, b.Reserved}, []int64{7, 1})
	o = s.must(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Cut_{Cut: &pb.OrderMessage_Cut{Reason: "picked short",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 1}}}}}))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_CLOSED)
	s.expect("left", s.ats("milk"), 7)

	back := &pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "store", ReturnId: "r1",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 2}}}}}
	s.must(s.say(back))
	s.expect("left while it is inspected", s.ats("milk"), 7)
	s.expect("under inspection", s.stock("milk", "store").Inspection, 2)
	s.must(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Inspected_{Inspected: &pb.OrderMessage_Inspected{Location: "store", ReturnId: "r1",
		Condition: pb.Condition_CONDITION_SELLABLE, Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 2}}}}}))
	s.expect("left after inspection", s.ats("milk"), 9)
}

func TestAnExchangeTakesBackAndSendsInstead(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("small", 5)
	s.Count("large", 5)
	s.must(s.say(placed("o", "web", false, "small", 1)))
	s.must(s.say(shipped("o", "1", "small", 1)))
	o := s.must(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Exchanged_{Exchanged: &pb.OrderMessage_Exchanged{
		Returned: &pb.OrderMessage_Returned{Location: "store", Disposition: pb.Disposition_DISPOSITION_RESTOCK,
			Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "small", Quantity: 1}}},
		Instead: &pb.OrderMessage_Changed{OrderVersion: 1, Lines: []*pb.OrderedLine{{Line: "2", Sku: "large", Quantity: 1}}}}}}))
	s.expect("left", []int64{s.ats("small"), s.ats("large")}, []int64{5, 4})
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
}

func placed(id, channel string, sold bool, pairs ...any) *pb.OrderMessage {
	return &pb.OrderMessage{OrderId: id, Kind: &pb.OrderMessage_Placed_{Placed: &pb.OrderMessage_Placed{Channel: channel, Sold: sold, Lines: lines(pairs...)}}}
}

func shipped(id, line, sku string, quantity int64) *pb.OrderMessage {
	return &pb.OrderMessage{OrderId: id, Kind: &pb.OrderMessage_Shipped_{Shipped: &pb.OrderMessage_Shipped{Location: "berlin",
		Lines: []*pb.OrderMessage_Part{{Line: line, Sku: sku, Quantity: quantity}}}}}
}

func TestAStorefrontOrderConfirmsTheCartsHold(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	if _, err := s.Reserve("cart", "milk", 3); err != nil {
		t.Fatal(err)
	}
	s.expect("available to others and to the cart", []int64{s.ats("milk"), s.atsFor("milk", "cart")}, []int64{2, 5})
	m := placed("o", "web", false, "milk", 4)
	m.GetPlaced().Lines[0].ReservationId = "cart"
	o := s.must(s.say(m))
	s.expect("reservation", o.Lines[0].ReservationId, "cart")
	s.expect("left", s.ats("milk"), 1)
	s.at.Advance(time.Hour)
	s.expect("left when the hold would have ended", s.ats("milk"), 1)
	found, err := s.ReservationClient().GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart"})
	if err != nil || found.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED || found.Reservation.Remaining != 4 {
		t.Errorf("%v, %v", found, err)
	}
	gone := placed("late", "web", false, "milk", 1) // its hold has long ended: units are taken anew
	gone.GetPlaced().Lines[0].ReservationId = "cart that ended"
	s.expect("reservation", s.must(s.say(gone)).Lines[0].ReservationId, "late#1")
}

func TestAnOrderThatWasHeldIsConfirmedByBeingPlaced(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	s.must(s.reserve("o", "milk", 3))
	o := s.must(s.say(placed("o", "web", false, "milk", 3)))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
	_, err := s.say(placed("o", "web", false, "milk", 2))
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
}

func TestWhatAMarketplaceSoldCountsAndSaysWhatBreaks(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	for i, quantity := range []int64{3, 2} {
		if _, err := s.Reserve(fmt.Sprint("cart-", i), "milk", quantity); err != nil {
			t.Fatal(err)
		}
	}
	o := s.must(s.say(placed("m", "market", true, "milk", 4)))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
	s.expect("oversold", len(o.Oversold), 1)
	s.expect("by", fmt.Sprint(o.Oversold[0].OnHand, o.Oversold[0].Reserved), "5 9")
	s.expect("to break", breaksOf(o.Oversold[0]), "cart-1 2, cart-0 2")
	listed, err := s.ReservationClient().ListBreaks(t.Context(), &pb.ListBreaksRequest{Sku: "milk"})
	if err != nil || len(listed.Breaks) != 2 || listed.Breaks[0].ReservationId != "cart-1" {
		t.Errorf("%v, %v", listed, err)
	}
	_, err = s.say(placed("x", "nowhere", true, "milk", 4))
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
}

func breaksOf(o *pb.OrderOversold) string {
	var list []string
	for _, b := range o.Breaks {
		list = append(list, fmt.Sprint(b.ReservationId, " ", b.Quantity))
	}
	return strings.Join(list, ", ")
}

func TestPickUpAndDropShip(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	pickup := placed("p", "web", false, "milk", 1)
	pickup.GetPlaced().Lines[0].Location, pickup.GetPlaced().Lines[0].Method = "store", "pickup"
	o := s.must(s.say(pickup))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_REJECTED) // nothing lies in the store
	s.Move(&pb.Movement{Sku: "milk", Location: "store", Quantity: 2, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	pickup.OrderId = "p2"
	o = s.must(s.say(pickup))
	s.expect("status", o.Status, pb.OrderStatus_ORDER_STATUS_CONFIRMED)
	s.expect("reserved in the store", s.stock("milk", "store").Reserved, 1)
}

func TestHoldsOfAnOrderEnd(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	s.must(s.reserve("o", "milk", 3))
	extended, err := s.OrderClient().ExtendOrder(t.Context(), &pb.ExtendOrderRequest{OrderId: "o", HoldSeconds: 3600})
	if err != nil {
		t.Fatal(err)
	}
	s.at.Advance(59 * time.Minute)
	s.expect("left", s.ats("milk"), 2)
	s.at.Advance(2 * time.Minute)
	s.expect("left", s.ats("milk"), 5)
	_, err = s.OrderClient().ConfirmOrder(t.Context(), &pb.ConfirmOrderRequest{OrderId: "o"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "ORDER_NOT_LIVE")
	s.sweep()
	o := s.get("o")
	s.expect("reason", o.Reason, "its holds ended")
	if extended.Order.ExpiresAt == nil || o.ExpiresAt != nil {
		t.Errorf("ends %v, then %v", extended.Order.ExpiresAt, o.ExpiresAt)
	}
}

// sweep drives on what is to be driven, once the index knows all there is.
func (s *shop) sweep() {
	s.t.Helper()
	end, err := s.Store.End(s.t.Context())
	if err == nil {
		err = s.OrderIndex.WaitFor(s.t.Context(), end)
	}
	if err == nil {
		err = orders.NewProcess(s.Orders, s.OrderIndex).Sweep(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestACancelledOrderHoldsNothing(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 5)
	s.Count("tea", 5)
	s.must(s.reserve("o", "milk", 3, "tea", 2))
	for range 2 {
		answer, err := s.OrderClient().CancelOrder(t.Context(), &pb.CancelOrderRequest{OrderId: "o", Reason: "changed mind"})
		if err != nil {
			t.Fatal(err)
		}
		s.expect("status", answer.Order.Status, pb.OrderStatus_ORDER_STATUS_CANCELLED)
	}
	s.expect("left", []int64{s.ats("milk"), s.ats("tea")}, []int64{5, 5})
	_, err := s.OrderClient().CancelOrder(t.Context(), &pb.CancelOrderRequest{OrderId: "unknown"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_ORDER")
}

func TestOrdersAreListed(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 100)
	for i := range 5 {
		s.must(s.say(placed(fmt.Sprint("w", i), "web", false, "milk", 1)))
	}
	s.must(s.say(placed("m", "market", true, "milk", 1)))
	s.must(s.say(shipped("w2", "1", "milk", 1)))
	list := func(r *pb.ListOrdersRequest) (ids []string) {
		for {
			r.Token, r.PageSize = s.end(), 2
			answer, err := s.OrderClient().ListOrders(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range answer.Orders {
				ids = append(ids, o.OrderId)
			}
			if r.PageToken = answer.NextPageToken; r.PageToken == "" {
				return ids
			}
		}
	}
	s.expect("all", list(&pb.ListOrdersRequest{}), "[w0 w1 w2 w3 w4 m]")
	s.expect("open ones of web", list(&pb.ListOrdersRequest{Channel: "web", OpenOnly: true}), "[w0 w1 w3 w4]")
}

// Carts that want the last of the same SKUs, in any order of their lines, never wait for each other, never get more than there is, and
// of each round one gets all.
func TestCartsThatWantTheSameNeverBlockEachOther(t *testing.T) {
	s := open(t, servicetest.Options{})
	const rounds, carts = 20, 8
	for round := range rounds {
		a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
		s.Count(a, 1)
		s.Count(b, 1)
		var won atomic.Int64
		var waiting sync.WaitGroup
		for i := range carts {
			waiting.Go(func() {
				pairs := []any{a, 1, b, 1}
				if i%2 == 1 {
					pairs = []any{b, 1, a, 1}
				}
				switch _, err := s.reserve(fmt.Sprint("cart", round, "-", i), pairs...); status.Code(err) {
				case codes.OK:
					won.Add(1)
				case codes.FailedPrecondition:
				default:
					t.Error(err)
				}
			})
		}
		waiting.Wait()
		s.expect("carts that got both", won.Load(), 1)
		s.expect("left", []int64{s.ats(a), s.ats(b)}, []int64{0, 0})
	}
}

// Under real concurrency what is promised never exceeds what there is, and what is held is what the orders say.
func TestPromisesOfConcurrentOrdersAddUp(t *testing.T) {
	s := open(t, servicetest.Options{})
	skus := make([]string, 12)
	for i := range skus {
		skus[i] = fmt.Sprint("sku", i)
		s.Count(skus[i], 40)
	}
	var mu sync.Mutex
	held := map[string]int64{}
	var waiting sync.WaitGroup
	for i := range 120 {
		waiting.Go(func() {
			var pairs []any
			for n := range 10 {
				pairs = append(pairs, skus[(i*7+n*(1+i%5))%len(skus)], 1+(i+n)%3)
			}
			id := fmt.Sprint("o", i)
			o, err := s.reserve(id, pairs...)
			if status.Code(err) == codes.FailedPrecondition {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if i%3 == 0 {
				if _, err := s.OrderClient().CancelOrder(t.Context(), &pb.CancelOrderRequest{OrderId: id}); err != nil {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, l := range o.Lines {
				held[l.Sku] += l.Open
			}
		})
	}
	waiting.Wait()
	for _, sku := range skus {
		if left := s.ats(sku); left != 40-held[sku] || left < 0 {
			t.Errorf("%s: %d left and %d held of 40", sku, left, held[sku])
		}
	}
}

func TestWhatIsWrongWithAMessage(t *testing.T) {
	s := open(t, servicetest.Options{})
	for name, m := range map[string]*pb.OrderMessage{
		"order_id":                {Kind: placed("", "web", true, "milk", 1).Kind},
		"kind":                    {OrderId: "o"},
		"placed.lines":            placed("o", "web", true),
		"placed.lines[0].sku":     placed("o", "web", true, "", 1),
		"shipped.lines[0].line":   shipped("o", "", "milk", 1),
		"changed.order_version":   {OrderId: "o", Kind: &pb.OrderMessage_Changed_{Changed: &pb.OrderMessage_Changed{Lines: lines("milk", 1)}}},
		"placed.lines[1].line":    {OrderId: "o", Kind: &pb.OrderMessage_Placed_{Placed: &pb.OrderMessage_Placed{Channel: "web", Lines: []*pb.OrderedLine{{Line: "1", Sku: "a", Quantity: 1}, {Line: "1", Sku: "a", Quantity: 1}}}}},
		"inspected.condition":     {OrderId: "o", Kind: &pb.OrderMessage_Inspected_{Inspected: &pb.OrderMessage_Inspected{Location: "store", Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "a", Quantity: 1}}}}},
		"exchanged":               {OrderId: "o", Kind: &pb.OrderMessage_Exchanged_{Exchanged: &pb.OrderMessage_Exchanged{}}},
		"returned.disposition":    {OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{Location: "store", Disposition: 9, Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "a", Quantity: 1}}}}},
		"cut.lines[0].quantity":   {OrderId: "o", Kind: &pb.OrderMessage_Cut_{Cut: &pb.OrderMessage_Cut{Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "a"}}}}},
		"delivered.lines[0].line": {OrderId: "o", Kind: &pb.OrderMessage_Delivered_{Delivered: &pb.OrderMessage_Delivered{Lines: []*pb.OrderMessage_Part{{Sku: "a", Quantity: 1}}}}},
	} {
		_, err := s.say(m)
		if fields := servicetest.Fields(err); fields[name] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Shipped_{Shipped: &pb.OrderMessage_Shipped{Location: "unknown",
		Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "a", Quantity: 1}}}}})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION")
	_, err = s.OrderClient().RecordOrderMessage(t.Context(), &pb.RecordOrderMessageRequest{Source: "oms", MessageId: "m", Message: shipped("o", "1", "a", 1),
		OccurredAt: timestamppb.New(s.at.Now().Time().Add(time.Hour))})
	servicetest.Refused(t, err, codes.InvalidArgument, "CLOCK_SKEW")
	_, err = s.OrderClient().RecordOrderMessage(t.Context(), &pb.RecordOrderMessageRequest{})
	if len(servicetest.Fields(err)) != 4 {
		t.Error(err)
	}
}
