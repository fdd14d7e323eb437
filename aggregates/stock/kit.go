package stock

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of kits.
const (
	// MaxComponents is how many SKUs a kit is made of.
	MaxComponents = 50
	// MaxKitsOf is how many kits one SKU is a component of: as many are told of each change of it.
	MaxKitsOf = 256
	// MaxPerKit is how many base units of a component one kit takes at most: a thousand of an item with 9 decimals.
	MaxPerKit int64 = 1_000_000_000_000
)

// The names of the facts of kits. They are a contract and never change.
const (
	TypeKitDefined           = "KitDefined"
	TypeKitMembershipSet     = "KitMembershipSet"
	TypeKitReservationPlaced = "KitReservationPlaced"
	TypeKitReservationEnded  = "KitReservationEnded"
)

// Component is how many base units of a SKU one kit takes.
type Component struct {
	SKU      string
	Quantity int64
}

// Kit says what a SKU is made of. It is immutable.
type Kit struct {
	Components []Component // in order of SKU; none: the SKU is no kit
	Version    uint64      // number of definitions so far
}

// Membership says that a SKU is a component of a kit, as of the kit's definition of that number, or of one that is being made.
type Membership struct {
	Kit     string
	Version uint64
}

// Bundle is what kits have to do with a SKU. It is immutable: an event makes a new one.
type Bundle struct {
	Kit
	PartOf []Membership // in order of kit
}

type (
	// KitDefined says what a kit, the stream's SKU, is made of; with no components it is a kit no more.
	KitDefined struct {
		Components []Component // in order of SKU
		Version    uint64      // number of the definition, from 1
	}

	// KitMembershipSet says that the SKU is a component of a kit, as of a definition of that, or is so no more. While it is one it
	// cannot become a kit itself.
	KitMembershipSet struct {
		Kit     string
		Version uint64
		Ended   bool
	}

	// KitReservationPlaced says that kits are promised under an id. Their components are promised on their own streams, for an order.
	KitReservationPlaced struct {
		ReservationID string
		Channel       string
		Quantity      int64
		OrderID       string
	}

	// KitReservationEnded says that nothing is promised under the id any more.
	KitReservationEnded struct {
		ReservationID                string
		Fulfilled, Released, Expired int64
	}
)

func (*KitDefined) EventType() string           { return TypeKitDefined }
func (*KitMembershipSet) EventType() string     { return TypeKitMembershipSet }
func (*KitReservationPlaced) EventType() string { return TypeKitReservationPlaced }
func (*KitReservationEnded) EventType() string  { return TypeKitReservationEnded }

// Bundle is what kits have to do with the SKU, nil when it never was one nor in one. Do not change it.
func (b *Balances) Bundle() *Bundle { return b.bundle }

// PutBundle sets the bundle, for those who restore balances from storage.
func (b *Balances) PutBundle(x *Bundle) { b.bundle = x }

// AsKit is what the SKU is made of, nil when it is no kit.
func (b *Balances) AsKit() *Kit {
	if b.bundle == nil || len(b.bundle.Components) == 0 {
		return nil
	}
	return &b.bundle.Kit
}

// evolveKit folds an event of kits.
func (b *Balances) evolveKit(e aggregates.Event) {
	fresh := &Bundle{}
	switch e := e.(type) {
	case *KitDefined:
		if b.bundle != nil {
			fresh.PartOf = b.bundle.PartOf
		}
		fresh.Kit = Kit{Components: e.Components, Version: e.Version}
	case *KitMembershipSet:
		if b.bundle != nil {
			*fresh = *b.bundle
		}
		fresh.PartOf = fresh.with(e)
	default:
		return
	}
	b.bundle = fresh
}

func (x *Bundle) find(kit string) (int, bool) {
	return slices.BinarySearchFunc(x.PartOf, kit, func(m Membership, kit string) int { return cmp.Compare(m.Kit, kit) })
}

// with returns the memberships after a change.
func (x *Bundle) with(e *KitMembershipSet) []Membership {
	i, found := x.find(e.Kit)
	list := slices.Clone(x.PartOf)
	switch fresh := (Membership{Kit: e.Kit, Version: e.Version}); {
	case e.Ended && found:
		return slices.Delete(list, i, i+1)
	case e.Ended:
		return list
	case found:
		list[i] = fresh
		return list
	default:
		return slices.Insert(list, i, fresh)
	}
}

