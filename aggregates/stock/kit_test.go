package stock

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func define(version uint64, components ...Component) step {
	return step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
		events, err := Define(w.state, components, version)
		return nil, events, err
	}}
}

func named(kit string, version uint64) step {
	return step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
		events, err := NameComponent(w.state, kit, version)
		return nil, events, err
	}}
}

func dropped(kit string, version uint64) step {
	return step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
		return nil, DropComponent(w.state, kit, version), nil
	}}
}

var (
	cups = Component{SKU: "cup", Quantity: 2}
	pots = Component{SKU: "pot", Quantity: 1}
)

func TestAKitIsDefinedAnewAndEnds(t *testing.T) {
	scenario(t).
		when(define(1, pots, cups)).then(recorded(&ItemRegistered{Unit: DefaultUnit, ByDefault: true}, &KitDefined{Components: []Component{cups, pots}, Version: 1})).
		when(define(2, cups, pots)).then(nothingRecorded()).
		when(define(3, cups)).then(refused(&KitChangedError{Version: 1})).
		when(define(2, cups)).then(recorded(&KitDefined{Components: []Component{cups}, Version: 2})).
		when(define(3)).then(recorded(&KitDefined{Version: 3})).
		when(define(3)).then(nothingRecorded()).
		when(received("berlin", 4)).then(onHand("berlin", 4))
}

func TestAKitHoldsNothingOfItsOwn(t *testing.T) {
	kit := KitError{Kit: Kit{Components: []Component{cups, pots}, Version: 1}}
	g := scenario(t).given(registered(RegisterRequest{Name: "Tea set"}), define(1, cups, pots))
	g.when(received("berlin", 5)).then(refused(&kit))
	g.when(counted("berlin", 5)).then(refused(&kit))
	g.when(sold("berlin", 1)).then(refused(&kit))
	g.when(expected("po-1", "berlin", 5, day(2))).then(refused(&kit))
	g.when(reserve("cart", 1)).then(refused(&kit))
	g.when(registered(RegisterRequest{Name: "Tea set", Decimals: 2})).then(refused(&DecimalsFixedError{Requested: 2}))
	g.when(step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Order(w.state, OrderRequest{ReservationID: "o#1", OrderID: "o", Version: 1, Lines: []int64{1}, Sold: true}, m, w.policy, w.now))
	}}).then(refused(&kit))
	g.when(step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Allocate(w.state, AllocationRequest{Channel: "web", Fence: 1}, m, w.now))
	}}).then(refused(&kit))
	g.when(step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(SetSelling(w.state, SellingRule{Backorders: 1}, m, w.now))
	}}).then(refused(&kit))
}

func TestASKUWithSomethingOfItsOwnBecomesNoKit(t *testing.T) {
	for name, given := range map[string][]step{
		"stock":    {received("berlin", 5)},
		"damaged":  {move(Movement{Kind: KindReceived, Location: "berlin", Quantity: 1, Condition: Damaged})},
		"negative": {sold("berlin", 1)},
		"supply":   {expected("po-1", "berlin", 3, day(4))},
		"transfer": {move(Movement{Kind: KindTransferShipped, Location: "hamburg", Other: "munich", Quantity: 5}), counted("hamburg", 0)},
		"hold":     {received("berlin", 5), reserve("cart", 5), move(Movement{Kind: KindAdjusted, Location: "berlin", Quantity: -5})},
		"decimals": {registered(RegisterRequest{Name: "Tea", Decimals: 3})},
	} {
		g := scenario(t).given(given...)
		g.when(define(1, cups)).then(func(w *world) {
			if _, holds := w.err.(*KitHoldsError); !holds {
				t.Errorf("%s: got %v", name, w.err)
			}
		})
	}
	scenario(t).given(received("berlin", 5), sold("berlin", 5)).when(define(1, cups)).then(recorded(&KitDefined{Components: []Component{cups}, Version: 1}))
}

// Each of two kits that are defined as being made of the other is told so before it is defined, in whatever order: neither becomes one.
func TestNoKitIsMadeOfKits(t *testing.T) {
	isPart := &NestedKitError{Kits: []Membership{{Kit: "bundle", Version: 1}}}
	g := scenario(t).given(received("berlin", 1), sold("berlin", 1), named("bundle", 1))
	g.when(define(1, cups)).then(refused(isPart))
	g.when(dropped("bundle", 1)).then(recorded(&KitMembershipSet{Kit: "bundle", Version: 1, Ended: true})).
		when(define(1, cups)).then(recorded(&KitDefined{Components: []Component{cups}, Version: 1})).
		when(named("bundle", 2)).then(refused(&NestedKitError{}))
	scenario(t).when(named("bundle", 1)).then(refused(ErrUnknownSKU))
}

func TestALaterDefinitionsNamingStays(t *testing.T) {
	g := scenario(t).given(received("berlin", 1), named("bundle", 2))
	g.when(dropped("bundle", 1)).then(nothingRecorded())
	g.when(named("bundle", 1)).then(nothingRecorded())
	g.when(named("bundle", 3)).then(recorded(&KitMembershipSet{Kit: "bundle", Version: 3}))
	for i := range MaxKitsOf - 1 {
		g.given(named(fmt.Sprintf("kit %03d", i), 1))
	}
	g.when(named("one more", 1)).then(refused(&BoundError{What: "kits of the SKU", Limit: MaxKitsOf}))
}

