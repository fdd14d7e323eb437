package order

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// TypeKitExploded is the name of a fact, a contract that never changes.
const TypeKitExploded = "OrderKitExploded"

// KitExploded says what the order takes for a SKU that is a kit, on all of its lines and for good: what the kit is made of later
// changes nothing of it.
type KitExploded struct {
	SKU        string
	Components []stock.Component
	Version    uint64 // number of the kit's definition
}

func (*KitExploded) EventType() string { return TypeKitExploded }

// kitPrefix begins the ids of the orders that coordinate reservations of kits. No other order's does.
const kitPrefix = "kit-reservation:"

// KitReservation is the id of the order that coordinates the components of a reservation of kits.
func KitReservation(reservation string) string { return kitPrefix + reservation }

// KitReservationOf is the reservation of kits that an order coordinates the components of, when it does.
func KitReservationOf(order string) (reservation string, ok bool) {
	return strings.CutPrefix(order, kitPrefix)
}

// ComponentHold is what a reservation of kits holds of the component in a place of its kit's explosion, unless it was lost: that order has
// nothing else, and names what it wants in the order of the components.
func ComponentHold(reservation string, place int) string {
	return KitReservation(reservation) + "#" + strconv.Itoa(place+1)
}

// portion is what one unit of a kit's line takes of a group.
type portion struct {
	group int
	stock.Component
}

// Explode records what the order takes for a SKU that turned out to be a kit. It returns no events when that is recorded already: the first
// explosion of a kit stands, for lines that come later as well.
func Explode(s *State, sku string, kit stock.Kit) []aggregates.Event {
	if s.kits[sku] != nil {
		return nil
	}
	return []aggregates.Event{&KitExploded{SKU: sku, Components: kit.Components, Version: kit.Version}}
}

// Kit is what the order takes for a SKU that is a kit; nil for others.
func (s *State) Kit(sku string) []stock.Component {
	if e := s.kits[sku]; e != nil {
		return e.Components
	}
	return nil
}

// explode has every line of a kit wait for the kit's components, and what happened to its units happen to them. The kit's own SKU
// has been told nothing that counts: it refuses everything.
func (s *State) explode(e *KitExploded) {
	if s.kits[e.SKU] != nil {
		return
	}
	if s.kits == nil {
		s.kits = make(map[string]*KitExploded)
	}
	s.kits[e.SKU] = e
	for i := range s.groups {
		if g := &s.groups[i]; g.sku == e.SKU {
			g.live, g.wanted, g.dirty = false, 0, 0
		}
	}
	for i := range s.lines {
		if l := &s.lines[i]; l.SKU == e.SKU && l.group >= 0 {
			s.join(l)
		}
	}
	todo := s.todo[:0:0]
	for _, x := range s.todo {
		if x.SKU == e.SKU {
			todo = append(todo, s.partsOf(x)...)
		} else {
			todo = append(todo, x)
		}
	}
	s.todo = todo
}

// joinParts puts a line of a kit into the groups of its components.
func (s *State) joinParts(l *line, kit *KitExploded) {
	l.group = kitLine
	l.parts = make([]portion, len(kit.Components))
	for i, c := range kit.Components {
		takesOver := ""
		if l.ReservationID != "" {
			takesOver = ComponentHold(l.ReservationID, i)
		}
		l.parts[i] = portion{group: s.groupOf(keyOf(l, c.SKU, takesOver)), Component: c}
	}
}

// kitLine stands for the group of a line that has parts instead.
const kitLine = -2

// partsOf is what happened to units of a kit, told of its components. The hold is that of the component's part of the line.
func (s *State) partsOf(x Physical) (list []Physical) {
	kit := s.kits[x.SKU]
	at, found := s.lineAt[lineKey{x.Line, x.SKU}]
	held := x.Kind == stock.KindSold && found && len(s.lines[at].parts) > 0
	for i, c := range kit.Components {
		part := x
		part.SKU, part.Quantity, part.Hold = c.SKU, times(x.Quantity, c.Quantity), Hold{}
		if held {
			part.Hold = s.holdIn(s.lines[at].parts[i].group)
		}
		list = append(list, part)
	}
	return list
}

// times multiplies positive numbers; what would be more than MaxLineQuantity is that: no line counts more of a SKU.
func times(a, b int64) int64 {
	if high, low := bits.Mul64(uint64(a), uint64(b)); high == 0 && low <= uint64(MaxLineQuantity) {
		return int64(low)
	}
	return MaxLineQuantity
}

// holdIn is the hold of a group, none while nothing is wanted of it.
func (s *State) holdIn(group int) Hold {
	if g := &s.groups[group]; g.live {
		return s.holdOfGroup(g)
	}
	return Hold{}
}

// KitLine is a line of a kit, as it stands.
type KitLine struct {
	Line
	Open, Fulfilled int64 // in kits
	Lapsed          bool  // what is not open any more was not confirmed in time
}

func (s *State) kitLines() (list []KitLine) {
	for i := range s.lines {
		if l := &s.lines[i]; len(l.parts) > 0 {
			list = append(list, KitLine{Line: l.Line, Open: s.open(l), Fulfilled: l.fulfilled, Lapsed: s.reason == lapsed})
		}
	}
	return list
}

// KitReservationWith is the order that coordinates the reservation of kits which a hold is part of; "" when it is part of none.
func KitReservationWith(hold string) string {
	if i := strings.LastIndexByte(hold, '#'); i > 0 && strings.HasPrefix(hold, kitPrefix) {
		return hold[:i]
	}
	return ""
}

// PartView shows what a line of a kit holds of one component.
type PartView struct {
	stock.Component // for one kit
	Hold            Hold
}

// showParts shows the parts of a line, nil unless it is a kit's.
func (s *State) showParts(l *line) (list []PartView) {
	kit := s.kits[l.SKU]
	if kit == nil {
		return nil
	}
	for i, c := range kit.Components {
		x := PartView{Component: c}
		if len(l.parts) > 0 { // nobody has placed the line yet otherwise
			x.Hold = s.holdIn(l.parts[i].group)
		}
		list = append(list, x)
	}
	return list
}
