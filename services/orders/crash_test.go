package orders_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/stock"
)

// crashing is a store that goes away at one append, before or after it has become durable, and stays away.
type crashing struct {
	*pebble.Store
	mu    sync.Mutex
	left  int // appends until then; negative: never
	after bool
	gone  bool
}

func (c *crashing) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return commands.Appended{}, commands.ErrUnavailable
	}
	if c.left > 0 {
		c.left--
	} else if c.left == 0 {
		c.gone = true
		if c.after {
			if _, err := c.Store.Append(ctx, stream, next, events); err != nil {
				return commands.Appended{}, err
			}
		}
		return commands.Appended{}, commands.ErrUnavailable
	}
	return c.Store.Append(ctx, stream, next, events)
}

func (c *crashing) set(left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = left
}

func (c *crashing) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// restarted gives the shop the services that a process started anew would have.
func (s *shop) restarted() {
	s.t.Helper()
	opts := commands.Options{Now: s.at.Now, Exclusive: true}
	skus := commands.NewStreams(s.Store, commands.SKUs(), opts)
	streams := commands.NewStreams(s.Store, commands.Orders(), opts)
	s.t.Cleanup(func() {
		_ = streams.Close(context.Background())
		_ = skus.Close(context.Background())
	})
	s.Orders = orders.New(orders.Config{Orders: streams, SKUs: skus, Recorder: stock.NewRecorder(skus, s.Policies, stock.Options{Now: s.at.Now}),
		Policies: s.Policies, Index: s.OrderIndex, Tokens: s.Tokens, Now: s.at.Now, Log: s.Log})
}

// story is what is done to an order, and what must be so once it is carried out, wherever the process crashed: its SKUs hold what its lines say.
type story struct {
	name  string
	steps []func(*shop) error
}

func call(_ any, err error) error { return err }

var stories = []story{
	{"reserved", []func(*shop) error{func(s *shop) error { return call(s.reserve("o", "milk", 2, "tea", 3, "milk", 1)) }}},
	{"rejected", []func(*shop) error{func(s *shop) error { return call(s.reserve("o", "milk", 2, "coffee", 3, "tea", 11)) }}},
	{"reserved, then cancelled", []func(*shop) error{
		func(s *shop) error { return call(s.reserve("o", "milk", 2, "tea", 3)) },
		func(s *shop) error {
			return call(s.OrderClient().CancelOrder(s.t.Context(), &pb.CancelOrderRequest{OrderId: "o"}))
		}}},
	{"placed, sent in parts, cut and returned", []func(*shop) error{
		func(s *shop) error { return call(s.say(placed("o", "web", false, "milk", 4, "tea", 3))) },
		func(s *shop) error { return call(s.say(shipped("o", "1", "milk", 3))) },
		func(s *shop) error { return call(s.say(shipped("o", "2", "tea", 3))) },
		func(s *shop) error {
			return call(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Cut_{Cut: &pb.OrderMessage_Cut{
				Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "milk", Quantity: 1}}}}}))
		},
		func(s *shop) error {
			return call(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{
				Location: "berlin", Disposition: pb.Disposition_DISPOSITION_RESTOCK,
				Lines: []*pb.OrderMessage_Part{{Line: "2", Sku: "tea", Quantity: 1}}}}}))
		}}},
	{"a reservation of kits", []func(*shop) error{
		func(s *shop) error { return call(s.Reserve("o", "breakfast", 3)) }}},
	{"a reservation of kits that is confirmed, handed over in part, and released", []func(*shop) error{
		func(s *shop) error { return call(s.Reserve("o", "breakfast", 3)) },
		func(s *shop) error {
			return call(s.ReservationClient().ConfirmReservation(s.t.Context(), &pb.ConfirmReservationRequest{ReservationId: "o"}))
		},
		func(s *shop) error {
			return call(s.ReservationClient().FulfilReservation(s.t.Context(), &pb.FulfilReservationRequest{ReservationId: "o", Quantity: 1, IdempotencyKey: "k"}))
		},
		func(s *shop) error {
			return call(s.ReservationClient().ReleaseReservation(s.t.Context(), &pb.ReleaseReservationRequest{ReservationId: "o"}))
		}}},
	{"an order that takes over a reservation of kits", []func(*shop) error{
		func(s *shop) error { return call(s.Reserve("cart", "breakfast", 3)) },
		func(s *shop) error {
			m := placed("o", "web", false, "breakfast", 3)
			m.GetPlaced().Lines[0].ReservationId = "cart"
			return call(s.say(m))
		}}},
	{"a kit, and a component of it", []func(*shop) error{
		func(s *shop) error { return call(s.reserve("o", "milk", 1, "breakfast", 3)) }}},
	{"a kit that a component is short for", []func(*shop) error{
		func(s *shop) error { return call(s.reserve("o", "tea", 8, "breakfast", 3)) }}},
	{"kits sold elsewhere, sent before they were placed, sent again, cut and returned", []func(*shop) error{
		func(s *shop) error { return call(s.say(shipped("o", "1", "breakfast", 1))) },
		func(s *shop) error { return call(s.say(placed("o", "market", true, "breakfast", 6, "milk", 1))) },
		func(s *shop) error { return call(s.say(shipped("o", "1", "breakfast", 2))) },
		func(s *shop) error {
			return call(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Cut_{Cut: &pb.OrderMessage_Cut{
				Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "breakfast", Quantity: 1}}}}}))
		},
		func(s *shop) error {
			return call(s.say(&pb.OrderMessage{OrderId: "o", Kind: &pb.OrderMessage_Returned_{Returned: &pb.OrderMessage_Returned{
				Location: "berlin", Disposition: pb.Disposition_DISPOSITION_RESTOCK,
				Lines: []*pb.OrderMessage_Part{{Line: "1", Sku: "breakfast", Quantity: 1}}}}}))
		}}},
	{"sold elsewhere, more than there is", []func(*shop) error{
		func(s *shop) error { return call(s.say(placed("o", "market", true, "milk", 14, "tea", 3))) }}},
}

