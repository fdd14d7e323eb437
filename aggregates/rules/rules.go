// Package rules decides what is about more than one SKU, location or channel: safety stock of categories, locations and
// channels, groups of locations, and which locations may serve which way of handing over. All of it is in one stream.
package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// The names of the facts, a contract that never changes.
const (
	TypeSharedSafetySet      = "SharedSafetySet"
	TypeLocationGroupDefined = "LocationGroupDefined"
	TypeFulfilmentRuleSet    = "FulfilmentRuleSet"
	TypeRulePeriodPassed     = "RulePeriodPassed"
	TypeSharedBufferSet      = "SharedBufferSet"
)

// Bounds.
const (
	MaxSafety  = 20_000 // shared rules of safety stock
	MaxGroups  = 1_000  // groups of locations
	MaxMethods = 100    // fulfilment methods with a rule
	MaxBuffers = 20_000 // shared rules of buffers
)

type (
	// SafetySet keeps units back of every SKU that the rule is about.
	SafetySet struct {
		Rule  stock.SafetyRule
		Ended bool // there is no such rule any more
	}

	// GroupDefined names locations that rules are about together. Without locations there is no such group any more.
	GroupDefined struct {
		Group     string
		Locations []string // sorted
	}

	// FulfilmentSet says which locations may serve a way of handing over.
	FulfilmentSet struct {
		Method string
		Rule   stock.Method
		Ended  bool
	}

	// PeriodPassed says that a shared rule, or the buffer of a channel, began or ended, as it was set to.
	PeriodPassed struct{ At aggregates.Instant }
)

// EventType names the fact.
func (*SafetySet) EventType() string { return TypeSharedSafetySet }

// EventType names the fact.
func (*GroupDefined) EventType() string { return TypeLocationGroupDefined }

// EventType names the fact.
func (*FulfilmentSet) EventType() string { return TypeFulfilmentRuleSet }

// EventType names the fact.
func (*PeriodPassed) EventType() string { return TypeRulePeriodPassed }

// State of the stream. The zero value has no rules. What it holds is replaced, never changed in place.
type State struct {
	Safety  stock.Safety
	Groups  map[string][]string
	Methods map[string]stock.Method
	Moves   stock.Moves // in order of channel and location
	Returns Returns
	Passed  aggregates.Instant // boundaries up to here are recorded
	Buffers stock.Safety       // that name a category, and a channel or none
	Said    said.Memory        // only in commands
}

// ScopeError refuses a shared rule that is not about a category, a category and a location, a location, or a channel.
type ScopeError struct{ Category, Location, Channel string }

func (e *ScopeError) Error() string {
	return fmt.Sprintf("a shared rule is about a category, a category and a location, a location, or a channel; not about category %q, location %q and channel %q",
		e.Category, e.Location, e.Channel)
}

// SetSafety sets a shared rule in place of the one about the same in the same period, or ends it. What already is so yields no
// events. It returns *ScopeError, *stock.QuantityError, *stock.PeriodError and *stock.BoundError.
func SetSafety(s *State, r stock.SafetyRule, end bool) ([]aggregates.Event, error) {
	alone := r.Channel == "" || r.Category == "" && r.Location == ""
	if named := r.Category != "" || r.Location != "" || r.Channel != ""; !named || !alone {
		return nil, &ScopeError{Category: r.Category, Location: r.Location, Channel: r.Channel}
	}
	if err := stock.CheckRule(r.Portion, r.Period); err != nil {
		return nil, err
	}
	if end {
		r.Portion = stock.Portion{}
	}
	with := s.Safety.With(r)
	switch there := len(with) == len(s.Safety); {
	case end && !there, !end && s.Safety.Has(r):
		return nil, nil
	case !end && len(with) > MaxSafety:
		return nil, &stock.BoundError{What: "shared rules of safety stock", Limit: MaxSafety}
	}
	return []aggregates.Event{&SafetySet{Rule: r, Ended: end}}, nil
}

// DefineGroup says which locations a group has; none ends it. What already is so yields no events. It returns *stock.BoundError.
func DefineGroup(s *State, group string, locations []string) ([]aggregates.Event, error) {
	locations = slices.Compact(slices.Sorted(slices.Values(locations)))
	was, known := s.Groups[group]
	switch {
	case slices.Equal(was, locations):
		return nil, nil
	case !known && len(s.Groups) >= MaxGroups:
		return nil, &stock.BoundError{What: "groups of locations", Limit: MaxGroups}
	}
	return []aggregates.Event{&GroupDefined{Group: group, Locations: locations}}, nil
}

// SetFulfilment says which locations may serve a method, or ends the rule. What already is so yields no events. It returns
// *stock.BoundError.
func SetFulfilment(s *State, method string, r stock.Method, end bool) ([]aggregates.Event, error) {
	was, known := s.Methods[method]
	switch {
	case end && !known, !end && known && was.CutOff == r.CutOff && slices.Equal(was.Kinds, r.Kinds):
		return nil, nil
	case end:
		return []aggregates.Event{&FulfilmentSet{Method: method, Rule: was, Ended: true}}, nil
	case !known && len(s.Methods) >= MaxMethods:
		return nil, &stock.BoundError{What: "fulfilment methods", Limit: MaxMethods}
	}
	return []aggregates.Event{&FulfilmentSet{Method: method, Rule: r}}, nil
}

// PassPeriod records that rules began or ended, the latest at an instant that has come. What is recorded already yields no events.
func PassPeriod(s *State, at, now aggregates.Instant) []aggregates.Event {
	if at == 0 || at <= s.Passed || at > now {
		return nil
	}
	return []aggregates.Event{&PeriodPassed{At: at}}
}

// Evolve folds one event.
func (s *State) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	switch e := e.(type) {
	case *SafetySet:
		if e.Ended {
			s.Safety = s.Safety.Without(e.Rule)
		} else {
			s.Safety = s.Safety.With(e.Rule)
		}
	case *GroupDefined:
		s.Groups = with(s.Groups, e.Group, e.Locations, len(e.Locations) == 0)
	case *FulfilmentSet:
		s.Methods = with(s.Methods, e.Method, e.Rule, e.Ended)
	case *BufferSet:
		s.setBuffer(e)
	case *MoveSet:
		s.Moves = s.movesWith(e)
	case *ReturnSet:
		s.Returns = s.Returns.with(e)
	case *PeriodPassed:
		s.Passed = max(s.Passed, e.At)
	}
}

func with[V any](m map[string]V, key string, v V, gone bool) map[string]V {
	if m = maps.Clone(m); m == nil {
		m = map[string]V{}
	}
	if m[key] = v; gone {
		delete(m, key)
	}
	return m
}
