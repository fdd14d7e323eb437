package stock

import (
	"cmp"
	"slices"
)

// The part of a snapshot that is about rules. It is a single 0 for a SKU that never had one.

func (w *writer) rules(r *Rules) {
	w.bool(r != nil)
	if r == nil {
		return
	}
	w.bool(r.Tallied)
	w.uint(uint64(len(r.Safety)))
	for i := range r.Safety {
		w.safety(&r.Safety[i])
	}
	w.uint(uint64(len(r.Buffers)))
	for i := range r.Buffers {
		w.safety(&r.Buffers[i])
	}
	w.uint(uint64(len(r.Allocations)))
	for i := range r.Allocations {
		w.allocation(&r.Allocations[i])
	}
	w.uint(uint64(len(r.Selling)))
	for i := range r.Selling {
		w.selling(&r.Selling[i])
	}
}

func (w *writer) safety(r *SafetyRule) {
	w.word(r.Category)
	w.word(r.Location)
	w.word(r.Channel)
	w.int(r.Units)
	w.int(r.BasisPoints)
	w.time(r.From)
	w.time(r.Until)
}

func (w *writer) allocation(a *Allocation) {
	w.word(a.Channel)
	w.word(a.Group)
	w.uint(uint64(len(a.Locations)))
	for _, l := range a.Locations {
		w.word(l)
	}
	w.int(a.Fence)
	w.bool(a.Capped)
	w.int(a.Cap)
	w.int(a.Left)
}

func (w *writer) selling(r *SellingRule) {
	w.word(r.Channel)
	w.bool(r.Unsold)
	w.int(r.Backorders)
	w.time(r.ReleaseAt)
	w.int(r.Preorders)
	w.int(r.LowStock)
	w.int(r.SellOut)
}

func (w *writer) uses(list []Use) {
	w.uint(uint64(len(list)))
	for i := range list {
		u := &list[i]
		w.word(u.Channel)
		w.bool(u.Backordered)
		w.int(u.Reserved)
		w.uint(uint64(u.Holds.Len()))
		for h := range u.Holds.Each {
			w.time(h.Until)
			w.int(h.Quantity)
		}
	}
}

func (r *reader) rules() *Rules {
	if !r.bool() {
		return nil
	}
	x := &Rules{Tallied: r.bool()}
	for range r.count(7) {
		x.Safety = append(x.Safety, r.safety())
	}
	for range r.count(7) {
		x.Buffers = append(x.Buffers, r.safety())
	}
	for range r.count(7) {
		x.Allocations = append(x.Allocations, r.allocation())
	}
	for range r.count(7) {
		x.Selling = append(x.Selling, SellingRule{Channel: r.word(), Unsold: r.bool(), Backorders: r.int(), ReleaseAt: r.time(),
			Preorders: r.int(), LowStock: r.int(), SellOut: r.int()})
	}
	if !x.ordered() {
		r.fail()
	}
	return x
}

func (r *reader) safety() SafetyRule {
	return SafetyRule{Category: r.word(), Location: r.word(), Channel: r.word(),
		Portion: Portion{Units: r.int(), BasisPoints: r.int()}, Period: Period{From: r.time(), Until: r.time()}}
}

// ordered tells whether the rules are in order, which finding them relies on.
func (r *Rules) ordered() bool {
	return slices.IsSortedFunc(r.Safety, func(a, b SafetyRule) int { return a.order(&b) }) &&
		slices.IsSortedFunc(r.Buffers, func(a, b SafetyRule) int { return a.order(&b) }) &&
		slices.IsSortedFunc(r.Allocations, func(a, b Allocation) int {
			return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Group, b.Group))
		}) &&
		slices.IsSortedFunc(r.Selling, func(a, b SellingRule) int { return cmp.Compare(a.Channel, b.Channel) })
}

func (r *reader) allocation() Allocation {
	a := Allocation{Channel: r.word(), Group: r.word()}
	for range r.count(1) {
		a.Locations = append(a.Locations, r.word())
	}
	a.Fence, a.Capped, a.Cap, a.Left = r.int(), r.bool(), r.int(), r.int()
	return a
}

func (r *reader) uses() (list []Use) {
	for range r.count(4) {
		u := Use{Channel: r.word(), Backordered: r.bool(), Reserved: r.int()}
		for range r.count(2) {
			until := r.time()
			u.Holds.Add(until, r.int())
		}
		list = append(list, u)
	}
	return list
}