// Wherever the process is when it crashes, before or after what it was writing has become durable: once it is back and the order is
// carried out, each SKU holds exactly what is open of the order's lines, what was sent has left, and nothing else.
func TestACrashAtAnyStepLeavesNothingHeldThatNoOrderWants(t *testing.T) {
	for _, x := range stories {
		for _, after := range []bool{false, true} {
			for step := 0; ; step++ {
				crashed := false
				t.Run(fmt.Sprintf("%s/%d/after=%v", x.name, step, after), func(t *testing.T) { crashed = crashAt(t, x, step, after) })
				if !crashed {
					break
				}
				if step > 60 {
					t.Fatal("it never gets through")
				}
			}
		}
	}
}

func crashAt(t *testing.T, x story, step int, after bool) (crashed bool) {
	store := &crashing{left: -1, after: after}
	s := open(t, servicetest.Options{Store: func(p *pebble.Store) commands.Store {
		store.Store = p
		return store
	}})
	for _, sku := range []string{"milk", "tea", "coffee"} {
		s.Count(sku, 10)
	}
	s.Kit("breakfast", "milk", 2, "tea", 1)
	store.set(step)
	for _, do := range x.steps {
		if err := do(s); err != nil && store.isGone() {
			break
		}
	}
	crashed = store.isGone()
	s.restarted()
	s.at.Advance(time.Minute)
	s.sweep()
	s.holdsWhatItsOrderWants("o", "kit-reservation:o", "kit-reservation:cart")
	s.sweep() // again: nothing is left to do
	before := s.end()
	s.sweep()
	if s.end() != before {
		t.Error("driving on what is settled recorded something")
	}
	return crashed
}

// holdsWhatItsOrderWants holds the SKUs against the order, as both streams have them.
func (s *shop) holdsWhatItsOrderWants(ids ...string) {
	s.t.Helper()
	reserved, gone := map[string]int64{}, map[string]int64{}
	for _, id := range ids {
		answer, err := s.Orders.GetOrder(s.t.Context(), &pb.GetOrderRequest{OrderId: id})
		if err != nil {
			continue
		}
		if !answer.Order.Settled || answer.Order.Status == pb.OrderStatus_ORDER_STATUS_RECEIVED {
			s.t.Errorf("left behind: %v", answer.Order)
		}
		for _, l := range answer.Order.Lines {
			for _, c := range l.Components {
				reserved[c.Sku] += l.Open * c.Quantity
				gone[c.Sku] += (l.Fulfilled - l.Returned) * c.Quantity
			}
			reserved[l.Sku] += l.Open
			gone[l.Sku] += l.Fulfilled - l.Returned
		}
	}
	for _, sku := range []string{"milk", "tea", "coffee"} {
		b := s.stock(sku, "berlin")
		if b.Reserved != reserved[sku] || b.Sellable != 10-gone[sku] {
			s.t.Errorf("%s: %d on hand and %d reserved, but the order has %d open and %d gone", sku, b.Sellable, b.Reserved, reserved[sku], gone[sku])
		}
	}
}
