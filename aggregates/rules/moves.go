package rules

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// TypeReallocationRuleSet names the fact, a contract that never changes.
const TypeReallocationRuleSet = "ReallocationRuleSet"

// MaxMoves bounds the rules of moves.
const MaxMoves = 5_000

// MoveSet says whether promises that cannot be kept move by themselves.
type MoveSet struct {
	Rule  stock.MoveRule
	Ended bool // there is no such rule any more
}

// EventType names the fact.
func (*MoveSet) EventType() string { return TypeReallocationRuleSet }

// SetMove sets a rule of moves in place of the one about the same, or ends it. What already is so yields no events. It returns
// *stock.BoundError.
func SetMove(s *State, r stock.MoveRule, end bool) ([]aggregates.Event, error) {
	i, known := s.move(r)
	switch {
	case end && !known, !end && known && s.Moves[i] == r:
		return nil, nil
	case end:
		return []aggregates.Event{&MoveSet{Rule: s.Moves[i], Ended: true}}, nil
	case !known && len(s.Moves) >= MaxMoves:
		return nil, &stock.BoundError{What: "rules of reallocation", Limit: MaxMoves}
	}
	return []aggregates.Event{&MoveSet{Rule: r}}, nil
}

func (s *State) move(r stock.MoveRule) (int, bool) {
	return slices.BinarySearchFunc(s.Moves, r, func(a, b stock.MoveRule) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Location, b.Location))
	})
}

func (s *State) movesWith(e *MoveSet) stock.Moves {
	i, known := s.move(e.Rule)
	return settled(s.Moves, i, known, e.Rule, e.Ended)
}

// settled is a list after a rule was put at its place, where the one that it replaces may be, or was ended. The list itself stays as it is.
func settled[L ~[]R, R any](list L, i int, known bool, rule R, ended bool) L {
	list = slices.Clone(list)
	switch {
	case ended && known:
		return slices.Delete(list, i, i+1)
	case ended:
		return list
	case known:
		list[i] = rule
		return list
	}
	return slices.Insert(list, i, rule)
}
