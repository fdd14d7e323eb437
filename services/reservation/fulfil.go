package reservation

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// FulfilReservation hands over some or all of what is still reserved. It returns *validation.Error,
// *validation.ClockSkewError, *refusals.UnknownLocations and what change returns.
func (s *Service) FulfilReservation(ctx context.Context, r *pb.FulfilReservationRequest) (*pb.FulfilReservationResponse, error) {
	occurred, err := s.checkFulfil(r)
	if err != nil {
		return nil, err
	}
	m := metadata(ctx, r.ReservationId, r.Actor, restKey("fulfil", r.ReservationId))
	if r.IdempotencyKey != "" {
		m = metadata(ctx, r.ReservationId, r.Actor, callKey("fulfil", r.ReservationId, r.IdempotencyKey),
			strconv.FormatInt(r.Quantity, 10), r.Location, strconv.FormatInt(int64(occurred), 10), r.Document)
	}
	m.OccurredAt, m.Source.Document = occurred, r.Document
	in := fulfil{request: stock.FulfilRequest{ReservationID: r.ReservationId, Quantity: r.Quantity, Location: r.Location}}
	result, token, err := s.change(ctx, r.ReservationId, m, &in)
	if err != nil {
		return nil, err
	}
	return &pb.FulfilReservationResponse{Reservation: result, Token: token}, nil
}

// checkFulfil returns when the units left, 0 for now.
func (s *Service) checkFulfil(r *pb.FulfilReservationRequest) (aggregates.Instant, error) {
	c := checkChange(r.ReservationId, r.Actor)
	checkPart(&c, r.Quantity, r.IdempotencyKey)
	c.Text("location", r.Location, validation.MaxID)
	c.Text("document", r.Document, validation.MaxID)
	if r.OccurredAt != nil {
		checkTime(&c, "occurred_at", r.OccurredAt)
	}
	if err := c.Err(); err != nil {
		return 0, err
	}
	occurred := codec.Instant(r.OccurredAt)
	if err := validation.CheckAhead("occurred_at", occurred, s.Now()); err != nil {
		return 0, err
	}
	if r.Location != "" && !s.AcceptUnknownLocations {
		if _, known := s.Policies.Location(r.Location); !known {
			return 0, &refusals.UnknownLocations{Locations: []string{r.Location}}
		}
	}
	return occurred, nil
}

// checkTime checks that a timestamp is one: within the years 1 to 9999.
func checkTime(c *validation.Checker, field string, t *timestamppb.Timestamp) {
	if err := t.CheckValid(); err != nil {
		c.Fail(field, "must be a time within the years 1 to 9999, is %d s %d ns after 1970", t.Seconds, t.Nanos)
	}
}

// fulfil is the intention. A hand-over that occurred before what the state remembers needs the stream's past.
type fulfil struct {
	request stock.FulfilRequest
	decided
}

var _ commands.Learner = (*fulfil)(nil)

// Decide fulfils.
func (x *fulfil) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	x.result, events, err = stock.Fulfil(s, x.request, m, now)
	return events, err
}

// Wants tells whether a decision failed for want of the past, and prepares to learn it.
func (x *fulfil) Wants(err error) bool {
	var need *stock.NeedHistory
	if !errors.As(err, &need) {
		return false
	}
	x.request.History = need.History
	return true
}

// Learn takes in one event of the past.
func (x *fulfil) Learn(e aggregates.Event, revision uint64, m aggregates.Metadata) {
	x.request.History.Add(e, revision, m)
}
