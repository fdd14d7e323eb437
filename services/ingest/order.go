package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stock"
)

// Orders takes in what is said of orders, and tells whether it was news; *orders.Service does. What is wrong with a message is a *stock.Rejection; with any other
// error it may be tried again. Taking a message in again is safe, and the order of messages makes no difference.
type Orders interface {
	Take(ctx context.Context, m *pb.OrderMessage, origin aggregates.Metadata) (news bool, err error)
}

var errNoOrders = errors.New("orders are not taken in here")

// orderErrand reads a message of the orders' topic; is is false when it is about something else.
func (t *takers) orderErrand(e *event, origin aggregates.Metadata) (x *errand, rejection *stock.Rejection, is bool) {
	if e.kind != TypeOrder {
		return nil, nil, false
	}
	m := &pb.OrderMessage{}
	if err := decodeReference(e.data, m); err != nil {
		return nil, malformed(err), true
	}
	return &errand{key: m.OrderId, do: func(ctx context.Context) (bool, error) {
		if t.orders == nil {
			return false, fmt.Errorf("order %q: %w", m.OrderId, errNoOrders)
		}
		return t.orders.Take(ctx, m, origin)
	}}, nil, true
}
