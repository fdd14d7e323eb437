package location

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// assign decides and folds. Deciding leaves the state as it is, and what already is so yields nothing.
func assign(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *State, wanted ...Ownership) []aggregates.Event {
	t.Helper()
	before, list := *s, slices.Clone(s.Owners.List())
	events, err := Assign(s, wanted)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if before != *s || !reflect.DeepEqual(list, s.Owners.List()) && len(list) > 0 {
		t.Fatalf("a decision changed the state")
	}
	for _, e := range events {
		s.Evolve(e, aggregates.Metadata{})
	}
	if again, err := Assign(s, wanted); err != nil || again != nil {
		t.Fatalf("the same again recorded %+v, %v", again, err)
	}
	return events
}

func TestOwnershipMovesOnADate(t *testing.T) {
	var s State
	assign(t, &s, Ownership{OnHand, 100, []string{"legacy"}}, Ownership{OnHand, 200, []string{"erp", "wms"}},
		Ownership{OnHand, 300, nil}, Ownership{Orders, 0, []string{"pos"}})
	for _, x := range []struct {
		fact  Fact
		at    aggregates.Instant
		since aggregates.Instant
		want  []string
	}{
		{OnHand, 99, 0, nil}, {OnHand, 100, 100, []string{"legacy"}}, {OnHand, 199, 100, []string{"legacy"}},
		{OnHand, 200, 200, []string{"erp", "wms"}}, {OnHand, 300, 300, nil}, {Orders, 1, 0, []string{"pos"}}, {Supply, 250, 0, nil},
	} {
		got, ok := s.Owners.At(x.fact, x.at)
		if ok != (x.want != nil) || !slices.Equal(got.Sources, x.want) || ok && got.From != x.since {
			t.Errorf("%s at %d: %+v, %v", x.fact, x.at, got, ok)
		}
	}
	if _, ok := (*Owners)(nil).At(OnHand, 5); ok {
		t.Error("nobody is believed where nobody is named")
	}
}

func TestAssigningRecordsWhatDiffers(t *testing.T) {
	var s State
	legacy, erp := Ownership{OnHand, 0, []string{"legacy"}}, Ownership{OnHand, 200, []string{"erp"}}
	later := Ownership{OnHand, 300, []string{"erp"}}
	if got := assign(t, &s, erp, legacy); !reflect.DeepEqual(got, []aggregates.Event{
		&OwnerAssigned{Ownership: legacy}, &OwnerAssigned{Ownership: erp}}) {
		t.Errorf("recorded %+v", got)
	}
	if got := assign(t, &s, legacy, later); !reflect.DeepEqual(got, []aggregates.Event{ // the move is put off
		&OwnerAssigned{Ownership: erp, Withdrawn: true}, &OwnerAssigned{Ownership: later}}) {
		t.Errorf("recorded %+v", got)
	}
	if got := assign(t, &s); len(got) != 2 || s.Owners != nil {
		t.Errorf("recorded %+v, left %+v", got, s.Owners)
	}
	var twice *RepeatedOwnershipError
	if _, err := Assign(&s, []Ownership{erp, legacy, erp}); !errors.As(err, &twice) || twice.From != 200 {
		t.Errorf("two at once: %v", err)
	}
}

// Whatever was said before, what was assigned last is in force, whole.
func TestTheLastAssignmentIsInForce(t *testing.T) {
	names := []string{"legacy", "erp", "wms"}
	rapid.Check(t, func(t *rapid.T) {
		var s State
		for range rapid.IntRange(1, 6).Draw(t, "puts") {
			wanted := map[[2]int]Ownership{}
			for range rapid.IntRange(0, 8).Draw(t, "ownerships") {
				f, from := rapid.IntRange(1, 3).Draw(t, "fact"), rapid.IntRange(0, 4).Draw(t, "from")
				wanted[[2]int{f, from}] = Ownership{Fact(f), aggregates.Instant(from), names[:rapid.IntRange(0, 3).Draw(t, "sources")]}
			}
			list := make([]Ownership, 0, len(wanted))
			for _, x := range wanted {
				list = append(list, x)
			}
			assign(t, &s, list...)
			for f := OnHand; f <= Orders; f++ {
				var want []string
				for at := range 6 {
					if x, ok := wanted[[2]int{int(f), at}]; ok {
						want = x.Sources
					}
					if got, _ := s.Owners.At(f, aggregates.Instant(at)); !slices.Equal(got.Sources, want) {
						t.Fatalf("%s at %d: %v, expected %v", f, at, got.Sources, want)
					}
				}
			}
		}
	})
}
