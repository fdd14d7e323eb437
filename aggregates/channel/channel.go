// Package channel decides what a sales channel is: which locations it sells from, in which order, how long its
// holds last and what is kept back from it. It knows nothing of stock; package stock takes what is
// decided here as its policy.
package channel

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
)

// The names of the facts, a contract that never changes.
const (
	TypeChannelDefined = "ChannelDefined"
	TypeChannelRetired = "ChannelRetired"
)

// DefaultHoldSeconds is how long a hold lasts when neither the request nor the channel says.
const DefaultHoldSeconds = 900

// Defined says what the channel is from now on; it replaces what was said before.
type Defined struct {
	Name        string
	Sourcing    []string // locations, first choice first
	HoldSeconds int64
	Buffer      int64 // base units kept back per SKU
	Terms
}

// Terms are how the channel sells, beside that. The zero value says nothing more.
type Terms struct {
	Disabled          bool     // nothing is sold
	SourcingGroups    []string // groups of locations to sell from as well, after Sourcing
	Strategy          int      // 0 priority order, 1 most stock first, 2 fewest splits, 3 the location that the request names
	MaxSplits         int      // of one reservation; 0 for any number
	BufferBasisPoints int64    // instead of Buffer: hundredths of a percent of what is on hand
	BufferFrom        aggregates.Instant
	BufferUntil       aggregates.Instant
	LowStock          int64 // ATS up to which stock is low
	SellOut           int64 // ATS up to which there is nothing to sell
}

// Retired ends the channel: it sells nothing, until it is defined anew.
type Retired struct{ Reason string }

// EventType names the fact.
func (*Retired) EventType() string { return TypeChannelRetired }

// EventType names the fact.
func (*Defined) EventType() string { return TypeChannelDefined }

// State of a channel's stream. The zero value is a channel that nobody defined.
type State struct {
	Known   bool
	Retired bool
	Defined
	Said said.Memory // only in commands
}

// Sells tells whether the channel sells anything.
func (s *State) Sells() bool { return s.Known && !s.Retired && !s.Disabled }

// Retire ends a channel. One that is retired, or that nobody defined, stays as it is.
func Retire(s *State, reason string) []aggregates.Event {
	if !s.Known || s.Retired {
		return nil
	}
	return []aggregates.Event{&Retired{Reason: reason}}
}

// Define decides a channel's definition. Defining it again as it is yields no events.
func Define(s *State, d Defined) []aggregates.Event {
	if d.HoldSeconds == 0 {
		d.HoldSeconds = DefaultHoldSeconds
	}
	if s.Known && !s.Retired && s.same(d) {
		return nil
	}
	return []aggregates.Event{&d}
}

// DefineRetired decides the definition of a channel that is at an end, at once. What already is so yields no events.
func DefineRetired(s *State, d Defined) []aggregates.Event {
	if d.HoldSeconds == 0 {
		d.HoldSeconds = DefaultHoldSeconds
	}
	if s.Known && s.Retired && s.same(d) {
		return nil
	}
	if s.Known && s.same(d) {
		return []aggregates.Event{&Retired{}}
	}
	return []aggregates.Event{&d, &Retired{}}
}

func (s *State) same(d Defined) bool {
	return s.Name == d.Name && s.HoldSeconds == d.HoldSeconds && s.Buffer == d.Buffer &&
		slices.Equal(s.Sourcing, d.Sourcing) && s.Terms.same(&d.Terms)
}

func (t *Terms) same(o *Terms) bool {
	return t.Disabled == o.Disabled && slices.Equal(t.SourcingGroups, o.SourcingGroups) && t.Strategy == o.Strategy &&
		t.MaxSplits == o.MaxSplits && t.BufferBasisPoints == o.BufferBasisPoints && t.BufferFrom == o.BufferFrom &&
		t.BufferUntil == o.BufferUntil && t.LowStock == o.LowStock && t.SellOut == o.SellOut
}

// Evolve folds one event.
func (s *State) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	switch e := e.(type) {
	case *Defined:
		s.Known, s.Retired, s.Defined = true, false, *e
	case *Retired:
		s.Retired = true
	}
}
