package stock

import (
	"cmp"
	"slices"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
)

// WholeBasisPoints is all of it, in hundredths of a percent.
const WholeBasisPoints int64 = 10_000

// Portion is a quantity kept back: base units, or hundredths of a percent of what is on hand, rounded up. One of both is 0.
type Portion struct {
	Units       int64
	BasisPoints int64 // 0 to WholeBasisPoints
}

// Of is the portion of a quantity on hand, in base units; never negative.
func (p Portion) Of(onHand int64) int64 {
	if p.BasisPoints == 0 {
		return max(0, p.Units)
	}
	if onHand <= 0 {
		return 0
	}
	whole, rest := onHand/WholeBasisPoints, onHand%WholeBasisPoints
	return whole*p.BasisPoints + (rest*p.BasisPoints+WholeBasisPoints-1)/WholeBasisPoints
}

// Period is when a rule is in force: from From on and before Until; 0 stands for always.
type Period struct {
	From, Until aggregates.Instant
}

// Covers tells whether the period includes an instant.
func (p Period) Covers(now aggregates.Instant) bool {
	return p.From <= now && (p.Until == 0 || now < p.Until)
}

// Bound tells whether the period begins or ends.
func (p Period) Bound() bool { return p != Period{} }

// Next is the first instant after now at which the period begins or ends; 0 when there is none.
func (p Period) Next(now aggregates.Instant) aggregates.Instant {
	switch {
	case p.From > now:
		return p.From
	case p.Until > now:
		return p.Until
	}
	return 0
}

// earlier is the smaller of two instants, of which 0 is none.
func earlier(a, b aggregates.Instant) aggregates.Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// SafetyRule keeps units back at a location. Which location, channel and category it is about depends on what it names: an
// SKU's own rules name a location, a channel, both or neither; the shared rules a category and a location, a category,
// a location, or a channel. A rule that names no location is about each one.
type SafetyRule struct {
	Category, Location, Channel string
	Portion
	Period
}

// order sorts rules by what they are about, and of rules about the same, first the one that wins: a rule for a time beats the
// standing one; of two for a time, the one that begins later; then the one that ends earlier.
func (r *SafetyRule) order(o *SafetyRule) int {
	if c := r.about(o); c != 0 {
		return c
	}
	if r.Bound() != o.Bound() {
		return order(r.Bound())
	}
	return cmp.Or(-cmp.Compare(r.From, o.From), cmp.Compare(uint64(r.Until)-1, uint64(o.Until)-1)) // an end of 0 is the latest
}

func (r *SafetyRule) about(o *SafetyRule) int {
	return cmp.Or(cmp.Compare(r.Category, o.Category), cmp.Compare(r.Location, o.Location), cmp.Compare(r.Channel, o.Channel))
}

// Safety is a list of rules in their order, no two of them about the same in the same period: so there are no ties.
type Safety []SafetyRule

// With returns the list with a rule, in place of the one about the same in the same period.
func (s Safety) With(r SafetyRule) Safety {
	i, found := s.find(&r)
	if found {
		s = slices.Clone(s)
		s[i] = r
		return s
	}
	return slices.Insert(slices.Clip(slices.Clone(s)), i, r)
}

// Without returns the list without the rule about the same in the same period.
func (s Safety) Without(r SafetyRule) Safety {
	if i, found := s.find(&r); found {
		return slices.Delete(slices.Clone(s), i, i+1)
	}
	return s
}

// Has tells whether the very rule is in the list.
func (s Safety) Has(r SafetyRule) bool {
	i, found := s.find(&r)
	return found && s[i] == r
}

func (s Safety) find(r *SafetyRule) (int, bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].order(r) >= 0 })
	return i, i < len(s) && s[i].order(r) == 0
}

// At returns the rule in force that is about exactly these, if there is one.
func (s Safety) At(category, location, channel string, now aggregates.Instant) *SafetyRule {
	if len(s) == 0 {
		return nil
	}
	key := SafetyRule{Category: category, Location: location, Channel: channel}
	i := sort.Search(len(s), func(i int) bool { return s[i].about(&key) >= 0 })
	for ; i < len(s) && s[i].about(&key) == 0; i++ {
		if s[i].Covers(now) {
			return &s[i]
		}
	}
	return nil
}

// Next is the first instant after now at which a rule begins or ends; 0 when there is none.
func (s Safety) Next(now aggregates.Instant) (next aggregates.Instant) {
	for i := range s {
		next = earlier(next, s[i].Period.Next(now))
	}
	return next
}

// kept is what a policy keeps back at a location at now: by the most specific rule in force, which wins wholly.
func (b *Balances) kept(x *Balance, p *Policy, now aggregates.Instant) int64 {
	rule := b.safetyRule(x, p, now)
	return rule.Portion.Of(x.OnHand[Sellable])
}

// safetyRule is the rule in force at a location. The levels are, most specific first: SKU, location and channel; SKU and
// location; SKU and channel; SKU; category and location; category; location; channel. No rule keeps nothing.
func (b *Balances) safetyRule(x *Balance, p *Policy, now aggregates.Instant) SafetyRule {
	if b.rules != nil {
		own := b.rules.Safety
		if r := own.At("", x.Location, p.Channel, now); r != nil {
			return *r
		}
		// The standing rule of SKU and location is the balance's own when it is in units; one for a time beats it.
		if r := own.At("", x.Location, "", now); r != nil && (r.Bound() || x.SafetyStock == 0) {
			return *r
		}
	}
	if x.SafetyStock != 0 {
		return SafetyRule{Location: x.Location, Portion: Portion{Units: x.SafetyStock}}
	}
	if b.rules != nil {
		own := b.rules.Safety
		if r := own.At("", "", p.Channel, now); r != nil {
			return *r
		}
		if r := own.At("", "", "", now); r != nil {
			return *r
		}
	}
	return p.sharedSafety(b.Item.Category, x.Location, now)
}

func (p *Policy) sharedSafety(category, location string, now aggregates.Instant) SafetyRule {
	if category != "" {
		if r := p.Safety.At(category, location, "", now); r != nil {
			return *r
		}
		if r := p.Safety.At(category, "", "", now); r != nil {
			return *r
		}
	}
	if r := p.Safety.At("", location, "", now); r != nil {
		return *r
	}
	if r := p.Safety.At("", "", p.Channel, now); r != nil {
		return *r
	}
	return SafetyRule{}
}
