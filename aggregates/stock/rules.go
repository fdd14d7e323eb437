package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of a SKU's rules.
const (
	// MaxSafetyRules is how many rules of safety stock a SKU has, those in units that stand at a location not counted.
	MaxSafetyRules = 2_000
	// MaxBufferRules is how many rules of buffers a SKU has.
	MaxBufferRules = 500
	// MaxAllocations is how many ring-fences and caps a SKU has.
	MaxAllocations = 64
	// MaxSellingRules is how many selling rules a SKU has.
	MaxSellingRules = 500
	// MaxOpening is from how many different ends, channels and locations of live reservations on a count by channel cannot
	// begin.
	MaxOpening = 20_000
)

// Rules are a SKU's own rules. They are immutable: an event makes new ones.
type Rules struct {
	Safety      Safety
	Allocations []Allocation  // in order of channel and group
	Selling     []SellingRule // in order of channel
	Buffers     Safety        // that name a channel or none
	Tallied     bool          // what is reserved is counted by channel: from the first allocation or selling rule on
}

// Rules are the SKU's own rules, nil when it never had one. Do not change them.
func (b *Balances) Rules() *Rules { return b.rules }

// PutRules sets the rules, for those who restore balances from storage.
func (b *Balances) PutRules(r *Rules) { b.rules = r }

// NextBoundary is the first instant after now at which a rule of the SKU begins or ends; 0 when there is none.
func (b *Balances) NextBoundary(now aggregates.Instant) aggregates.Instant {
	if b.rules == nil {
		return 0
	}
	next := earlier(b.rules.Safety.Next(now), b.rules.Buffers.Next(now))
	for i := range b.rules.Selling {
		if at := b.rules.Selling[i].ReleaseAt; at > now {
			next = earlier(next, at)
		}
	}
	return next
}

// tallied tells whether what is reserved is counted by channel.
func (b *Balances) tallied() bool { return b.rules != nil && b.rules.Tallied }

// changeRules gives the SKU new rules, made from a copy of those it has.
func (b *Balances) changeRules(change func(*Rules)) {
	fresh := &Rules{}
	if b.rules != nil {
		*fresh = *b.rules
	}
	change(fresh)
	b.rules = fresh
}

// setSafety folds a rule of safety stock. In units, without channel or period, it is the balance's own.
func (b *Balances) setSafety(e *SafetyStockSet) {
	rule := e.rule()
	if e.plain() {
		b.at(e.Location).SafetyStock = e.Quantity
		if b.rules != nil {
			b.changeRules(func(r *Rules) { r.Safety = r.Safety.Without(rule) })
		}
		return
	}
	if x := b.At(e.Location); x != nil && e.Location != "" && e.Channel == "" && !e.Period.Bound() {
		b.at(e.Location).SafetyStock = 0
	}
	b.changeRules(func(r *Rules) {
		if e.Ended {
			r.Safety = r.Safety.Without(rule)
		} else {
			r.Safety = r.Safety.With(rule)
		}
	})
}

// plain tells whether the rule is in units, of a location, for every channel and always. 0 units end it.
func (e *SafetyStockSet) plain() bool {
	return e.Location != "" && e.Channel == "" && e.BasisPoints == 0 && !e.Period.Bound() && !e.Explicit && !e.Ended
}

func (e *SafetyStockSet) rule() SafetyRule {
	return SafetyRule{Location: e.Location, Channel: e.Channel, Period: e.Period,
		Portion: Portion{Units: e.Quantity, BasisPoints: e.BasisPoints}}
}

// setAllocation folds a ring-fence or cap.
func (b *Balances) setAllocation(e *AllocationSet) {
	b.open(e.Opening)
	b.changeRules(func(r *Rules) {
		i, found := r.allocation(e.Channel, e.Group)
		list := slices.Clone(r.Allocations)
		fresh := Allocation{Channel: e.Channel, Group: e.Group, Locations: e.Locations, Fence: e.Fence, Capped: e.Capped, Cap: e.Cap}
		switch {
		case !found && fresh.ends():
		case !found:
			list = slices.Insert(list, i, fresh)
		case fresh.ends():
			list = slices.Delete(list, i, i+1)
		default:
			if !e.Restart {
				fresh.Left = list[i].Left
			}
			list[i] = fresh
		}
		r.Allocations = list
	})
}

// setSelling folds a selling rule.
func (b *Balances) setSelling(e *SellingRuleSet) {
	b.open(e.Opening)
	b.changeRules(func(r *Rules) {
		i, found := r.selling(e.Rule.Channel)
		list := slices.Clone(r.Selling)
		switch {
		case found && e.Ended:
			list = slices.Delete(list, i, i+1)
		case found:
			list[i] = e.Rule
		case !e.Ended:
			list = slices.Insert(list, i, e.Rule)
		}
		r.Selling = list
	})
}
