package orders

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Record is an order as recorded. It is immutable.
type Record struct {
	ID         string
	Channel    string
	Status     order.Status // but for what ends by time
	Sold       bool
	Sent       bool               // something of it was sent
	ExpiresAt  aggregates.Instant // of its holds, while it is reserved
	Version    uint64             // number of its events
	Asked      uint64             // version of the last event that may ask something of the SKUs
	Settled    uint64             // version up to which they were told everything
	RecordedAt aggregates.Instant // of its last event
	Placed     uint64             // position of its first event
	Position   uint64             // position of its last event
}

// Pending tells whether the SKUs were not told everything yet.
func (r *Record) Pending() bool { return r.Asked > r.Settled || r.Status == order.StatusReceived }

// Open tells whether something is left to send or to settle. What was said of an order before it was placed does not keep it open.
func (r *Record) Open() bool {
	return r.Pending() || r.Status == order.StatusReserved || r.Status == order.StatusConfirmed
}

// Work tells whether the order is pending, or will be when its holds end.
func (r *Record) Work() bool { return r.Pending() || r.Status == order.StatusReserved }

// StatusAt is how the order stands at an instant.
func (r *Record) StatusAt(now aggregates.Instant) order.Status {
	if r.Due(now) {
		return order.StatusCancelled
	}
	return r.Status
}

// Due tells whether the order's holds have ended without its being confirmed.
func (r *Record) Due(now aggregates.Instant) bool {
	return r.Status == order.StatusReserved && r.ExpiresAt <= now
}

// after returns the record after an event.
func (r *Record) after(e *projections.Event) *Record {
	next := *r
	next.Position, next.RecordedAt = e.Record.Position, e.Metadata.RecordedAt
	next.Version = e.Record.Revision + 1
	if order.Asks(e.Fact) {
		next.Asked = next.Version
	}
	switch x := e.Fact.(type) {
	case *order.Received:
		next.Channel, next.Sold, next.ExpiresAt, next.Status = x.Channel, x.Sold, x.ExpiresAt, order.StatusReceived
		if x.Sold {
			next.Status = order.StatusConfirmed
		}
	case *order.Reserved:
		next.Status, next.Settled = order.StatusReserved, max(next.Settled, x.Version)
	case *order.Rejected:
		next.Status = order.StatusRejected
	case *order.Confirmed:
		next.Status, next.ExpiresAt = order.StatusConfirmed, 0
	case *order.Extended:
		next.ExpiresAt = x.ExpiresAt
	case *order.LineFulfilled:
		next.Sent = true
	case *order.LineChanged:
		if next.Status == order.StatusClosed || next.Status == order.StatusCancelled { // until it is settled again
			next.Status = order.StatusConfirmed
		}
	case *order.Settled:
		next.Settled = max(next.Settled, x.Version)
	case *order.Closed:
		next.close()
	}
	return &next
}

// close sets the status of an order of which nothing is left to send.
func (r *Record) close() {
	switch {
	case r.Status == order.StatusRejected:
	case r.Sent:
		r.Status = order.StatusClosed
	default:
		r.Status = order.StatusCancelled
	}
}

// AppendBinary appends the stored form, an inventoryv1.OrderDocument.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	d := inventoryv1.OrderDocument{
		OrderId: r.ID, Channel: r.Channel, Status: int32(r.Status), Sold: r.Sold, Sent: r.Sent, ExpiresAt: int64(r.ExpiresAt),
		Version: r.Version, Asked: r.Asked, Settled: r.Settled, RecordedAt: int64(r.RecordedAt), Placed: r.Placed, Position: r.Position,
	}
	at := len(dst)
	dst = append(dst, make([]byte, d.SizeVT())...)
	if _, err := d.MarshalToSizedBufferVT(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("encode order %q: %w", r.ID, err)
	}
	return dst, nil
}

// UnmarshalBinary reads the stored form. It shares no memory with b.
func (r *Record) UnmarshalBinary(b []byte) error {
	var d inventoryv1.OrderDocument
	if err := d.UnmarshalVT(b); err != nil {
		return fmt.Errorf("read the document of an order: %w", err)
	}
	*r = Record{
		ID: d.OrderId, Channel: d.Channel, Status: order.Status(d.Status), Sold: d.Sold, Sent: d.Sent, ExpiresAt: aggregates.Instant(d.ExpiresAt),
		Version: d.Version, Asked: d.Asked, Settled: d.Settled, RecordedAt: aggregates.Instant(d.RecordedAt), Placed: d.Placed, Position: d.Position,
	}
	return nil
}