// Define says what a kit is made of, as its definition of a number; no components end it. The components know of it by NameComponent
// before: so whichever of two definitions comes first, no kit is made of a kit. What already is so yields no events. It returns
// *KitHoldsError when something of the SKU is in the way, *NestedKitError, *KitChangedError when another definition came first,
// *ComponentError, *BoundError.
func Define(s *State, components []Component, version uint64) ([]aggregates.Event, error) {
	components, err := CheckComponents(components)
	if err != nil {
		return nil, err
	}
	var was Bundle
	if s.bundle != nil {
		was = *s.bundle
	}
	switch {
	case slices.Equal(was.Components, components) && (len(components) > 0 || was.Version >= version):
		return nil, nil
	case version != was.Version+1:
		return nil, &KitChangedError{Version: was.Version}
	case len(components) > 0 && len(was.PartOf) > 0:
		return nil, &NestedKitError{Kits: was.PartOf}
	}
	if len(components) > 0 {
		if err := s.emptyForKit(); err != nil {
			return nil, err
		}
	}
	return append(s.registered(nil), &KitDefined{Components: components, Version: version}), nil
}

// CheckComponents returns components in order of SKU, as a definition keeps them. It returns *ComponentError or *BoundError.
func CheckComponents(components []Component) ([]Component, error) {
	if len(components) > MaxComponents {
		return nil, &BoundError{What: "components of a kit", Limit: MaxComponents}
	}
	if len(components) == 0 {
		return nil, nil
	}
	list := slices.SortedFunc(slices.Values(components), func(a, b Component) int { return cmp.Compare(a.SKU, b.SKU) })
	for i, x := range list {
		switch {
		case x.Quantity < 1 || x.Quantity > MaxPerKit:
			return nil, &ComponentError{SKU: x.SKU, Rule: fmt.Sprintf("must be 1 to %d base units for one kit, is %d", MaxPerKit, x.Quantity)}
		case i > 0 && list[i-1].SKU == x.SKU:
			return nil, &ComponentError{SKU: x.SKU, Rule: "must not be repeated"}
		}
	}
	return list, nil
}

// emptyForKit refuses to make a kit of a SKU that has something of its own.
func (s *State) emptyForKit() error {
	in := func(what string, quantity int64) error { return &KitHoldsError{What: what, Quantity: quantity} }
	if s.Item.Decimals > 0 {
		return in("decimals: kits are counted in whole ones; decimals", int64(s.Item.Decimals))
	}
	if s.Live() > 0 {
		return in("live reservations", int64(s.Live()))
	}
	for x := range s.Each {
		for c, quantity := range x.OnHand {
			if quantity != 0 {
				return in(fmt.Sprintf("stock in condition %d at location %q", c, x.Location), quantity)
			}
		}
		switch {
		case x.InTransit != 0:
			return in(fmt.Sprintf("units on their way to location %q", x.Location), x.InTransit)
		case x.Later != nil && x.Later.Incoming.Len() > 0:
			return in(fmt.Sprintf("supply that is to come to location %q, on days", x.Location), int64(x.Later.Incoming.Len()))
		}
	}
	if s.rules != nil && len(s.rules.Allocations) > 0 {
		return in("ring-fences and caps", int64(len(s.rules.Allocations)))
	}
	if s.rules != nil && slices.ContainsFunc(s.rules.Selling, SellingRule.limits) {
		return in("selling rules with limits or a sell-out threshold", 1)
	}
	return nil
}

// limits tells whether the rule says what only a SKU with stock of its own can keep.
func (r SellingRule) limits() bool { return r.Backorders != 0 || r.Preorders != 0 || r.SellOut != 0 }

