package ingest

import (
	"context"
	"errors"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stock"
)

// Orders takes in what is said of orders, and tells whether it was news; *orders.Service does. What is wrong with a message is a *stock.Rejection; with any other
// error it may be tried again. Taking a message in again is safe, and the order of messages makes no difference.
type Orders interface {
	Take(ctx context.Context, m *pb.OrderMessage, origin aggregates.Metadata) (news bool, err error)
}

// orderMessage is a message about an order, ready to be taken in.
type orderMessage struct {
	message *pb.OrderMessage
	origin  aggregates.Metadata
	done    chan struct{} // closed once it was tried
}

// readOrder reads a message of the orders' topic; is is false when it is about something else.
func readOrder(m *Message, epoch int64) (o *orderMessage, n number, rejection *stock.Rejection, is bool) {
	if topic, _, _ := strings.Cut(m.Topic, "#"); topic != TopicOrders {
		return nil, n, nil, false
	}
	e, err := decodeEvent(m)
	if err != nil || e.kind != TypeOrder {
		return nil, n, nil, false
	}
	n = numberOf(m, &e)
	origin, rejection := originOf(m, &e, epoch)
	if rejection != nil {
		return nil, n, rejection, true
	}
	o = &orderMessage{message: &pb.OrderMessage{}, origin: origin}
	if err := decodeReference(e.data, o.message); err != nil {
		return nil, n, malformed(err), true
	}
	return o, n, nil, true
}

// takeOrder takes in an entry's message about an order, beside what else is under way but after an earlier one of the same order:
// when two contradict each other, the first counts.
func (w *worker) takeOrder(e *entry) {
	id := e.order.message.OrderId
	before, done := w.chains[id], make(chan struct{})
	if w.chains == nil {
		w.chains = make(map[string]chan struct{})
	}
	w.chains[id], e.order.done = done, done
	w.keeping.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		var err error
		e.news, err = w.s.Orders.Take(w.keepContext, e.order.message, e.order.origin)
		if e.refused = stock.Reject(err); e.refused == nil {
			e.err = err
		}
		w.arrive(e)
	})
}

// unchain forgets an entry whose message about an order is taken in, unless a later one waits for it.
func (w *worker) unchain(e *entry) {
	if id := e.order.message.OrderId; w.chains[id] == e.order.done {
		delete(w.chains, id)
	}
}

// tryOrder takes in a dead letter that is about an order.
func (d *DeadLetterDesk) tryOrder(ctx context.Context, o *orderMessage) verdict {
	err := errors.New("orders are not taken in here")
	if d.Orders != nil {
		_, err = d.Orders.Take(ctx, o.message, o.origin)
	}
	if rejection := stock.Reject(err); rejection != nil {
		return verdict{rejection: rejection}
	}
	return verdict{err: err}
}