func TestComponentsAreChecked(t *testing.T) {
	scenario(t).when(define(1, Component{SKU: "cup"})).then(refused(&ComponentError{SKU: "cup", Rule: "must be 1 to 1000000000000 base units for one kit, is 0"})).
		when(define(1, cups, cups)).then(refused(&ComponentError{SKU: "cup", Rule: "must not be repeated"})).
		when(define(1, make([]Component, MaxComponents+1)...)).then(refused(&BoundError{What: "components of a kit", Limit: MaxComponents}))
}

func TestAKitIsNotSoldWhereItsOwnRulesForbid(t *testing.T) {
	rule := func(r SellingRule) step {
		return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(SetSelling(w.state, r, m, w.now))
		}}
	}
	g := scenario(t).given(define(1, cups), rule(SellingRule{Channel: "web", Unsold: true}))
	g.when(reserve("cart", 1)).then(refused(&NotSoldError{Channel: "web"}))
	g.given(rule(SellingRule{Channel: "web", ReleaseAt: clock("18:00")}))
	g.when(reserve("cart", 1)).then(refused(&InsufficientError{Requested: 1}))
	g.given(wait(6 * time.Hour)).when(reserve("cart", 1)).then(refused(&KitError{Kit: Kit{Components: []Component{cups}, Version: 1}}))
}

func TestAKitStandsAsItsComponentsDo(t *testing.T) {
	policy := NewPolicy("web", []string{"berlin"}, 0, 900)
	own := &Balances{}
	own.Evolve(&KitDefined{Components: []Component{cups, pots}, Version: 1})
	part := func(ats, beyond int64, s Standing, at aggregates.Instant) KitPart {
		return KitPart{Offer: Offer{ATS: ats, Beyond: beyond, Standing: s}, EnoughAt: at}
	}
	for name, x := range map[string]struct {
		cup, pot KitPart
		want     Offer
	}{
		"the fewest count":        {part(7, 0, InStock, 0), part(9, 0, InStock, 0), Offer{ATS: 3, Standing: InStock}},
		"low as the lowest":       {part(7, 0, LowStock, 0), part(9, 0, InStock, 0), Offer{ATS: 3, Standing: LowStock}},
		"one cup is not enough":   {part(1, 0, InStock, 50), part(9, 0, InStock, 0), Offer{Standing: OutOfStock, NextAt: 50}},
		"the latest date counts":  {part(1, 0, InStock, 50), part(0, 0, OutOfStock, 90), Offer{Standing: OutOfStock, NextAt: 90}},
		"one date is not known":   {part(1, 0, InStock, 50), part(0, 0, OutOfStock, 0), Offer{Standing: OutOfStock}},
		"back order of one":       {part(1, 5, InStock, 50), part(4, 0, InStock, 0), Offer{Beyond: 3, Standing: OnBackorder, NextAt: 50}},
		"unlimited back orders":   {part(0, Unlimited, OnBackorder, 0), part(2, Unlimited, InStock, 0), Offer{Beyond: Unlimited, Standing: OnBackorder}},
		"limited by the other":    {part(0, Unlimited, OnBackorder, 0), part(2, 0, InStock, 0), Offer{Beyond: 2, Standing: OnBackorder}},
		"a pre-order":             {part(0, 8, OnPreorder, 70), part(0, 8, OnBackorder, 50), Offer{Beyond: 4, Standing: OnPreorder, NextAt: 70}},
		"a component is not sold": {part(9, 0, InStock, 0), part(0, 0, NotSoldHere, 0), Offer{Standing: NotSoldHere}},
	} {
		if got := KitOffer(own, []KitPart{x.cup, x.pot}, policy, 10); got != x.want {
			t.Errorf("%s: got %+v, expected %+v", name, got, x.want)
		}
	}
	own.Evolve(&SellingRuleSet{Rule: SellingRule{Channel: "web", LowStock: 3}})
	if got := KitOffer(own, []KitPart{part(7, 0, InStock, 0), part(9, 0, InStock, 0)}, policy, 10); got.Standing != LowStock {
		t.Errorf("at its own threshold it is %s", got.Standing)
	}
}

// As many kits as the offer says can be taken out of what the components have, and one more cannot.
func TestAKitsATSIsAllThatItsComponentsGive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := NewPolicy("web", []string{"berlin"}, 0, 900)
		n := rapid.IntRange(1, 5).Draw(t, "components")
		own, components := &Balances{}, make([]Component, n)
		parts := make([]KitPart, n)
		for i := range n {
			components[i] = Component{SKU: fmt.Sprint(i), Quantity: rapid.Int64Range(1, 9).Draw(t, "quantity")}
			var s Balances
			s.Evolve(&StockReceived{Location: "berlin", Quantity: rapid.Int64Range(0, 60).Draw(t, "stock")})
			parts[i] = s.PartOf(s.Offer(policy, 1), components[i].Quantity, policy, 1)
		}
		own.Evolve(&KitDefined{Components: components, Version: 1})
		fits := func(kits int64) bool {
			for i, c := range components {
				if kits*c.Quantity > parts[i].ATS {
					return false
				}
			}
			return true
		}
		o := KitOffer(own, parts, policy, 1)
		if !fits(o.ATS) || fits(o.ATS+1) || (o.ATS > 0) != (o.Standing == InStock) || o.Beyond != 0 {
			t.Fatalf("%+v of %+v", o, parts)
		}
	})
}
