package orders

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// The reasons, beside those of services/stock, for which a message about an order cannot be applied. They are a contract.
const (
	ReasonUnknownChannel = "UNKNOWN_CHANNEL" // nobody defined the channel that the order was placed on
	ReasonNoSite         = "NO_LOCATION_TO_SELL_FROM"
	ReasonNotLive        = "ORDER_NOT_LIVE"  // what was held for the order has ended
	ReasonTooLarge       = "ORDER_TOO_LARGE" // more lines or events than an order may have
)

// Take takes in what a channel or a warehouse says of an order, and carries it out. origin says of the message where it came from, when it
// occurred, and its own id. It tells whether that was news; taking it in again is safe. What is wrong with the message is a *stock.Rejection; other errors say
// nothing about it, and it may be tried again.
func (s *Service) Take(ctx context.Context, m *pb.OrderMessage, origin aggregates.Metadata) (news bool, err error) {
	if news, err = s.take(ctx, m, origin); err == nil {
		limited, cancel := context.WithTimeout(ctx, driveTimeout)
		defer cancel()
		_, _, err = s.drive(limited, m.OrderId)
	}
	return news, rejection(err)
}

// RecordOrderMessage takes in a message that comes by call. It returns *validation.Error,
// *validation.ClockSkewError, *refusals.UnknownChannel, *refusals.UnknownLocations, *domain.NoSiteError, *order.ReusedError,
// *order.NotLiveError, *order.TooManyError and the errors of the store.
func (s *Service) RecordOrderMessage(ctx context.Context, r *pb.RecordOrderMessageRequest) (*pb.RecordOrderMessageResponse, error) {
	var c validation.Checker
	c.ID("source", r.Source)
	c.ID("message_id", r.MessageId)
	if r.OccurredAt == nil {
		c.Fail("occurred_at", "must be given")
	} else if err := r.OccurredAt.CheckValid(); err != nil {
		c.Fail("occurred_at", "must be a time within the years 1 to 9999")
	}
	if r.Message == nil {
		c.Fail("message", "must be given")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	origin := provenance.Metadata(ctx, r.Message.Actor, r.Message.OrderId)
	origin.OccurredAt = codec.Instant(r.OccurredAt)
	origin.Source = aggregates.Source{System: r.Source, MessageID: r.MessageId}
	if _, err := s.take(ctx, r.Message, origin); err != nil {
		return nil, about(r.Message.OrderId, err)
	}
	l, position, err := s.finish(ctx, r.Message.OrderId)
	if err != nil {
		return nil, about(r.Message.OrderId, err)
	}
	return &pb.RecordOrderMessageResponse{Order: message(r.Message.OrderId, &l.view), Token: s.Tokens.Encode(position)}, nil
}

// take records what a message says on its order's stream.
func (s *Service) take(ctx context.Context, msg *pb.OrderMessage, origin aggregates.Metadata) (news bool, err error) {
	said, err := s.inUnits(ctx, msg)
	if err != nil {
		return false, err
	}
	decide, err := s.read(ctx, said, &origin)
	if err != nil {
		return false, err
	}
	contents, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return false, fmt.Errorf("order %q: %w", msg.OrderId, err)
	}
	m := origin
	m.Actor = msg.Actor
	if m.CorrelationID == "" {
		m.CorrelationID = msg.OrderId
	}
	m.Source.Document = msg.OrderId
	m.IdempotencyKey = "message:" + fmt.Sprintf("%d:", len(m.Source.System)) + m.Source.System + ":" + m.Source.MessageID
	m.Fingerprint = aggregates.Fingerprint(string(contents))
	outcome, err := s.Orders.Do(ctx, msg.OrderId, m, decide)
	if outcome.Recorded > 0 && s.observed(said, &origin) != nil {
		s.Recorder.Observed(m.Source.System, m.OccurredAt, s.Now())
	}
	return outcome.Recorded > 0, err
}

// rejection is what the refusal of a message amounts to; other errors stay as they are.
func rejection(err error) error {
	var (
		reused  *order.ReusedError
		ended   *order.NotLiveError
		tooMany *order.TooManyError
		channel *refusals.UnknownChannel
		place   *refusals.UnknownLocations
		noSite  *domain.NoSiteError
	)
	switch {
	case errors.As(err, &reused):
		return &stock.Rejection{Reason: stock.ReasonKeyReused, Message: reused.Error()}
	case errors.As(err, &ended):
		return &stock.Rejection{Reason: ReasonNotLive, Message: ended.Error()}
	case errors.As(err, &tooMany):
		return &stock.Rejection{Reason: ReasonTooLarge, Message: tooMany.Error()}
	case errors.As(err, &channel):
		return &stock.Rejection{Reason: ReasonUnknownChannel, Message: channel.Error() + ", then replay this"}
	case errors.As(err, &place):
		return stock.UnknownLocation(place.Locations[0])
	case errors.As(err, &noSite):
		return &stock.Rejection{Reason: ReasonNoSite, Message: noSite.Error() + "; enable one, then replay this"}
	}
	if rejected := stock.Reject(err); rejected != nil {
		return rejected
	}
	return err
}

