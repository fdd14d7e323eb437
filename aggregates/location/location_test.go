package location

import (
	"reflect"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// define decides and folds one definition, and returns the names of what was recorded. Deciding leaves the state as it
// is, and what already is so yields nothing.
func define(t *testing.T, s *State, d Defined, disabled bool) []string {
	t.Helper()
	before := *s
	events := Define(s, d, disabled)
	if before != *s {
		t.Fatal("a decision changed the state")
	}
	var names []string
	for _, e := range events {
		s.Evolve(e, aggregates.Metadata{})
		names = append(names, e.EventType())
	}
	if again := Define(s, d, disabled); again != nil {
		t.Fatalf("the same again recorded %+v", again)
	}
	return names
}

func berlin() Defined { return Defined{Name: "Berlin", Kind: "store", TimeZone: "Europe/Berlin"} }

func TestDefine(t *testing.T) {
	tests := []struct {
		name            string
		known, disabled bool // before
		define          Defined
		disable         bool
		want            []string
	}{
		{"a new one is enabled", false, false, berlin(), false, []string{"LocationDefined"}},
		{"a new one that is not", false, false, berlin(), true, []string{"LocationDefined", "LocationDisabled"}},
		{"a new one without words", false, false, Defined{}, false, []string{"LocationDefined"}},
		{"as it is", true, false, berlin(), false, nil},
		{"as it is, disabled", true, true, berlin(), true, nil},
		{"disabled", true, false, berlin(), true, []string{"LocationDisabled"}},
		{"enabled again", true, true, berlin(), false, []string{"LocationEnabled"}},
		{"another name", true, false, Defined{Name: "Mitte", Kind: "store", TimeZone: "Europe/Berlin"}, false, []string{"LocationDefined"}},
		{"another kind", true, false, Defined{Name: "Berlin", Kind: "dc", TimeZone: "Europe/Berlin"}, false, []string{"LocationDefined"}},
		{"another zone", true, false, Defined{Name: "Berlin", Kind: "store"}, false, []string{"LocationDefined"}},
		{"all at once", true, true, Defined{Name: "Mitte"}, false, []string{"LocationDefined", "LocationEnabled"}},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			var s State
			if x.known {
				define(t, &s, berlin(), x.disabled)
			}
			if got := define(t, &s, x.define, x.disable); !reflect.DeepEqual(got, x.want) {
				t.Fatalf("recorded %v", got)
			}
			want := State{Known: true, Defined: x.define, Disabled: x.disable}
			if want.TimeZone == "" {
				want.TimeZone = "UTC"
			}
			if s != want {
				t.Fatalf("%+v, expected %+v", s, want)
			}
		})
	}
}

type other struct{}

func (other) EventType() string { return "Other" }

func TestEventsOfTomorrowAreLeftAlone(t *testing.T) {
	var s State
	s.Evolve(other{}, aggregates.Metadata{})
	if s != (State{}) {
		t.Fatalf("%+v", s)
	}
}
