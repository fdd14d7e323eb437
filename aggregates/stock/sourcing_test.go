package stock

import (
	"fmt"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func stocks(t *testing.T, p *Policy) given {
	return scenario(t).under(p).given(counted("berlin", 3), counted("hamburg", 5), counted("munich", 9))
}

func taken(want string) expectation {
	return func(w *world) {
		w.t.Helper()
		if w.err != nil {
			w.t.Fatalf("refused: %v", w.err)
		}
		if got := fmt.Sprint(w.result.(Reservation).Splits); got != want {
			w.t.Fatalf("taken from %s, expected %s", got, want)
		}
	}
}

func TestStrategies(t *testing.T) {
	for _, x := range []struct {
		strategy Strategy
		quantity int64
		want     string
	}{
		{PriorityOrder, 4, "[{berlin 3 false} {hamburg 1 false}]"},
		{PriorityOrder, 17, "[{berlin 3 false} {hamburg 5 false} {munich 9 false}]"},
		{MostStockFirst, 4, "[{munich 4 false}]"},
		{MostStockFirst, 10, "[{munich 9 false} {hamburg 1 false}]"},
		{FewestSplits, 3, "[{berlin 3 false}]"},
		{FewestSplits, 4, "[{hamburg 4 false}]"},
		{FewestSplits, 6, "[{munich 6 false}]"},
		{FewestSplits, 12, "[{munich 9 false} {hamburg 3 false}]"},
	} {
		stocks(t, shop(Terms{Strategy: x.strategy})).when(reserve("r", x.quantity)).then(taken(x.want))
	}
}

func TestAtMostSoManySplits(t *testing.T) {
	stocks(t, shop(Terms{MaxSplits: 1})).
		when(reserve("a", 10)).then(refused(&TooManySplitsError{Requested: 10, Limit: 1, Most: 9})).
		when(reserve("b", 4)).then(taken("[{hamburg 4 false}]"))
	stocks(t, shop(Terms{MaxSplits: 2})).
		when(reserve("a", 8)).then(taken("[{berlin 3 false} {hamburg 5 false}]"))
	stocks(t, shop(Terms{MaxSplits: 2})).
		when(reserve("a", 14)).then(taken("[{munich 9 false} {hamburg 5 false}]"))
	stocks(t, shop(Terms{MaxSplits: 2})).
		when(reserve("a", 15)).then(refused(&TooManySplitsError{Requested: 15, Limit: 2, Most: 14}))
}

func wish(id string, quantity int64, location string, binding bool) step {
	return reserveAs(ReserveRequest{ReservationID: id, Quantity: quantity, Location: location, Binding: binding})
}

func TestAWishForALocation(t *testing.T) {
	p := shop(Terms{})
	stocks(t, p).when(wish("a", 4, "munich", false)).then(taken("[{munich 4 false}]"))
	stocks(t, p).when(wish("a", 10, "munich", false)).then(taken("[{munich 9 false} {berlin 1 false}]"))
	stocks(t, p).when(wish("a", 4, "nowhere", false)).then(taken("[{berlin 3 false} {hamburg 1 false}]"))
	stocks(t, p).when(wish("a", 9, "munich", true)).then(taken("[{munich 9 false}]"))
	stocks(t, p).when(wish("a", 10, "munich", true)).then(refused(&InsufficientError{Requested: 10, Available: 9}))
	stocks(t, p).when(wish("a", 1, "nowhere", true)).then(refused(&NoLocationError{Channel: "web", Location: "nowhere"}))
	stocks(t, p).when(wish("a", 1, "", true)).then(refused(ErrLocationNeeded))
	fixed := shop(Terms{Strategy: FixedLocation})
	stocks(t, fixed).when(reserve("a", 1)).then(refused(ErrLocationNeeded))
	stocks(t, fixed).when(wish("a", 5, "hamburg", false)).then(taken("[{hamburg 5 false}]"))
	stocks(t, fixed).when(wish("a", 6, "hamburg", false)).then(refused(&InsufficientError{Requested: 6, Available: 5}))
	stocks(t, p).given(selling(SellingRule{Backorders: 9})).when(wish("a", 12, "munich", true)).
		then(taken("[{munich 9 false} {munich 3 true}]"))
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestMethodsAndCutOffs(t *testing.T) {
	terms := Terms{
		Methods: map[string]Method{"same_day": {Kinds: []string{"store"}, CutOff: 14 * 60}, "ship": {Kinds: []string{"dc", "supplier"}, CutOff: NoCutOff}},
		Places: map[string]Site{"berlin": {Kind: "dc", Zone: zone(t, "Europe/Berlin")}, "hamburg": {Kind: "store", Zone: zone(t, "Europe/Berlin")},
			"munich": {Kind: "store", Zone: zone(t, "America/New_York")}},
	}
	by := func(method string, quantity int64) step {
		return reserveAs(ReserveRequest{ReservationID: "r", Quantity: quantity, Method: method})
	}
	p := shop(terms) // it is noon UTC: 13:00 in Berlin, 07:00 in New York
	stocks(t, p).when(by("ship", 3)).then(taken("[{berlin 3 false}]"))
	stocks(t, p).when(by("ship", 4)).then(refused(&InsufficientError{Requested: 4, Available: 3}))
	stocks(t, p).when(by("pickup", 4)).then(taken("[{berlin 3 false} {hamburg 1 false}]"))
	stocks(t, p).when(by("same_day", 6)).then(taken("[{hamburg 5 false} {munich 1 false}]"))
	stocks(t, p).given(wait(time.Hour)).when(by("same_day", 6)).then(taken("[{munich 6 false}]"))
	stocks(t, p).given(wait(8 * time.Hour)).when(by("same_day", 1)).then(refused(&NoLocationError{Channel: "web", Method: "same_day"}))
	stocks(t, p).when(by("pigeon", 1)).then(refused(&MethodError{Method: "pigeon"}))
}

// Clocks that go forward leave out an hour, clocks that go back have one twice: a cut-off comes once a day all the same.
func TestCutOffsWhenClocksChange(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	at := func(text string) aggregates.Instant {
		t.Helper()
		x, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return aggregates.At(x)
	}
	half2 := 2*60 + 30
	for _, x := range []struct {
		at   string
		want bool
	}{
		{"2026-03-29T01:59:59+01:00", false}, {"2026-03-29T03:00:00+02:00", true}, // 02:30 is left out
		{"2026-10-25T02:29:59+02:00", false}, {"2026-10-25T02:30:00+02:00", true}, {"2026-10-25T02:59:59+02:00", true},
		{"2026-10-25T02:00:00+01:00", true}, {"2026-10-25T02:29:00+01:00", true}, {"2026-10-25T02:31:00+01:00", true}, // the second time
		{"2026-10-26T02:29:00+01:00", false}, {"2026-10-26T02:30:00+01:00", true}, // the next day is as any other
		{"2026-06-01T02:29:59+02:00", false}, {"2026-06-01T23:59:59+02:00", true},
	} {
		if got := reached(half2, berlin, at(x.at)); got != x.want {
			t.Errorf("at %s: %v", x.at, got)
		}
	}
	if reached(half2, nil, at("2026-06-01T02:29:00Z")) || !reached(half2, nil, at("2026-06-01T02:30:00Z")) {
		t.Error("without a zone it is UTC")
	}
	if reached(0, berlin, at("2026-06-01T00:00:00+02:00")) != true {
		t.Error("a cut-off at midnight")
	}
}
