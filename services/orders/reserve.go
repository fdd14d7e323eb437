package orders

import (
	"context"
	"fmt"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

const (
	// MaxOrderID is the longest id of an order, in bytes: the ids of its reservations are made of it.
	MaxOrderID = 90
	// confirming is how long the holds of an order last that is confirmed as soon as it is reserved, should a crash come in between.
	confirming = 24 * 60 * 60 * aggregates.Second
)

// ReserveOrder promises the lines of an order. It returns *validation.Error, *refusals.UnknownChannel, *order.ShortError,
// *order.ReusedError, *order.TooManyError, and the errors of the store.
func (s *Service) ReserveOrder(ctx context.Context, r *pb.ReserveOrderRequest) (*pb.ReserveOrderResponse, error) {
	lines, err := s.linesInUnits(ctx, r.Lines)
	if err != nil {
		return nil, about(r.OrderId, err)
	}
	if err := checkReserve(r, lines); err != nil {
		return nil, err
	}
	hold, err := s.holdSeconds(ctx, r)
	if err != nil {
		return nil, err
	}
	received := order.Received{Channel: r.Channel, Lines: named(codec.Lines(lines)), Partial: r.Partial, Confirm: r.Confirm}
	m := provenance.Metadata(ctx, r.Actor, correlation(r))
	m.IdempotencyKey = "reserve"
	m.Fingerprint = aggregates.Fingerprint(r.Channel, fmt.Sprintf("%+v", received.Lines), strconv.FormatBool(r.Partial),
		strconv.FormatBool(r.Confirm), strconv.FormatInt(r.HoldSeconds, 10))
	_, err = s.Orders.Do(ctx, r.OrderId, m, decision(func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		received := received
		received.ExpiresAt = (now + hold).CeilSecond()
		return order.Receive(o, received, m)
	}))
	if err != nil {
		return nil, about(r.OrderId, err)
	}
	l, position, err := s.finish(ctx, r.OrderId)
	if err != nil {
		return nil, err
	}
	if l.view.Status == order.StatusRejected {
		return nil, about(r.OrderId, &order.ShortError{Short: l.view.Short})
	}
	return &pb.ReserveOrderResponse{Order: message(r.OrderId, &l.view), Token: s.Tokens.Encode(position)}, nil
}

// holdSeconds is how long the order is held, by the request or its channel.
func (s *Service) holdSeconds(ctx context.Context, r *pb.ReserveOrderRequest) (aggregates.Instant, error) {
	channel, ok := s.Policies.Channel(r.Channel)
	if !ok { // it may have been defined on another replica just now
		if err := tokens.AwaitEnd(ctx, s.Policies); err != nil {
			return 0, err
		}
		if channel, ok = s.Policies.Channel(r.Channel); !ok {
			return 0, &refusals.UnknownChannel{Channel: r.Channel}
		}
	}
	switch {
	case r.Confirm:
		return confirming, nil
	case r.HoldSeconds != 0:
		return aggregates.Instant(r.HoldSeconds) * aggregates.Second, nil
	}
	return aggregates.Instant(channel.Policy.HoldSeconds) * aggregates.Second, nil
}

func correlation(r *pb.ReserveOrderRequest) string {
	if r.CorrelationId == "" {
		return r.OrderId
	}
	return r.CorrelationId
}

// named gives lines without an id their place, from 1.
func named(lines []order.Line) []order.Line {
	for i := range lines {
		if lines[i].ID == "" {
			lines[i].ID = strconv.Itoa(i + 1)
		}
	}
	return lines
}

// about adds to a refusal which order it is about.
func about(id string, err error) error {
	return refusals.About(err, refusals.Fact{Name: "order_id", Value: id})
}

func checkReserve(r *pb.ReserveOrderRequest, lines []*pb.OrderedLine) error {
	var c validation.Checker
	checkOrder(&c, r.OrderId, r.Actor)
	c.ID("channel", r.Channel)
	checkLines(&c, "", lines, 1)
	if r.HoldSeconds != 0 {
		c.Range("hold_seconds", r.HoldSeconds, 1, domain.MaxHoldSeconds)
	}
	c.Text("correlation_id", r.CorrelationId, validation.MaxID)
	return c.Err()
}

func checkOrder(c *validation.Checker, id, actor string) {
	c.ID("order_id", id)
	if len(id) > MaxOrderID {
		c.Fail("order_id", "must be at most %d bytes, has %d", MaxOrderID, len(id))
	}
	if _, kits := order.KitReservationOf(id); kits {
		c.Fail("order_id", "must not begin with the word that names reservations of kits, %q", order.KitReservation(""))
	}
	c.Text("actor", actor, validation.MaxID)
}

// checkLines checks the lines of an order, each of at least so many units.
func checkLines(c *validation.Checker, prefix string, lines []*pb.OrderedLine, least int64) {
	c.Count(prefix+"lines", len(lines), 1, order.MaxLines)
	seen, holds := map[[2]string]bool{}, map[string][2]string{}
	for i, x := range lines {
		field := fmt.Sprintf("%slines[%d].", prefix, i)
		c.Text(field+"line", x.Line, validation.MaxID)
		c.ID(field+"sku", x.Sku)
		c.Range(field+"quantity", x.Quantity, least, order.MaxLineQuantity)
		c.Text(field+"reservation_id", x.ReservationId, validation.MaxID)
		c.Text(field+"location", x.Location, validation.MaxID)
		c.Text(field+"method", x.Method, maxMethod)
		id := x.Line
		if id == "" {
			id = strconv.Itoa(i + 1)
		}
		if seen[[2]string{id, x.Sku}] {
			c.Fail(field+"line", "must be another than that of an earlier line of the SKU, is %q", id)
		}
		seen[[2]string{id, x.Sku}] = true
		if x.ReservationId != "" {
			if was, ok := holds[x.ReservationId]; ok && was != [2]string{x.Sku, x.Location} {
				c.Fail(field+"reservation_id", "must be a reservation of one SKU and location, is that of an earlier line")
			}
			holds[x.ReservationId] = [2]string{x.Sku, x.Location}
		}
	}
}

// maxMethod is the longest name of how an order gets to the customer, in bytes.
const maxMethod = 50
