package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// StepName names a step of the sum that an ATS is. The names are a contract and never change.
type StepName string

// The steps, in the order in which they are taken.
const (
	StepOnHand      StepName = "ON_HAND"        // what lies at a location, sellable
	StepReserved    StepName = "RESERVED"       // less what is promised from it for now
	StepLater       StepName = "KEPT_FOR_LATER" // less what is promised for later dates and not covered by what is to come by then
	StepSafetyStock StepName = "SAFETY_STOCK"   // less what is kept back there
	StepNotBelow    StepName = "NOT_BELOW_ZERO" // what is missing to nothing, at a location or of the whole
	StepPutAside    StepName = "PUT_ASIDE"      // less what is ring-fenced for other channels or waited for, and what a cap in a group leaves there
	StepCap         StepName = "CAP"            // less what is above the channel's own cap
	StepComponents  StepName = "COMPONENTS"     // of a kit: the kits that its components allow
	StepBuffer      StepName = "BUFFER"         // less what is kept back from the channel
	StepSellOut     StepName = "SELL_OUT"       // less what is no more than the sell-out threshold
	StepNotReleased StepName = "NOT_RELEASED"   // less all of it, before its release
	StepNotSold     StepName = "NOT_SOLD"       // less all of it: the channel is closed, or does not sell the SKU
	StepOtherMethod StepName = "OTHER_METHOD"   // less what lies where the way of handing over that is asked about is not served
)

// Step is one step of the sum, at a location or of the whole.
type Step struct {
	Name     StepName
	Location string // "" of the whole
	Amount   int64  // base units, signed
}

// Steps tells Available as a sum: the amounts of the steps add up to it, whatever the balances. Each rule of
// the availability function is a step here. Locations come in the order in which the channel sells from them.
func (b *Balances) Steps(p *Policy, now aggregates.Instant) []Step {
	var steps []Step
	var level int64
	ruled := b.rules != nil || !p.plain
	for _, x := range b.sourced(p) {
		kept, free := x.SafetyStock, x.Free(now)
		if ruled {
			kept, free = b.kept(x, p, now), b.spare(x, p, now, now)
		}
		steps = append(steps, x.steps(kept, free, now)...)
		level = addUp(level, free)
	}
	if ruled {
		return b.ruledSteps(steps, level, p, now)
	}
	buffer := max(0, p.Buffer)
	steps = addStep(steps, StepBuffer, "", -buffer)
	return addStep(steps, StepNotBelow, "", max(0, buffer-level))
}

// StepsBy tells AvailableBy as a sum. It returns *MethodError.
func (b *Balances) StepsBy(p *Policy, w Way, now aggregates.Instant) ([]Step, error) {
	steps := b.Steps(p, now)
	if !w.Is() {
		return steps, nil
	}
	ats, err := b.AvailableBy(p, w, now)
	return addStep(steps, StepOtherMethod, w.Location, ats-b.Available(p, now)), err
}

// ruledSteps appends the steps of what is free under rules.
func (b *Balances) ruledSteps(steps []Step, level int64, p *Policy, now aggregates.Instant) []Step {
	to := func(name StepName, next int64) {
		steps, level = addStep(steps, name, "", next-level), next
	}
	to(StepPutAside, b.pool(p, now, now))
	if b.rules != nil {
		if left, capped := b.capped(p.Channel, now); capped {
			to(StepCap, min(level, left))
		}
	}
	buffer := b.buffer(p, now)
	to(StepBuffer, level-buffer)
	to(StepNotBelow, max(0, level))
	rule := b.sellingRule(p.Channel)
	switch {
	case p.Closed || rule.Unsold:
		to(StepNotSold, 0)
	case rule.ReleaseAt > now:
		to(StepNotReleased, 0)
	default:
		to(StepSellOut, b.afterSellOut(level, p, &rule))
	}
	return steps
}

// sourced returns the balances at the policy's sites, first choice first.
func (b *Balances) sourced(p *Policy) (list []*Balance) {
	ranks := map[*Balance]int{}
	b.sites(p, func(rank int, x *Balance) { list, ranks[x] = append(list, x), rank })
	slices.SortFunc(list, func(x, y *Balance) int { return ranks[x] - ranks[y] })
	return list
}

// steps tells what is free as a sum; kept is the safety stock.
func (x *Balance) steps(kept, free int64, now aggregates.Instant) []Step {
	onHand, due := x.OnHand[Sellable], x.Firm(now)
	lowest, _ := x.lowest(now, now)
	steps := []Step{{StepOnHand, x.Location, onHand}}
	steps = addStep(steps, StepReserved, x.Location, -due)
	steps = addStep(steps, StepLater, x.Location, lowest-(onHand-due))
	steps = addStep(steps, StepSafetyStock, x.Location, -kept)
	return addStep(steps, StepNotBelow, x.Location, free-(lowest-kept))
}

// RuleInForce is a rule of safety stock, of the SKU's own or shared with others.
type RuleInForce struct {
	SafetyRule
	Shared bool
}

// SafetyRules returns the rules of safety stock in force at a location, the one that wins first, then those that it beats.
func (b *Balances) SafetyRules(x *Balance, p *Policy, now aggregates.Instant) []RuleInForce {
	var list []RuleInForce
	add := func(r SafetyRule, shared bool) {
		if r.Covers(now) && (r.Location == "" || r.Location == x.Location) && (r.Channel == "" || r.Channel == p.Channel) &&
			(r.Category == "" || r.Category == b.Item.Category) {
			list = append(list, RuleInForce{r, shared})
		}
	}
	if b.rules != nil {
		for _, r := range b.rules.Safety {
			add(r, false)
		}
	}
	if x.SafetyStock != 0 {
		add(SafetyRule{Location: x.Location, Portion: Portion{Units: x.SafetyStock}}, false)
	}
	for _, r := range p.Safety {
		add(r, true)
	}
	won := b.safetyRule(x, p, now)
	slices.SortStableFunc(list, func(a, b RuleInForce) int { return first(a.SafetyRule == won, b.SafetyRule == won) })
	return list
}

// addStep adds a step that changes something.
func addStep(steps []Step, name StepName, location string, amount int64) []Step {
	if amount == 0 {
		return steps
	}
	return append(steps, Step{name, location, amount})
}
