package stock

import (
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// KitPart is what a channel can promise of one component of a kit.
type KitPart struct {
	Offer
	EnoughAt aggregates.Instant // when there is expected to be enough for one kit; 0 when there is now, or when nobody knows
}

// PartOf is what a channel can promise of the SKU as a component of which one kit takes a quantity, when its offer is known.
func (b *Balances) PartOf(o Offer, quantity int64, p *Policy, now aggregates.Instant) KitPart {
	x := KitPart{Offer: o}
	switch {
	case o.ATS >= quantity || o.Standing == NotSoldHere:
	case o.Standing == OutOfStock && o.NextAt != 0 && b.sellingRule(p.Channel).ReleaseAt == o.NextAt, o.Standing == OnPreorder:
		x.EnoughAt = o.NextAt
	case b.Expecting():
		if at, ok := b.NextAvailable(p, now, quantity); ok && at > now {
			x.EnoughAt = at
		}
	}
	return x
}

// KitsIn is how many kits there are in units of a component, of which one kit takes a quantity.
func KitsIn(units, quantity int64) int64 {
	if units == math.MaxInt64 {
		return units
	}
	return max(0, units) / quantity
}

// Withheld tells whether the SKU's own rules keep a channel from selling it at now, whatever there is of it.
func (b *Balances) Withheld(channel string, now aggregates.Instant) bool {
	rule := b.sellingRule(channel)
	return rule.Unsold || rule.ReleaseAt > now
}

// Unsold tells whether the SKU's own rules say that a channel does not sell it.
func (b *Balances) Unsold(channel string) bool { return b.sellingRule(channel).Unsold }

// KitOffer is what a channel can promise of a kit, made of its components' parts, in the order of the kit's components; own are the
// balances of the kit's own SKU, whose rules may keep a channel from selling it, until a date or at all, and say when stock is low.
//
// ATS is the lowest of the components', each by what one kit takes, rounded down: kits are sold from wherever their components lie. A
// kit is as badly off as the worst of its components, and there is one again when the last of those that lack has enough.
func KitOffer(own *Balances, parts []KitPart, p *Policy, now aggregates.Instant) Offer {
	rule, kit := own.sellingRule(p.Channel), own.AsKit()
	o := Offer{Standing: NotSoldHere}
	if p.Closed || len(p.Sites) == 0 || rule.Unsold || kit == nil {
		return o
	}
	if rule.ReleaseAt > now {
		return Offer{Standing: OutOfStock, NextAt: rule.ReleaseAt}
	}
	most := int64(math.MaxInt64)
	o.ATS = most
	for i := range parts {
		x := &parts[i]
		if x.Standing == NotSoldHere {
			return Offer{Standing: NotSoldHere}
		}
		o.ATS = min(o.ATS, KitsIn(x.ATS, kit.Components[i].Quantity))
		most = min(most, KitsIn(x.most(), kit.Components[i].Quantity))
	}
	o.Beyond = most - o.ATS
	if most == math.MaxInt64 {
		o.Beyond = Unlimited
	}
	low := rule.LowStock
	if low == 0 {
		low = p.LowStock
	}
	o.Standing, o.NextAt = kitStanding(kit, parts, &o, low)
	return o
}

// kitStanding is how a kit stands, by its components and its own threshold, and when there is one again.
func kitStanding(kit *Kit, parts []KitPart, o *Offer, low int64) (standing Standing, next aggregates.Instant) {
	if o.ATS > 0 {
		if o.ATS <= low || anyOf(parts, LowStock) {
			return LowStock, 0
		}
		return InStock, 0
	}
	switch {
	case o.Beyond == 0:
		standing = OutOfStock
	case anyOf(parts, OnPreorder):
		standing = OnPreorder
	default:
		standing = OnBackorder
	}
	for i := range parts {
		switch x := &parts[i]; {
		case x.ATS >= kit.Components[i].Quantity:
		case x.EnoughAt == 0:
			return standing, 0
		default:
			next = max(next, x.EnoughAt)
		}
	}
	return standing, next
}

func anyOf(parts []KitPart, s Standing) bool {
	return slices.ContainsFunc(parts, func(x KitPart) bool { return x.Standing == s })
}
