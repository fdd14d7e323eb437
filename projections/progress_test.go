package projections

import (
	"errors"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

func TestProgressIsReadBack(t *testing.T) {
	for _, want := range []Progress{
		{},
		{Position: 1, Own: 2, Mark: Mark{After: 3, Position: 1 << 60, ID: aggregates.NewEventID("s", "k", 1, nil)}},
	} {
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got Progress
		if err := got.UnmarshalBinary(append(b, "of a newer writer"...)); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		for cut := range len(b) {
			if err := new(Progress).UnmarshalBinary(b[:cut]); !errors.Is(err, ErrProgress) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
	}
	if err := new(Progress).UnmarshalBinary([]byte{99, 1, 1}); !errors.Is(err, ErrProgress) {
		t.Fatalf("another version: %v", err)
	}
}