// read checks a message and returns what it asks of its order.
func (s *Service) read(ctx context.Context, m *pb.OrderMessage, origin *aggregates.Metadata) (decision, error) {
	var c validation.Checker
	checkOrder(&c, m.OrderId, m.Actor)
	if origin.OccurredAt <= 0 {
		c.Fail("time", "must be given, as a time after 1970")
	}
	back, is := readReturn(&c, m)
	decide, places := back.decision()
	if !is {
		decide, places = readKind(&c, m)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := validation.CheckAhead("time", origin.OccurredAt, s.Now()); err != nil {
		return nil, err
	}
	for _, place := range places {
		if !s.Recorder.Knows(place) {
			return nil, &refusals.UnknownLocations{Locations: []string{place}}
		}
	}
	if observed := s.observed(m, origin); observed != nil {
		return observed, nil
	}
	if back != nil {
		return decide, back.underRules(ctx, s)
	}
	if placed := m.GetPlaced(); placed != nil {
		return decide, s.checkChannel(ctx, placed)
	}
	return decide, nil
}

// checkChannel refuses an order of a channel that cannot promise anything.
func (s *Service) checkChannel(ctx context.Context, m *pb.OrderMessage_Placed) error {
	channel, ok := s.Policies.Channel(m.Channel)
	if !ok { // it may have been defined on another replica just now
		if err := tokens.AwaitEnd(ctx, s.Policies); err != nil {
			return err
		}
		channel, ok = s.Policies.Channel(m.Channel)
	}
	switch {
	case !ok:
		return &refusals.UnknownChannel{Channel: m.Channel}
	case m.Sold && len(channel.Policy.Sites) == 0:
		return &domain.NoSiteError{Channel: m.Channel}
	}
	return nil
}

// readKind reads what a message says; places are the locations that it names as those where something happened.
func readKind(c *validation.Checker, m *pb.OrderMessage) (decide decision, places []string) {
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Placed_:
		return readPlaced(c, k.Placed), nil
	case *pb.OrderMessage_Changed_:
		version, lines := readChanged(c, "changed.", k.Changed)
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Change(s, version, lines, m)
		}, nil
	case *pb.OrderMessage_Cut_:
		parts := readParts(c, "cut.", k.Cut.Lines)
		c.Text("cut.reason", k.Cut.Reason, validation.MaxNote)
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Cut(s, parts, k.Cut.Reason, m)
		}, nil
	case *pb.OrderMessage_Cancelled_:
		c.Text("cancelled.reason", k.Cancelled.Reason, validation.MaxNote)
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Cancel(s, order.Cancelled{OrderVersion: k.Cancelled.OrderVersion, Reason: k.Cancelled.Reason}, m)
		}, nil
	}
	return readUnits(c, m)
}

func readPlaced(c *validation.Checker, p *pb.OrderMessage_Placed) decision {
	c.ID("placed.channel", p.Channel)
	checkLines(c, "placed.", p.Lines, 1)
	r := order.Received{Channel: p.Channel, Lines: named(codec.Lines(p.Lines)), Sold: p.Sold, Partial: p.Partial, Confirm: !p.Sold}
	return func(s *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		r := r
		if !r.Sold {
			r.ExpiresAt = (now + confirming).CeilSecond()
		}
		return order.Place(s, r, m, now)
	}
}

func readChanged(c *validation.Checker, prefix string, k *pb.OrderMessage_Changed) (version uint64, lines []order.Line) {
	if k.OrderVersion == 0 {
		c.Fail(prefix+"order_version", "must be at least 1")
	}
	checkLines(c, prefix, k.Lines, 0)
	for i, x := range k.Lines {
		if x.Line == "" {
			c.Fail(fmt.Sprintf("%slines[%d].line", prefix, i), "must be given")
		}
	}
	return k.OrderVersion, codec.Lines(k.Lines)
}

// readUnits reads what happened to units.
func readUnits(c *validation.Checker, m *pb.OrderMessage) (decide decision, places []string) {
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Shipped_:
		parts := readParts(c, "shipped.", k.Shipped.Lines)
		c.ID("shipped.location", k.Shipped.Location)
		c.Text("shipped.shipment", k.Shipped.Shipment, validation.MaxID)
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Ship(s, parts, k.Shipped.Location, k.Shipped.Shipment, m)
		}, []string{k.Shipped.Location}
	case *pb.OrderMessage_Delivered_:
		parts := readParts(c, "delivered.", k.Delivered.Lines)
		c.Text("delivered.shipment", k.Delivered.Shipment, validation.MaxID)
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Deliver(s, parts, k.Delivered.Shipment, m)
		}, nil
	case *pb.OrderMessage_Inspected_:
		parts := readParts(c, "inspected.", k.Inspected.Lines)
		c.ID("inspected.location", k.Inspected.Location)
		c.Text("inspected.return_id", k.Inspected.ReturnId, validation.MaxID)
		to, ok := inspectedAs[k.Inspected.Condition]
		if !ok {
			c.Fail("inspected.condition", "must be sellable, damaged or quarantined, is %d", k.Inspected.Condition)
		}
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Inspect(s, parts, k.Inspected.Location, to, k.Inspected.ReturnId, m)
		}, []string{k.Inspected.Location}
	}
	c.Fail("kind", "must be one of placed, changed, cut, cancelled, shipped, delivered, returned, inspected, exchanged")
	return nil, nil
}

var inspectedAs = map[pb.Condition]domain.Condition{
	pb.Condition_CONDITION_SELLABLE: domain.Sellable, pb.Condition_CONDITION_DAMAGED: domain.Damaged,
	pb.Condition_CONDITION_QUARANTINED: domain.Quarantined,
}

func readParts(c *validation.Checker, prefix string, parts []*pb.OrderMessage_Part) []order.Part {
	c.Count(prefix+"lines", len(parts), 1, order.MaxLines)
	list := make([]order.Part, len(parts))
	for i, x := range parts {
		field := fmt.Sprintf("%slines[%d].", prefix, i)
		c.ID(field+"line", x.Line)
		c.ID(field+"sku", x.Sku)
		c.Range(field+"quantity", x.Quantity, 1, order.MaxLineQuantity)
		list[i] = order.Part{Line: x.Line, SKU: x.Sku, Quantity: x.Quantity}
	}
	return list
}
