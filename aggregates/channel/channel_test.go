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
