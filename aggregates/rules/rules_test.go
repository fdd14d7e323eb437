package rules

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// fold folds what was decided; the decision leaves the state as it is.
func fold(t *testing.T, s *State, decide func() ([]aggregates.Event, error)) []aggregates.Event {
	t.Helper()
	before := fmt.Sprintf("%+v", *s)
	events, err := decide()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", *s) != before {
		t.Fatal("a decision changed the state")
	}
	for _, e := range events {
		s.Evolve(e, aggregates.Metadata{})
	}
	if again, err := decide(); err != nil || again != nil {
		t.Fatalf("the same again recorded %+v, %v", again, err)
	}
	return events
}

func TestSharedSafetyStock(t *testing.T) {
	var s State
	dairy := stock.SafetyRule{Category: "dairy", Portion: stock.Portion{Units: 2}}
	set := func(r stock.SafetyRule, end bool) func() ([]aggregates.Event, error) {
		return func() ([]aggregates.Event, error) { return SetSafety(&s, r, end) }
	}
	if got := fold(t, &s, set(dairy, false)); !reflect.DeepEqual(got, []aggregates.Event{&SafetySet{Rule: dairy}}) {
		t.Fatalf("recorded %+v", got)
	}
	dairy.Units = 3
	fold(t, &s, set(dairy, false))
	winter := dairy
	winter.Period = stock.Period{From: 5, Until: 9}
	fold(t, &s, set(winter, false))
	if !s.Safety.Has(dairy) || !s.Safety.Has(winter) || len(s.Safety) != 2 {
		t.Fatalf("%+v", s.Safety)
	}
	fold(t, &s, set(dairy, true))
	if fold(t, &s, set(dairy, true)) != nil || len(s.Safety) != 1 {
		t.Fatalf("%+v", s.Safety)
	}
}

func TestWhatASharedRuleIsAbout(t *testing.T) {
	var scope *ScopeError
	for _, r := range []stock.SafetyRule{{}, {Category: "a", Channel: "b"}, {Location: "a", Channel: "b"}, {Category: "a", Location: "b", Channel: "c"}} {
		if _, err := SetSafety(&State{}, r, false); !errors.As(err, &scope) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for _, r := range []stock.SafetyRule{{Category: "a"}, {Category: "a", Location: "b"}, {Location: "b"}, {Channel: "c"}} {
		if events, err := SetSafety(&State{}, r, false); err != nil || len(events) != 1 {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := SetSafety(&State{}, stock.SafetyRule{Category: "a", Period: stock.Period{From: 3, Until: 2}}, false); err == nil {
		t.Error("a period that ends before it begins")
	}
}

func TestGroupsAndMethods(t *testing.T) {
	var s State
	group := func(locations ...string) {
		fold(t, &s, func() ([]aggregates.Event, error) { return DefineGroup(&s, "north", locations) })
	}
	group("hamburg", "berlin", "hamburg")
	if fmt.Sprint(s.Groups) != "map[north:[berlin hamburg]]" {
		t.Fatal(s.Groups)
	}
	if group(); len(s.Groups) != 0 {
		t.Fatal(s.Groups)
	}
	method := func(r stock.Method, end bool) {
		fold(t, &s, func() ([]aggregates.Event, error) { return SetFulfilment(&s, "ship", r, end) })
	}
	method(stock.Method{Kinds: []string{"dc"}, CutOff: 60}, false)
	method(stock.Method{Kinds: []string{"dc"}, CutOff: stock.NoCutOff}, false)
	if s.Methods["ship"].CutOff != stock.NoCutOff {
		t.Fatal(s.Methods)
	}
	if method(stock.Method{}, true); len(s.Methods) != 0 {
		t.Fatal(s.Methods)
	}
}

func TestAPassedPeriodIsRecordedOnce(t *testing.T) {
	var s State
	if PassPeriod(&s, 0, 9) != nil || PassPeriod(&s, 10, 9) != nil {
		t.Fatal("nothing has passed")
	}
	fold(t, &s, func() ([]aggregates.Event, error) { return PassPeriod(&s, 9, 9), nil })
	if PassPeriod(&s, 8, 20) != nil || len(PassPeriod(&s, 10, 20)) != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestBoundsOfSharedRules(t *testing.T) {
	s := State{Groups: map[string][]string{}, Methods: map[string]stock.Method{}}
	for i := range max(MaxGroups, MaxMethods) {
		s.Groups[fmt.Sprint(i)] = []string{"a"}
		if i < MaxMethods {
			s.Methods[fmt.Sprint(i)] = stock.Method{}
		}
	}
	var bound *stock.BoundError
	if _, err := DefineGroup(&s, "more", []string{"a"}); !errors.As(err, &bound) {
		t.Error(err)
	}
	if _, err := SetFulfilment(&s, "more", stock.Method{}, false); !errors.As(err, &bound) {
		t.Error(err)
	}
}

func TestSharedBuffers(t *testing.T) {
	var s State
	set := func(r stock.SafetyRule, end bool) func() ([]aggregates.Event, error) {
		return func() ([]aggregates.Event, error) { return SetBuffer(&s, r, end) }
	}
	dairy := stock.SafetyRule{Category: "dairy", Portion: stock.Portion{Units: 2}}
	if got := fold(t, &s, set(dairy, false)); !reflect.DeepEqual(got, []aggregates.Event{&BufferSet{Rule: dairy}}) {
		t.Fatalf("recorded %+v", got)
	}
	web := dairy
	web.Channel = "web"
	fold(t, &s, set(web, false))
	fold(t, &s, set(dairy, true))
	if fold(t, &s, set(dairy, true)) != nil || len(s.Buffers) != 1 || !s.Buffers.Has(web) {
		t.Fatalf("%+v", s.Buffers)
	}
	if _, err := SetBuffer(&s, stock.SafetyRule{Channel: "web", Portion: stock.Portion{Units: 1}}, false); !errors.Is(err, ErrNoCategory) {
		t.Error(err)
	}
	if _, err := SetBuffer(&s, stock.SafetyRule{Category: "dairy", Portion: stock.Portion{Units: -1}}, false); err == nil {
		t.Error("less than nothing")
	}
	for i := range MaxBuffers {
		s.Buffers = append(s.Buffers, stock.SafetyRule{Category: fmt.Sprintf("x%06d", i)})
	}
	var bound *stock.BoundError
	if _, err := SetBuffer(&s, stock.SafetyRule{Category: "y"}, false); !errors.As(err, &bound) {
		t.Error(err)
	}
}
