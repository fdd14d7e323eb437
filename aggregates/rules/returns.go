package rules

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// TypeReturnRuleSet names the fact, a contract that never changes.
const TypeReturnRuleSet = "ReturnRuleSet"

// MaxReturns bounds the rules of returns.
const MaxReturns = 20_000

// ReturnRule says in which condition units that come back lie, when nobody says.
type ReturnRule struct {
	SKU      string // "" for every
	Category string // "" for every; not with a SKU
	Channel  string // that they were sold on; "" for every
	// Condition is stock.Inspection also for units that are said to be sellable at once: somebody must look at them first.
	Condition stock.Condition
}

// ReturnSet sets or ends a rule of returns.
type ReturnSet struct {
	Rule  ReturnRule
	Ended bool // there is no such rule any more
}

// EventType names the fact.
func (*ReturnSet) EventType() string { return TypeReturnRuleSet }

// Returns are rules of returns, in order of SKU, category and channel, no two about the same.
type Returns []ReturnRule

// Of is the rule about a SKU of a category, sold on a channel; ok is false when there is none. The most specific one counts, wholly: of SKU and channel, of
// the SKU, of category and channel, of the category, of the channel, of none of them.
func (l Returns) Of(sku, category, channel string) (r ReturnRule, ok bool) {
	about := []ReturnRule{{SKU: sku, Channel: channel}, {SKU: sku}, {Category: category, Channel: channel}, {Category: category}, {Channel: channel}, {}}
	for _, x := range about {
		if i, found := l.find(x); found {
			return l[i], true
		}
	}
	return ReturnRule{}, false
}

// ConditionOf is the condition in which returned units lie: as said, or by the rule when nobody said or the rule wants them looked at. Without a
// rule, and a word, they wait for inspection.
func (l Returns) ConditionOf(sku, category, channel string, said stock.Condition, isSaid bool) stock.Condition {
	r, ok := l.Of(sku, category, channel)
	switch {
	case ok && (!isSaid || said == stock.Sellable && r.Condition == stock.Inspection):
		return r.Condition
	case isSaid:
		return said
	}
	return stock.Inspection
}

func (l Returns) find(r ReturnRule) (int, bool) {
	return slices.BinarySearchFunc(l, r, func(a, b ReturnRule) int {
		return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Channel, b.Channel))
	})
}

// SetReturn sets a rule of returns in place of the one about the same, or ends it. What already is so yields no events. It returns
// *ReturnScopeError and *stock.BoundError.
func SetReturn(s *State, r ReturnRule, end bool) ([]aggregates.Event, error) {
	if r.SKU != "" && r.Category != "" {
		return nil, &ReturnScopeError{SKU: r.SKU, Category: r.Category}
	}
	i, known := s.Returns.find(r)
	switch {
	case end && !known, !end && known && s.Returns[i] == r:
		return nil, nil
	case end:
		return []aggregates.Event{&ReturnSet{Rule: s.Returns[i], Ended: true}}, nil
	case !known && len(s.Returns) >= MaxReturns:
		return nil, &stock.BoundError{What: "rules of returns", Limit: MaxReturns}
	}
	return []aggregates.Event{&ReturnSet{Rule: r}}, nil
}

func (l Returns) with(e *ReturnSet) Returns {
	i, known := l.find(e.Rule)
	return settled(l, i, known, e.Rule, e.Ended)
}

// ReturnScopeError refuses a rule about a SKU and a category at once.
type ReturnScopeError struct{ SKU, Category string }

func (e *ReturnScopeError) Error() string {
	return fmt.Sprintf("a rule of returns is about SKU %q or about category %q, not both", e.SKU, e.Category)
}
