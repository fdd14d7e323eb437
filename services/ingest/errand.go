package ingest

import (
	"context"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/stock"
)

// errand is a message that is no fact about stock, ready to be taken in by the service that it is for.
type errand struct {
	key   string // errands with the same key are done one after the other
	after string // and after the last one with this key that came before
	do    func(context.Context) (news bool, err error)
	done  chan struct{} // closed once it was tried

	policy bool
}

// takers take in what is no fact about stock.
type takers struct {
	orders    Orders
	policies  Policies
	snapshots Snapshots
	now       func() aggregates.Instant
}

// topic is the name of a topic, whichever log stood under it.
func topic(origin string) string {
	name, _, _ := strings.Cut(origin, "#")
	return name
}

// errand reads a message of a topic of its own kind; is is false when it is about something else.
func (t *takers) errand(m *Message, epoch int64) (x *errand, n number, rejection *stock.Rejection, is bool) {
	var read func(*event, aggregates.Metadata) (*errand, *stock.Rejection, bool)
	switch topic(m.Topic) {
	case TopicOrders:
		read = t.orderErrand
	case TopicPolicy:
		read = t.policyErrand
	case TopicSnapshots:
		read = t.snapshotErrand
	default:
		return nil, n, nil, false
	}
	e, err := decodeEvent(m)
	if err != nil {
		return nil, n, nil, false
	}
	origin, wrong := originOf(m, &e, epoch)
	if x, rejection, is = read(&e, origin); !is {
		return nil, n, nil, false
	}
	n = numberOf(m, &e)
	if wrong != nil {
		return nil, n, wrong, true
	}
	return x, n, rejection, true
}

// runErrand does an entry's errand, beside what else is under way but after an earlier one with the same key.
func (w *worker) runErrand(e *entry) {
	key := e.errand.key
	before, others, done := w.chains[key], w.chains[e.errand.after], make(chan struct{})
	if w.chains == nil {
		w.chains = make(map[string]chan struct{})
	}
	w.chains[key], e.errand.done = done, done
	w.keeping.Go(func() {
		defer close(done)
		for _, earlier := range []chan struct{}{before, others} {
			if earlier != nil {
				<-earlier
			}
		}
		var err error
		e.news, err = e.errand.do(w.keepContext)
		if e.refused = stock.Reject(err); e.refused == nil {
			e.err = err
		}
		w.arrive(e)
	})
}

// unchain forgets an entry whose errand is done, unless a later one waits for it.
func (w *worker) unchain(e *entry) {
	if key := e.errand.key; w.chains[key] == e.errand.done {
		delete(w.chains, key)
	}
}

// tryErrand does the errand of a dead letter.
func (d *DeadLetterDesk) tryErrand(ctx context.Context, x *errand) verdict {
	_, err := x.do(ctx)
	if rejection := stock.Reject(err); rejection != nil {
		return verdict{rejection: rejection}
	}
	return verdict{err: err}
}
