package availability

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// GetAvailability returns the ATS of one SKU on one channel. It returns *validation.Error, *refusals.UnknownChannel, *stock.MethodError,
// what tokens.Codec.Await returns, and the errors of the view and the store.
func (s *Service) GetAvailability(ctx context.Context, r *pb.GetAvailabilityRequest) (*pb.GetAvailabilityResponse, error) {
	if err := checkGet(r); err != nil {
		return nil, err
	}
	var found projection.Availability
	way := stock.Way{Method: r.Method, Location: r.Location}
	err := s.await(ctx, r.Token)
	switch {
	case err == nil && way.Is():
		found, err = s.getBy(ctx, r, way)
	case err == nil && r.ReservationId != "":
		found, err = s.decide(ctx, r.Sku, &look{channels: s.Channels, channel: r.Channel, own: r.ReservationId})
	case err == nil && r.Consistency == pb.Consistency_CONSISTENCY_STRONG:
		found, err = s.decide(ctx, r.Sku, &look{channels: s.Channels, channel: r.Channel})
	case err == nil:
		found, err = s.View.Get(ctx, r.Sku, r.Channel)
	}
	if errors.Is(err, projection.ErrUnreadable) {
		found, err = s.instead(ctx, r.Sku, &look{channels: s.Channels, channel: r.Channel, own: r.ReservationId, way: way})
	}
	if err != nil {
		return nil, refusal(err, r.Channel)
	}
	return respond(&found), nil
}

func checkGet(r *pb.GetAvailabilityRequest) error {
	var c validation.Checker
	c.ID("sku", r.Sku)
	c.ID("channel", r.Channel)
	c.Text("reservation_id", r.ReservationId, validation.MaxID)
	checkConsistency(&c, r.Consistency)
	checkWay(&c, stock.Way{Method: r.Method, Location: r.Location})
	return c.Err()
}

func checkConsistency(c *validation.Checker, consistency pb.Consistency) {
	if _, ok := pb.Consistency_name[int32(consistency)]; !ok {
		c.Fail("consistency", "must be one of the values of Consistency, is %d", consistency)
	}
}

// value is a message with what hangs on it, in one piece of memory.
type value struct {
	availability pb.Availability
	asOf         timestamppb.Timestamp
	currentAt    timestamppb.Timestamp
}

func (v *value) set(a *projection.Availability) *pb.Availability {
	p := &v.availability
	p.Sku, p.Channel, p.Ats, p.Decimals = a.SKU, a.Channel, a.ATS, int32(a.Decimals)
	p.Known, p.Position = a.Known, a.Position
	if a.RecordedAt > 0 {
		p.AsOf = stamp(&v.asOf, a.RecordedAt)
	}
	if a.CurrentAt > 0 {
		p.CurrentAt = stamp(&v.currentAt, a.CurrentAt)
	}
	p.AnsweredFrom = origins[a.From]
	p.Status, p.Beyond = pb.AvailabilityStatus(a.Standing), a.Beyond // the names are in the same order
	if a.NextAt > 0 {
		p.NextAvailableAt = stamp(new(timestamppb.Timestamp), a.NextAt)
	}
	return p
}

var origins = [...]pb.AnsweredFrom{
	projection.FromModel:  pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED,
	projection.FromMemory: pb.AnsweredFrom_ANSWERED_FROM_MEMORY,
	projection.FromStream: pb.AnsweredFrom_ANSWERED_FROM_STREAM,
}

func stamp(t *timestamppb.Timestamp, at aggregates.Instant) *timestamppb.Timestamp {
	t.Seconds, t.Nanos = int64(at/aggregates.Second), int32(at%aggregates.Second)*1000
	return t
}

func respond(a *projection.Availability) *pb.GetAvailabilityResponse {
	answer := &struct {
		response pb.GetAvailabilityResponse
		value    value
	}{}
	answer.response.Availability = answer.value.set(a)
	return &answer.response
}
