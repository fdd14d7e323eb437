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
	StepBuffer      StepName = "BUFFER"         // less what is kept back from the channel
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
	var pool int64
	for _, x := range b.sourced(p) {
		steps = append(steps, x.steps(now)...)
		pool = addUp(pool, x.Free(now))
	}
	buffer := max(0, p.Buffer)
	steps = addStep(steps, StepBuffer, "", -buffer)
	return addStep(steps, StepNotBelow, "", max(0, buffer-pool))
}

// sourced returns the balances at the policy's sites, first choice first.
func (b *Balances) sourced(p *Policy) (list []*Balance) {
	ranks := map[*Balance]int{}
	b.sites(p, func(rank int, x *Balance) { list, ranks[x] = append(list, x), rank })
	slices.SortFunc(list, func(x, y *Balance) int { return ranks[x] - ranks[y] })
	return list
}

// steps tells Free as a sum.
func (x *Balance) steps(now aggregates.Instant) []Step {
	onHand, due := x.OnHand[Sellable], x.DueNow(now)
	lowest, _ := x.lowest(now, now)
	steps := []Step{{StepOnHand, x.Location, onHand}}
	steps = addStep(steps, StepReserved, x.Location, -due)
	steps = addStep(steps, StepLater, x.Location, lowest-(onHand-due))
	steps = addStep(steps, StepSafetyStock, x.Location, -x.SafetyStock)
	return addStep(steps, StepNotBelow, x.Location, x.Free(now)-(lowest-x.SafetyStock))
}

// addStep adds a step that changes something.
func addStep(steps []Step, name StepName, location string, amount int64) []Step {
	if amount == 0 {
		return steps
	}
	return append(steps, Step{name, location, amount})
}
