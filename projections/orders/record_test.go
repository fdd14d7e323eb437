package orders

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections"
)

// story folds events into a record, and the same into the state that decisions are made on.
func story(events ...aggregates.Event) (*Record, *order.State) {
	r, s := &Record{ID: "o", Placed: 1, Status: order.StatusAwaited}, &order.State{}
	for i, e := range events {
		m := aggregates.Metadata{RecordedAt: aggregates.Instant(i + 1), IdempotencyKey: "k"}
		s.Evolve(e, m)
		r = r.after(&projections.Event{Record: aggregates.Record{Revision: uint64(i), Position: uint64(i + 1)}, Fact: e, Metadata: m})
	}
	return r, s
}

// A settled record says of an order what its own state does, and a pending one is pending in both.
func TestARecordAgreesWithTheOrdersState(t *testing.T) {
	received := &order.Received{Channel: "web", ExpiresAt: 100, Lines: []order.Line{{ID: "1", SKU: "milk", Quantity: 2}}}
	sold := &order.Received{Channel: "web", Sold: true, Lines: received.Lines}
	sent := &order.LineFulfilled{Part: order.Part{Line: "1", SKU: "milk", Quantity: 2}, Location: "berlin"}
	for name, events := range map[string][]aggregates.Event{
		"received":             {received},
		"reserved":             {received, &order.Reserved{Version: 1}},
		"rejected":             {received, &order.Rejected{}},
		"rejected and settled": {received, &order.Rejected{}, &order.Settled{Version: 2}, &order.Closed{}},
		"confirmed":            {received, &order.Reserved{Version: 1}, &order.Confirmed{}, &order.Settled{Version: 3}},
		"confirmed, not told":  {received, &order.Reserved{Version: 1}, &order.Confirmed{}},
		"sent":                 {sold, &order.Settled{Version: 1}, sent, &order.Settled{Version: 3}, &order.Closed{}},
		"cancelled":            {sold, &order.Cancelled{}, &order.Settled{Version: 2}, &order.Closed{}},
		"lapsed":               {received, &order.Reserved{Version: 1}, &order.Cancelled{}, &order.Settled{Version: 3}, &order.Closed{}},
		"changed after it was closed": {sold, sent, &order.Settled{Version: 2}, &order.Closed{},
			&order.LineChanged{Line: order.Line{ID: "1", SKU: "milk", Quantity: 5}, OrderVersion: 1}, &order.Settled{Version: 5}},
		"said before it was placed": {sent, &order.Settled{Version: 1}},
		"delivered":                 {sold, sent, &order.Settled{Version: 2}, &order.Closed{}, &order.LineDelivered{Part: sent.Part}},
	} {
		r, s := story(events...)
		plan := s.Plan()
		if status := s.Status(50); r.StatusAt(50) != status || r.Pending() == plan.Done() || r.Version != s.Version {
			t.Errorf("%s: the record is %s, pending %v; the state is %s, done %v", name, r.StatusAt(50), r.Pending(), status, plan.Done())
		}
	}
}
