package orders_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestAnOrderOfKitsSaysWhichComponentIsShort(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 10)
	s.Count("tea", 3)
	s.Kit("breakfast", "milk", 2, "tea", 1)
	_, err := s.reserve("o", "breakfast", 4, "milk", 1)
	if err == nil {
		t.Fatal("there are 3 teas")
	}
	o := s.get("o")
	if len(o.Short) != 1 || o.Short[0].Sku != "breakfast" || o.Short[0].Component != "tea" || o.Short[0].Requested != 4 || o.Short[0].Available != 3 {
		t.Errorf("got %v", o.Short)
	}
	if s.ats("milk") != 10 || s.ats("breakfast") != 3 {
		t.Errorf("%d milk and %d breakfasts are left", s.ats("milk"), s.ats("breakfast"))
	}
}

// Line by line, a line of kits is accepted wholly or not at all: what it had of the other components goes back.
func TestALineOfKitsIsAcceptedWhollyOrNotAtAll(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 20)
	s.Count("tea", 3)
	s.Kit("breakfast", "milk", 2, "tea", 1)
	answer, err := s.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o", Channel: "web", Partial: true,
		Lines: lines("breakfast", 4, "milk", 1, "breakfast", 2)})
	if err != nil {
		t.Fatal(err)
	}
	o := answer.Order
	if o.Status != pb.OrderStatus_ORDER_STATUS_RESERVED || o.Lines[0].Open != 0 || o.Lines[1].Open != 1 || o.Lines[2].Open != 2 {
		t.Errorf("got %v", o)
	}
	if milk, tea := s.ats("milk"), s.ats("tea"); milk != 15 || tea != 1 {
		t.Errorf("%d milk and %d tea are left", milk, tea)
	}
}

// What a marketplace has sold counts, also when a component is short: it is oversold, and said to be.
func TestKitsSoldElsewhereOversellTheirComponents(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 10)
	s.Count("tea", 1)
	s.Kit("breakfast", "milk", 2, "tea", 1)
	o := s.must(s.say(placed("o", "market", true, "breakfast", 3)))
	if o.Status != pb.OrderStatus_ORDER_STATUS_CONFIRMED || len(o.Oversold) != 1 || o.Oversold[0].Sku != "tea" || o.Oversold[0].Reserved != 3 {
		t.Errorf("got %v", o)
	}
}

// histories plays random orders and reservations of kits and single units, with kits that are defined anew meanwhile.
type histories struct {
	*shop
	*rand.Rand
	orders, carts []string
}

var menus = [][]any{{"milk", 2, "tea", 1}, {"milk", 1, "tea", 3, "coffee", 1}, {"coffee", 2}, {"milk", 1, "coffee", 1}}

func (h *histories) step(n int) {
	pick := func(list []string) string { return list[h.IntN(len(list))] }
	skus := []string{"milk", "tea", "coffee", "breakfast", "brunch"}
	switch x := h.IntN(10); {
	case x < 3 || len(h.orders) == 0:
		id := fmt.Sprint("order ", n)
		h.orders = append(h.orders, id)
		_, _ = h.OrderClient().ReserveOrder(h.t.Context(), &pb.ReserveOrderRequest{OrderId: id, Channel: "web", Partial: h.IntN(2) == 0, Confirm: h.IntN(2) == 0,
			Lines: lines(pick(skus), 1+h.IntN(3), pick(skus), 1+h.IntN(3), pick(skus), 1)})
	case x < 5 || len(h.carts) == 0:
		id := fmt.Sprint("cart ", n)
		h.carts = append(h.carts, id)
		_, _ = h.Reserve(id, pick(skus[3:]), 1+h.Int64N(3))
	case x == 5:
		_, _ = h.OrderClient().CancelOrder(h.t.Context(), &pb.CancelOrderRequest{OrderId: pick(h.orders)})
	case x == 6:
		_, _ = h.ReservationClient().ReleaseReservation(h.t.Context(), &pb.ReleaseReservationRequest{ReservationId: pick(h.carts), Quantity: 1, IdempotencyKey: fmt.Sprint(n)})
	case x == 7:
		_, _ = h.ReservationClient().FulfilReservation(h.t.Context(), &pb.FulfilReservationRequest{ReservationId: pick(h.carts), Location: "berlin"})
	case x == 8:
		h.Kit(pick(skus[3:]), menus[h.IntN(len(menus))]...)
	default:
		id := pick(h.orders)
		if o := h.get(id); o.Status == pb.OrderStatus_ORDER_STATUS_CONFIRMED && o.Lines[0].Open > 0 {
			h.must(h.say(shipped(id, o.Lines[0].Line, o.Lines[0].Sku, 1)))
		}
	}
}

// holds holds every component against all orders and reservations, and checks that nothing is promised that is not there.
func (h *histories) holds() {
	reserved, gone := map[string]int64{}, map[string]int64{}
	ids := h.orders
	for _, id := range h.carts {
		ids = append(ids[:len(ids):len(ids)], "kit-reservation:"+id)
	}
	for _, id := range ids {
		answer, err := h.OrderClient().GetOrder(h.t.Context(), &pb.GetOrderRequest{OrderId: id})
		if err != nil {
			continue // it was refused before anything was recorded
		}
		for _, l := range answer.Order.Lines {
			for _, c := range l.Components {
				reserved[c.Sku] += l.Open * c.Quantity
				gone[c.Sku] += l.Fulfilled * c.Quantity
			}
			if len(l.Components) == 0 {
				reserved[l.Sku] += l.Open
				gone[l.Sku] += l.Fulfilled
			}
		}
	}
	for _, sku := range []string{"milk", "tea", "coffee"} {
		b := h.stock(sku, "berlin")
		if b.Reserved != reserved[sku] || b.Sellable != 60-gone[sku] || b.Reserved > b.Sellable {
			h.t.Fatalf("%s: %d on hand and %d reserved, but orders have %d open and %d gone", sku, b.Sellable, b.Reserved, reserved[sku], gone[sku])
		}
	}
}

func TestKitsAndSinglesOverRandomHistories(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &histories{shop: open(t, servicetest.Options{}), Rand: rand.New(rand.NewPCG(seed, 1))}
			for _, sku := range []string{"milk", "tea", "coffee"} {
				h.Count(sku, 60)
			}
			h.Kit("breakfast", menus[0]...)
			h.Kit("brunch", menus[1]...)
			for n := range 200 {
				if h.step(n); n%10 == 9 {
					h.holds()
				}
			}
			h.at.Advance(24 * time.Hour) // holds end
			h.sweep()
			h.holds()
		})
	}
}
