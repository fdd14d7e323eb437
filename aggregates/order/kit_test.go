package order

import (
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

var teaSet = stock.Kit{Version: 1, Components: []stock.Component{{SKU: "cup", Quantity: 4}, {SKU: "pot", Quantity: 1}}}

func (w *world) exploded(kit stock.Kit) []aggregates.Event {
	return w.own(Explode(w.state, "set", kit))
}

func TestALineOfAKitWaitsForItsComponents(t *testing.T) {
	w := begin(t)
	w.received(cart("set", 2, "cup", 1, "set", 1))
	w.wanting("set o#1 3;cup o#2 1;")
	w.exploded(teaSet)
	w.wanting("cup o#2 13;pot o#3 3;") // the component on its own line counts together with the kits'
	if len(w.state.Plan().Withdrawals) != 0 {
		t.Error("the kit's own SKU has nothing to give back")
	}
	w.own(Accept(w.state, w.state.Version, nil))
	w.is(StatusReserved)
	w.wanting("")
}

// The first explosion stands: what the kit is made of later changes nothing of the order, nor of lines that come later.
func TestAnOrderKeepsItsExplosion(t *testing.T) {
	w := begin(t)
	w.received(cart("set", 1))
	w.exploded(teaSet)
	if events := w.exploded(stock.Kit{Version: 2, Components: []stock.Component{{SKU: "pot", Quantity: 9}}}); len(events) != 0 {
		t.Errorf("exploded again: %v", events)
	}
	w.message("more", "2", func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Change(s, 1, []Line{{ID: "2", SKU: "set", Quantity: 2}}, m)
	})
	w.wanting("cup o#2 12;pot o#3 3;")
}

// What happened to kits happened to their components, whether it was known before or after that they are kits.
func TestUnitsOfKitsAreThoseOfTheirComponents(t *testing.T) {
	for _, early := range []bool{false, true} {
		w := begin(t)
		if w.received(cart("set", 3)); early {
			w.exploded(teaSet)
		}
		w.shipped("s", Part{Line: "1", SKU: "set", Quantity: 2})
		if !early {
			w.exploded(teaSet)
		}
		text := ""
		for _, x := range w.state.Plan().Physical {
			text += fmt.Sprintf("%d %s of %s v%d;", x.Quantity, x.SKU, x.Line, x.Version)
		}
		version := w.state.Version
		if !early {
			version--
		}
		if want := fmt.Sprintf("8 cup of 1 v%d;2 pot of 1 v%d;", version, version); text != want {
			t.Errorf("early %v: got %q, expected %q", early, text, want)
		}
		if v := Show(w.state, w.now); v.Lines[0].Open != 1 || v.Lines[0].Fulfilled != 2 || len(v.Lines[0].Parts) != 2 {
			t.Errorf("got %+v", v.Lines[0])
		}
	}
}

// A line of kits that is short of one component gives back what it had of the others, and other lines go on.
func TestAKitIsPromisedWhollyOrNotAtAll(t *testing.T) {
	w := begin(t)
	r := cart("set", 2, "cup", 1)
	r.Partial = true
	w.received(r)
	w.exploded(teaSet)
	w.own(Accept(w.state, w.state.Version, []Shortage{{Line: "1", SKU: "set", Requested: 2, Available: 1, Component: "pot", Reason: ShortInsufficient}}))
	w.is(StatusReserved)
	w.wanting("cup o#2 1;")
	if w := w.state.Plan().Withdrawals; len(w) != 1 || w[0].SKU != "pot" {
		t.Errorf("given back: %+v", w)
	}
}

// A reservation of kits has the components' holds by the order of its components, so that an order that takes it over finds them.
func TestHoldsOfAReservationOfKitsAreFound(t *testing.T) {
	id := KitReservation("cart")
	w := begin(t)
	w.exploded(teaSet)
	w.received(cart("set", 1))
	for i, x := range w.state.Plan().Wants {
		if got := x.Hold.ID(id); got != ComponentHold("cart", i) || KitReservationWith(got) != id {
			t.Errorf("%s is held as %q, expected %q", x.SKU, got, ComponentHold("cart", i))
		}
	}
	o := begin(t)
	r := cart("set", 1)
	r.Lines[0].ReservationID = "cart"
	o.received(r)
	o.exploded(teaSet)
	o.wanting(fmt.Sprintf("cup %s 4;pot %s 1;", ComponentHold("cart", 0), ComponentHold("cart", 1)))
	if r, ok := KitReservationOf(id); r != "cart" || !ok {
		t.Errorf("got %q", r)
	}
}

func TestAKitOfAbsurdlyManyIsCountedUpToTheBound(t *testing.T) {
	w := begin(t)
	w.received(Received{Channel: "web", ExpiresAt: noon + 900*aggregates.Second, Lines: []Line{{ID: "1", SKU: "set", Quantity: MaxLineQuantity}}})
	w.exploded(teaSet)
	w.wanting(fmt.Sprintf("cup o#2 %d;pot o#3 %d;", MaxLineQuantity, MaxLineQuantity))
}
