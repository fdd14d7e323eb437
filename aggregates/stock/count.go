package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// How facts and counts meet in time. There are two axes: a fact is recorded, and it occurred. A count says what
// lay there, in a condition, as of an instant, and outranks what occurred earlier, whenever that is recorded.
//
//   - At one instant counts come first, then movements. A movement that occurred at the very instant of a count is on top of it.
//   - A count of Q as of T changes the balance at T by Q less the balance that counts at T left, before T's movements.
//   - A fact that occurred before a recorded count (strictly) is absorbed by the earliest such count: it changes the balance
//     at its own time, the count takes that back at its as-of time, and the balance now stays. This holds for movements,
//     each leg of a change of condition, fulfilments, and counts alike.
//   - Of two counts as of the same instant the one recorded later replaces the other, unless their source numbers what it
//     sends, and the one recorded later has the lower number: then it changes nothing (numbering.go).
//
// So in whichever order facts arrive, the balance is the latest count plus the movements since, on both axes. Units in
// transit are not counted.

// inquiry asks what a decision needs to know of the past: the state's journals, or where they do not reach, the
// history that came with the request.
type inquiry struct {
	s       *State
	history *History
	open    []question // that neither can answer
	number  numbered   // of the count that is decided
}

// absorber returns the count that covers what occurred at a location in a condition.
func (q *inquiry) absorber(location string, c Condition, at aggregates.Instant) AbsorbedBy {
	x := q.s.At(location)
	if x == nil {
		return AbsorbedBy{}
	}
	found, known := x.journal.firstCountAfter(c, at)
	if known {
		return found
	}
	return q.ask(question{location: location, condition: c, at: at}).absorber
}

// before returns the balance that the counts at an instant left, before its movements.
func (q *inquiry) before(location string, c Condition, at aggregates.Instant) (int64, error) {
	x := q.s.At(location)
	if x == nil {
		return 0, nil
	}
	change, known, fits := x.journal.changeAfter(c, at)
	if !known {
		answer := q.ask(question{location: location, condition: c, at: at})
		if answer.overflow {
			return 0, &OverflowError{Location: location, What: "balance"}
		}
		return answer.balance, nil
	}
	balance, ok := sub(x.OnHand[c], change)
	if !fits || !ok {
		return 0, &OverflowError{Location: location, What: "balance"}
	}
	return balance, nil
}

// ask puts a question to the history; without an answer it stays open.
func (q *inquiry) ask(x question) question {
	if q.history != nil && q.history.next == q.s.Version {
		for _, answered := range q.history.questions {
			if answered.same(x) {
				return answered
			}
		}
	}
	q.open = append(q.open, x)
	return question{}
}

// err returns *NeedHistory when a question stayed open.
func (q *inquiry) err() error {
	if len(q.open) == 0 {
		return nil
	}
	history := q.history
	if history == nil || !history.asks(q.open) {
		history = newHistory(q.open, history)
	}
	first := slices.MinFunc(q.open, func(a, b question) int { return order(a.at < b.at) })
	return &NeedHistory{Location: first.location, Since: first.at, History: history}
}

// decideCount resolves a count against what is recorded.
func decideCount(q *inquiry, r *Movement, counted int64, at aggregates.Instant) (*StockCounted, error) {
	before, err := q.before(r.Location, r.Condition, at)
	if err != nil {
		return nil, err
	}
	delta, ok := sub(counted, before)
	if !ok {
		return nil, &OverflowError{Location: r.Location, What: "difference of the count"}
	}
	later, asOf := q.superseder(r.Location, r.Condition, at)
	absorbed := AbsorbedBy{Revision: later.Revision, AsOf: at}
	if asOf != at || !later.Is() {
		absorbed = q.absorber(r.Location, r.Condition, at)
	}
	return &StockCounted{
		Location: r.Location, Condition: r.Condition, Counted: counted, Delta: delta, Absorbed: absorbed, Superseded: later,
	}, nil
}
