package channel

import (
	"reflect"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// define decides and folds one definition, and returns what was recorded. Deciding leaves the state as it is.
func define(t *testing.T, s *State, d Defined) []aggregates.Event {
	t.Helper()
	before := *s
	events := Define(s, d)
	if !reflect.DeepEqual(before, *s) {
		t.Fatal("a decision changed the state")
	}
	for _, e := range events {
		s.Evolve(e, aggregates.Metadata{})
	}
	return events
}

func web() Defined {
	return Defined{Name: "Web shop", Sourcing: []string{"berlin", "hamburg"}, HoldSeconds: 600, Buffer: 2}
}

func TestDefine(t *testing.T) {
	var s State
	d := web()
	if got := define(t, &s, d); !reflect.DeepEqual(got, []aggregates.Event{&d}) {
		t.Fatalf("recorded %+v", got)
	}
	if !s.Known || !reflect.DeepEqual(s.Defined, web()) {
		t.Fatalf("%+v", s)
	}
}

func TestDefineAgainAsItIs(t *testing.T) {
	var s State
	define(t, &s, web())
	if got := define(t, &s, web()); got != nil {
		t.Fatalf("recorded %+v", got)
	}
}

func TestDefineWithADifference(t *testing.T) {
	differences := map[string]func(d *Defined){
		"name":         func(d *Defined) { d.Name = "Web" },
		"hold":         func(d *Defined) { d.HoldSeconds = 601 },
		"buffer":       func(d *Defined) { d.Buffer = 0 },
		"order":        func(d *Defined) { d.Sourcing = []string{"hamburg", "berlin"} },
		"one less":     func(d *Defined) { d.Sourcing = d.Sourcing[:1] },
		"no location":  func(d *Defined) { d.Sourcing = nil },
		"default hold": func(d *Defined) { d.HoldSeconds = 0 },
		"disabled":     func(d *Defined) { d.Disabled = true },
		"groups":       func(d *Defined) { d.SourcingGroups = []string{"north"} },
		"strategy":     func(d *Defined) { d.Strategy = 1 },
		"splits":       func(d *Defined) { d.MaxSplits = 1 },
		"share":        func(d *Defined) { d.BufferBasisPoints = 1 },
		"from":         func(d *Defined) { d.BufferFrom = 1 },
		"until":        func(d *Defined) { d.BufferUntil = 1 },
		"low stock":    func(d *Defined) { d.LowStock = 1 },
		"sell-out":     func(d *Defined) { d.SellOut = 1 },
		"one more":     func(d *Defined) { d.Sourcing = append(d.Sourcing, "munich") },
	}
	for what, change := range differences {
		t.Run(what, func(t *testing.T) {
			var s State
			define(t, &s, web())
			d := web()
			change(&d)
			if got := define(t, &s, d); len(got) != 1 {
				t.Fatalf("recorded %+v", got)
			}
			if d.HoldSeconds == 0 {
				d.HoldSeconds = DefaultHoldSeconds
			}
			if !s.Known || !reflect.DeepEqual(s.Defined, d) {
				t.Fatalf("%+v", s)
			}
			if got := define(t, &s, d); got != nil {
				t.Fatalf("recorded %+v", got)
			}
		})
	}
}

func TestTheEmptyDefinitionMakesAChannelKnown(t *testing.T) {
	var s State
	if got := define(t, &s, Defined{}); len(got) != 1 || !s.Known || s.HoldSeconds != DefaultHoldSeconds {
		t.Fatalf("recorded %+v", got)
	}
	if got := define(t, &s, Defined{}); got != nil {
		t.Fatalf("recorded %+v", got)
	}
}

func TestEventName(t *testing.T) {
	if name := (&Defined{}).EventType(); name != "ChannelDefined" {
		t.Fatal(name)
	}
}

type other struct{}

func (other) EventType() string { return "Other" }

func TestEventsOfTomorrowAreLeftAlone(t *testing.T) {
	var s State
	s.Evolve(other{}, aggregates.Metadata{})
	if s.Known {
		t.Fatalf("%+v", s)
	}
}

func TestARetiredChannelSellsNothingUntilItIsDefinedAnew(t *testing.T) {
	var s State
	if Retire(&s, "closed") != nil {
		t.Fatal("nobody defined it")
	}
	define(t, &s, web())
	events := Retire(&s, "closed")
	if len(events) != 1 || events[0].EventType() != "ChannelRetired" || !s.Sells() {
		t.Fatalf("recorded %+v, %+v", events, s)
	}
	s.Evolve(events[0], aggregates.Metadata{})
	if s.Sells() || !s.Known || Retire(&s, "again") != nil {
		t.Fatalf("%+v", s)
	}
	if define(t, &s, web()); !s.Sells() {
		t.Fatalf("%+v", s)
	}
	disabled := web()
	disabled.Disabled = true
	if define(t, &s, disabled); s.Sells() {
		t.Fatalf("%+v", s)
	}
}
