package stock

import "unsafe"

// What parts of a state cost in memory, in bytes, about: the struct, its share of slices and maps, and texts of usual
// length. Measured by TestSizeIsAboutRight.
const (
	sizeState    = int(unsafe.Sizeof(State{}))
	sizeBalance  = int(unsafe.Sizeof(Balance{})) + int(unsafe.Sizeof(journal{})) + 32
	sizeEntry    = int(unsafe.Sizeof(entry{})) * 3 / 2
	sizePlace    = int(unsafe.Sizeof(&kept{})) * 9 / 8        // of a reservation in a list
	sizeEnd      = sizePlace + int(unsafe.Sizeof(Hold{}))*9/8 // of a hold, here and where its location counts it
	sizeEnded    = int(unsafe.Sizeof(endedAt{})) * 9 / 8
	sizeKey      = int(unsafe.Sizeof(seenKey{}))*3/2 + 40
	sizeCall     = sizeKey + int(unsafe.Sizeof(Reservation{})) + 24
	sizeDocument = int(unsafe.Sizeof(supplyEntry{})) + int(unsafe.Sizeof(supplyKey{})) + int(unsafe.Sizeof(supplyReceipt{})) + 120
	sizeLine     = int(unsafe.Sizeof(supplyLine{})) + 24
	sizeOrigin   = int(unsafe.Sizeof(origin{})) + 32
)

// tightUpTo is up to how many elements a list has room for no more than it needs. Most SKUs lie at a few locations and have been heard of a few
// times: over all of them, the room that append leaves would take as much memory as what is in it.
const tightUpTo = 16

// tight returns a list with room for one more element at least, and not for many more while it is short.
func tight[T any](list []T) []T {
	if len(list) < cap(list) || len(list) >= tightUpTo {
		return list
	}
	return append(make([]T, 0, len(list)+1+len(list)/4), list...)
}

// size is how many bytes of memory a reservation takes itself.
func (k *kept) size() int {
	n := int(unsafe.Sizeof(kept{})) + sizeText(k.id)
	if k.more == nil {
		return n
	}
	n += int(unsafe.Sizeof(more{})) + sizeText(k.more.order)
	p := k.more.parted
	if p == nil {
		return n
	}
	n += int(unsafe.Sizeof(parted{})) + len(p.placed)*int(unsafe.Sizeof(Split{})) + len(p.supply)*int(unsafe.Sizeof(SupplyUse{}))
	if len(p.splits) > 0 && (len(p.placed) == 0 || &p.splits[0] != &p.placed[0]) {
		n += len(p.splits) * int(unsafe.Sizeof(Split{}))
	}
	return n
}

// sizeText is how many bytes of memory a text takes that nobody shares.
func sizeText(s string) int { return (len(s) + 15) &^ 15 }

// lessRoom returns a list that has become much shorter without the room it no longer needs.
func lessRoom[T any](list []T) []T {
	if cap(list) <= tightUpTo || len(list) > cap(list)/4 {
		return list
	}
	return append(make([]T, 0, len(list)+len(list)/4), list...)
}

// Size is about how many bytes of memory the state takes, for whoever bounds a cache of states. It costs the same for any state.
func (s *State) Size() int {
	supply := 0
	if s.supply != nil {
		supply = len(s.supply.documents)*sizeDocument + s.supply.lines*sizeLine
	}
	return s.rules.Size() + s.said.Size() + s.bundle.Size() + sizeState + supply + len(s.list)*sizeBalance + s.entries*sizeEntry + s.reservations.bytes + s.reservations.len()*sizePlace +
		len(s.due)*sizeEnd + s.ended.len()*sizeEnded + s.facts.len()*sizeKey + s.calls.len()*sizeCall + len(s.origins)*sizeOrigin
}

// What a rule costs in memory, in bytes, about.
const (
	sizeRule     = int(unsafe.Sizeof(SafetyRule{})) + 32
	sizeLocation = 32
)

// Size is about how many bytes of memory the rules take. What reservations hold by channel is not in it: it is about what they hold by location.
func (r *Rules) Size() int {
	if r == nil {
		return 0
	}
	n := (len(r.Safety) + len(r.Buffers) + len(r.Allocations) + len(r.Selling)) * sizeRule
	for i := range r.Allocations {
		n += len(r.Allocations[i].Locations) * sizeLocation
	}
	return n
}