// NameComponent says that the SKU is a component of a kit, as of the kit's definition of a number. What already is so yields no events. It returns
// ErrUnknownSKU, *NestedKitError when the SKU is a kit itself, or *BoundError.
func NameComponent(s *State, kit string, version uint64) ([]aggregates.Event, error) {
	if !s.Item.Registered && !s.used {
		return nil, ErrUnknownSKU
	}
	if s.AsKit() != nil {
		return nil, &NestedKitError{}
	}
	if b := s.bundle; b != nil {
		i, found := b.find(kit)
		switch {
		case found && b.PartOf[i].Version >= version:
			return nil, nil
		case !found && len(b.PartOf) >= MaxKitsOf:
			return nil, &BoundError{What: "kits of the SKU", Limit: MaxKitsOf}
		}
	}
	return []aggregates.Event{&KitMembershipSet{Kit: kit, Version: version}}, nil
}

// DropComponent says that the SKU is no component of a kit any more, as of the kit's definition of a number. A later definition's naming stays.
func DropComponent(s *State, kit string, version uint64) []aggregates.Event {
	if s.bundle == nil {
		return nil
	}
	i, found := s.bundle.find(kit)
	if !found || s.bundle.PartOf[i].Version > version {
		return nil
	}
	return []aggregates.Event{&KitMembershipSet{Kit: kit, Version: version, Ended: true}}
}

// KitUnits reads how many kits are meant, of a quantity or a decimal number. It returns *QuantityError, *NumberError or *DecimalsError.
func KitUnits(quantity int64, decimal string) (int64, error) {
	return units(quantity, decimal, &Item{}, 1)
}

// PlaceKits records that kits are promised under an id, for those who look the id up. The id's order decides.
func PlaceKits(e KitReservationPlaced) []aggregates.Event { return []aggregates.Event{&e} }

// EndKits records that nothing is promised under an id any more.
func EndKits(e KitReservationEnded) []aggregates.Event { return []aggregates.Event{&e} }

// kitFor is nil for a SKU that is no kit. For one it returns *KitError, or *NotSoldError or *InsufficientError when its own rules keep the
// channel from selling it now.
func (s *State) kitFor(p *Policy, now aggregates.Instant) error {
	kit := s.AsKit()
	if kit == nil {
		return nil
	}
	switch rule := s.sellingRule(p.Channel); {
	case p.Closed || rule.Unsold:
		return &NotSoldError{Channel: p.Channel}
	case rule.ReleaseAt > now:
		return &InsufficientError{Requested: 1}
	}
	return &KitError{Kit: *kit}
}

// kitOrdered is kitFor for an order: units that are sold already count whatever the rules.
func (s *State) kitOrdered(r *OrderRequest, p *Policy, now aggregates.Instant) error {
	err := s.kitFor(p, now)
	if _, kit := err.(*KitError); kit || r.Sold {
		return &KitError{Kit: *s.AsKit()}
	}
	var wanted int64
	for _, x := range r.Lines {
		wanted = addUp(wanted, x)
	}
	return &InsufficientError{Requested: wanted}
}

// What kits cost in memory, in bytes, about.
const sizeMember = 80

// Size is about how many bytes of memory the bundle takes.
func (x *Bundle) Size() int {
	if x == nil {
		return 0
	}
	return (1 + len(x.Components) + len(x.PartOf)) * sizeMember
}

func (w *writer) bundle(x *Bundle) {
	w.bool(x != nil)
	if x == nil {
		return
	}
	w.uint(x.Version)
	w.uint(uint64(len(x.Components)))
	for _, c := range x.Components {
		w.text(c.SKU)
		w.int(c.Quantity)
	}
	w.uint(uint64(len(x.PartOf)))
	for _, m := range x.PartOf {
		w.text(m.Kit)
		w.uint(m.Version)
	}
}

func (r *reader) bundle() *Bundle {
	if !r.bool() {
		return nil
	}
	x := &Bundle{Kit: Kit{Version: r.uint()}}
	for range r.count(2) {
		x.Components = append(x.Components, Component{SKU: r.text(), Quantity: r.int()})
	}
	for range r.count(2) {
		x.PartOf = append(x.PartOf, Membership{Kit: r.text(), Version: r.uint()})
	}
	if !slices.IsSortedFunc(x.PartOf, func(a, b Membership) int { return cmp.Compare(a.Kit, b.Kit) }) {
		r.fail()
	}
	return x
}
