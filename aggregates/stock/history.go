package stock

import "github.com/stockfold/stockfold/aggregates"

// History answers from a stream's events what a state no longer remembers. A decision that needs one asks for it
// with *NeedHistory; it keeps answers, not events, so a stream of any length may pass through it.
type History struct {
	questions []question
	next      uint64
}

// question is about one location and condition at an instant: which count covers what occurred then, or which balance
// the counts of the instant left.
type question struct {
	location  string
	condition Condition
	at        aggregates.Instant
	number    numbered // of a count; the zero value asks for no superseder

	superseder     SupersededBy
	supersededAsOf aggregates.Instant

	absorber AbsorbedBy
	balance  int64
	overflow bool
}

func (q *question) same(x question) bool {
	return q.location == x.location && q.condition == x.condition && q.at == x.at && q.number == x.number
}

// newHistory starts a history about open questions and those that an earlier one was about.
func newHistory(open []question, earlier *History) *History {
	h := &History{questions: open}
	if earlier != nil {
		for _, x := range earlier.questions {
			h.questions = append(h.questions, question{location: x.location, condition: x.condition, at: x.at, number: x.number})
		}
	}
	return h
}

// Next is the revision of the event to be added next.
func (h *History) Next() uint64 { return h.next }

// Add takes in the stream's event with a revision. An event out of turn is left aside: only the whole stream, in order,
// makes the history complete.
func (h *History) Add(e aggregates.Event, revision uint64, m aggregates.Metadata) {
	if revision != h.next {
		return
	}
	h.next++
	at := occurred(&m)
	number := countNumber(e, &m)
	legs(e, func(l leg) {
		for i := range h.questions {
			h.questions[i].add(l, revision, at)
			h.questions[i].supersede(l, revision, at, number)
		}
	})
}

// asks tells whether the history is about all of these questions.
func (h *History) asks(open []question) bool {
	for _, x := range open {
		found := false
		for i := range h.questions {
			found = found || h.questions[i].same(x)
		}
		if !found {
			return false
		}
	}
	return true
}

func (q *question) add(l leg, revision uint64, at aggregates.Instant) {
	if l.location != q.location || l.condition != q.condition {
		return
	}
	if l.count && at > q.at && !l.replaced(at) && (!q.absorber.Is() || at <= q.absorber.AsOf) {
		q.absorber = AbsorbedBy{Revision: revision, AsOf: at}
	}
	if at < q.at || at == q.at && l.count {
		q.sum(l.delta, true)
	}
	if l.absorbed.Is() && l.absorbed.AsOf <= q.at {
		q.sum(l.delta, false)
	}
}

func (q *question) sum(delta int64, plus bool) {
	ok := false
	if plus {
		q.balance, ok = add(q.balance, delta)
	} else {
		q.balance, ok = sub(q.balance, delta)
	}
	q.overflow = q.overflow || !ok
}
