// Package viewtest is the contract of the read models: one suite for each interface that a projection declares, which
// every back end passes. A back end's test calls the suites with a function that starts it empty.
package viewtest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// Backend is an empty back end of a read model M. Reopen ends every connection and returns the model as another
// process finds it; nil when the back end cannot do that.
type Backend[M any] struct {
	Model  M
	Reopen func() M
}

// names are keys that a back end could get wrong: order is bytewise, and every byte may occur.
var names = []string{
	"a", "a\x00", "a\x00b", "a/b", "a b", "a%2Fb", "b", "B", "{tag}", "*", "ä", "日本", "\x00", "\xff", "\xff\xff", ":", "-",
	strings.Repeat("x", 100),
}

func sortedNames() []string {
	s := slices.Clone(names)
	slices.Sort(s)
	return s
}

func progressAt(position uint64) projections.Progress {
	return projections.Progress{Position: position, Own: position / 2,
		Mark: projections.Mark{After: position - 1, Position: position, ID: aggregates.NewEventID("s", "k", int(position), nil)}}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}
