package rules_test

import (
	"errors"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
)

func evolve(t *testing.T, s *rules.State, events []aggregates.Event, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		s.Evolve(e, aggregates.Metadata{})
	}
	return len(events)
}

func TestTheMostSpecificReturnRuleWins(t *testing.T) {
	var s rules.State
	levels := []rules.ReturnRule{
		{Condition: stock.Sellable}, {Channel: "web", Condition: stock.Inspection}, {Category: "dairy", Condition: stock.Damaged},
		{Category: "dairy", Channel: "web", Condition: stock.Quarantined}, {SKU: "milk", Condition: stock.Sellable},
		{SKU: "milk", Channel: "web", Condition: stock.Damaged},
	}
	for _, r := range levels { // from the least specific on, each beats all before
		events, err := rules.SetReturn(&s, r, false)
		evolve(t, &s, events, err)
		if got, ok := s.Returns.Of("milk", "dairy", "web"); !ok || got != r {
			t.Errorf("%+v does not count but %+v", r, got)
		}
		if events, err = rules.SetReturn(&s, r, false); evolve(t, &s, events, err) != 0 {
			t.Errorf("%+v was set twice", r)
		}
	}
	for i := len(levels) - 1; i > 0; i-- {
		events, err := rules.SetReturn(&s, levels[i], true)
		evolve(t, &s, events, err)
		if got, _ := s.Returns.Of("milk", "dairy", "web"); got != levels[i-1] {
			t.Errorf("after %+v ended, %+v counts", levels[i], got)
		}
	}
	var scope *rules.ReturnScopeError
	if _, err := rules.SetReturn(&s, rules.ReturnRule{SKU: "milk", Category: "dairy"}, false); !errors.As(err, &scope) {
		t.Errorf("a rule about a SKU and a category: %v", err)
	}
}

func TestWhatTheRuleWantsLookedAtIsNotSellableAtOnce(t *testing.T) {
	look := rules.Returns{{Condition: stock.Inspection}}
	sell := rules.Returns{{Condition: stock.Sellable}}
	for _, c := range []struct {
		rules  rules.Returns
		said   stock.Condition
		isSaid bool
		want   stock.Condition
	}{
		{nil, 0, false, stock.Inspection}, {nil, stock.Sellable, true, stock.Sellable}, {nil, stock.Damaged, true, stock.Damaged},
		{look, 0, false, stock.Inspection}, {look, stock.Sellable, true, stock.Inspection}, {look, stock.Damaged, true, stock.Damaged},
		{sell, 0, false, stock.Sellable}, {sell, stock.Inspection, true, stock.Inspection}, {sell, stock.Sellable, true, stock.Sellable},
	} {
		if got := c.rules.ConditionOf("milk", "dairy", "web", c.said, c.isSaid); got != c.want {
			t.Errorf("%+v: condition %d", c, got)
		}
	}
}

func TestTheMostSpecificRuleOfMovesWins(t *testing.T) {
	var s rules.State
	for i, r := range []stock.MoveRule{{Off: true}, {Location: "berlin"}, {Channel: "web", Off: true}, {Channel: "web", Location: "berlin"}} {
		events, err := rules.SetMove(&s, r, false)
		evolve(t, &s, events, err)
		if got := s.Moves.Stay("web", "berlin"); got != r.Off {
			t.Errorf("after %d rules, staying is %v", i+1, got)
		}
		if events, err = rules.SetMove(&s, r, false); evolve(t, &s, events, err) != 0 {
			t.Errorf("%+v was set twice", r)
		}
	}
	for _, c := range []struct {
		channel, location string
		stay              bool
	}{{"web", "köln", true}, {"store", "berlin", false}, {"store", "köln", true}} {
		if got := s.Moves.Stay(c.channel, c.location); got != c.stay || s.Moves.Of(c.channel).Stay(c.channel, c.location) != c.stay {
			t.Errorf("%+v: staying is %v", c, got)
		}
	}
	events, err := rules.SetMove(&s, stock.MoveRule{Channel: "web"}, true)
	if evolve(t, &s, events, err); s.Moves.Stay("web", "köln") != true || len(s.Moves) != 3 {
		t.Errorf("%+v", s.Moves)
	}
}
