// Package channel decides what a sales channel is: which locations it sells from, in which order, how long its
// holds last and what is kept back from it. It knows nothing of stock; package stock takes what is
// decided here as its policy.
package channel

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// TypeChannelDefined is the name of the fact, a contract that never changes.
const TypeChannelDefined = "ChannelDefined"

// DefaultHoldSeconds is how long a hold lasts when neither the request nor the channel says.
const DefaultHoldSeconds = 900

// Defined says what the channel is from now on; it replaces what was said before.
type Defined struct {
	Name        string
	Sourcing    []string // locations, first choice first
	HoldSeconds int64
	Buffer      int64 // base units kept back per SKU
}

// EventType names the fact.
func (*Defined) EventType() string { return TypeChannelDefined }

// State of a channel's stream. The zero value is a channel that nobody defined.
type State struct {
	Known bool
	Defined
}

// Define decides a channel's definition. Defining it again as it is yields no events.
func Define(s *State, d Defined) []aggregates.Event {
	if d.HoldSeconds == 0 {
		d.HoldSeconds = DefaultHoldSeconds
	}
	if s.Known && s.same(d) {
		return nil
	}
	return []aggregates.Event{&d}
}

func (s *State) same(d Defined) bool {
	return s.Name == d.Name && s.HoldSeconds == d.HoldSeconds && s.Buffer == d.Buffer &&
		slices.Equal(s.Sourcing, d.Sourcing)
}

// Evolve folds one event.
func (s *State) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	if d, ok := e.(*Defined); ok {
		s.Known, s.Defined = true, *d
	}
}
