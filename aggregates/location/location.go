// Package location decides what a place that holds stock is, whether channels may sell from it, and which systems are
// believed about it. It knows nothing of stock.
package location

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
)

// The names of the facts, a contract that never changes.
const (
	TypeLocationDefined  = "LocationDefined"
	TypeLocationEnabled  = "LocationEnabled"
	TypeLocationDisabled = "LocationDisabled"
)

// Defined says what the location is; it replaces what was said before. A new location is enabled.
type Defined struct {
	Name     string
	Kind     string // "dc", "store", "supplier" or the retailer's own word
	TimeZone string // IANA name
}

// Enabled lets channels sell from the location again.
type Enabled struct{}

// Disabled keeps the location's stock from being sold; facts are still recorded there.
type Disabled struct{ Reason string }

// EventType names the fact.
func (*Defined) EventType() string { return TypeLocationDefined }

// EventType names the fact.
func (*Enabled) EventType() string { return TypeLocationEnabled }

// EventType names the fact.
func (*Disabled) EventType() string { return TypeLocationDisabled }

// State of a location's stream. The zero value is a location that nobody defined.
type State struct {
	Known bool
	Defined
	Disabled bool
	Owners   *Owners     // who is believed about it
	Said     said.Memory // only in commands
}

// Define decides a location's definition and whether it is enabled. What already is so yields no events.
func Define(s *State, d Defined, disabled bool) []aggregates.Event {
	if d.TimeZone == "" {
		d.TimeZone = "UTC"
	}
	var events []aggregates.Event
	if !s.Known || s.Defined != d {
		events = append(events, &d)
	}
	switch {
	case disabled && !s.Disabled:
		events = append(events, &Disabled{})
	case !disabled && s.Disabled:
		events = append(events, &Enabled{})
	}
	return events
}

// Evolve folds one event.
func (s *State) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	switch e := e.(type) {
	case *Defined:
		s.Known, s.Defined = true, *e
	case *Enabled:
		s.Disabled = false
	case *Disabled:
		s.Disabled = true
	case *OwnerAssigned:
		s.Owners = s.Owners.with(e)
	}
}
