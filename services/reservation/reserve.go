package reservation

import (
	"context"
	"errors"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Reserve takes units of one SKU for one channel, or none. It returns *validation.Error, *refusals.UnknownSKU,
// *refusals.UnknownChannel, what stock.Reserve returns, and the errors of the index and the store.
func (s *Service) Reserve(ctx context.Context, r *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	if err := checkReserve(r); err != nil {
		return nil, err
	}
	result, position, err := s.place(ctx, r)
	if err != nil {
		return nil, err
	}
	return &pb.ReserveResponse{Reservation: result, Token: s.Tokens.Encode(position)}, nil
}

// place reserves what a valid request asks for.
func (s *Service) place(ctx context.Context, r *pb.ReserveRequest) (*pb.Reservation, uint64, error) {
	if _, ok := s.Policies.Channel(r.Channel); !ok { // it may have been defined on another replica just now
		if err := tokens.AwaitEnd(ctx, s.Policies); err != nil {
			return nil, 0, err
		}
	}
	claimed := s.claims.take(r.ReservationId, r.Sku)
	if claimed != nil {
		// The other SKU's call may be the one that is wrong, and not know it yet: the index decides.
		if known, err := s.owned(ctx, r.ReservationId, r.Sku); err != nil || known == nil {
			return nil, 0, claimed
		}
	}
	in := reserve{policies: s.Policies, channel: r.Channel, request: placed(r)}
	result, position, err := s.reserve(ctx, r, &in)
	if claimed == nil {
		s.claims.settle(r.ReservationId, judge(err), position)
	}
	if err != nil {
		return nil, 0, about(r, err)
	}
	return result, position, nil
}

func checkReserve(r *pb.ReserveRequest) error {
	var c validation.Checker
	c.ID("reservation_id", r.ReservationId)
	if _, kits := order.KitReservationOf(r.ReservationId); kits {
		c.Fail("reservation_id", "must not begin with the word that names what reservations of kits hold, %q", order.KitReservation(""))
	}
	c.ID("sku", r.Sku)
	c.ID("channel", r.Channel)
	c.Amount(r.Quantity, r.Decimal, 1)
	if r.HoldSeconds != 0 {
		c.Range("hold_seconds", r.HoldSeconds, 1, stock.MaxHoldSeconds)
	}
	if r.PromiseAt != nil && (!r.PromiseAt.IsValid() || codec.Instant(r.PromiseAt) <= 0) {
		c.Fail("promise_at", "must be a time after 1970 and before the year 10000")
	}
	c.Text("location", r.Location, validation.MaxID)
	c.Text("method", r.Method, validation.MaxID)
	c.Text("actor", r.Actor, validation.MaxID)
	c.Text("correlation_id", r.CorrelationId, validation.MaxID)
	return c.Err()
}

// reserve has the SKU's stream decide, and goes on with kits when that says so.
func (s *Service) reserve(ctx context.Context, r *pb.ReserveRequest, in *reserve) (*pb.Reservation, uint64, error) {
	var err error
	if in.known, err = s.owned(ctx, r.ReservationId, r.Sku); err != nil {
		return nil, 0, err
	}
	m := reserveMetadata(ctx, r)
	for {
		outcome, err := s.SKUs.Do(ctx, r.Sku, m, in)
		var kit *stock.KitError
		var before *kitBefore
		switch {
		case errors.As(err, &kit):
			return s.reserveKits(ctx, r, kit.Kit)
		case errors.As(err, &before):
			result, position, known, err := s.kitsAgain(ctx, r)
			if known || err != nil {
				return result, position, err
			}
			in.asked = before.version
		case err != nil:
			return nil, outcome.Position, err
		default:
			return message(r.Sku, &in.result), outcome.Position, nil
		}
	}
}

func reserveMetadata(ctx context.Context, r *pb.ReserveRequest) aggregates.Metadata {
	correlation := r.CorrelationId
	if correlation == "" {
		correlation = r.ReservationId
	}
	m := provenance.Metadata(ctx, r.Actor, correlation)
	m.Fingerprint, m.IdempotencyKey = fingerprint(r), "reserve:"+r.ReservationId
	return m
}

// fingerprint condenses what a request asks for. That of a request for now is what it was before there were dates.
func fingerprint(r *pb.ReserveRequest) uint64 {
	var room [10]string
	parts := append(room[:0], r.Sku, r.Channel, strconv.FormatInt(r.Quantity, 10), r.Decimal,
		strconv.FormatInt(r.HoldSeconds, 10), strconv.FormatBool(r.Confirmed))
	if r.PromiseAt != nil {
		parts = append(parts, strconv.FormatInt(int64(codec.Instant(r.PromiseAt)), 10))
	}
	if r.Location != "" || r.LocationBinding || r.Method != "" { // what says nothing of these has the fingerprint that it always had
		parts = append(parts, r.Location, strconv.FormatBool(r.LocationBinding), r.Method)
	}
	return aggregates.Fingerprint(parts...)
}

// reserve is the intention to place a reservation.
type reserve struct {
	policies Policies
	channel  string
	request  stock.ReserveRequest
	known    *reservations.Record // of the reservation, when the index has it
	asked    uint64               // definition of the SKU as a kit up to which there is no reservation of kits under the id

	result stock.Reservation
}

// kitBefore says that the SKU was a kit, up to a definition, and so its stream alone does not know whether the id was used.
type kitBefore struct{ version uint64 }

func (*kitBefore) Error() string { return "the SKU was a kit" }

// aboutKits tells whether the SKU's stream alone cannot decide.
func aboutKits(err error) bool {
	var kit *stock.KitError
	var before *kitBefore
	return errors.As(err, &kit) || errors.As(err, &before)
}

// Decide reserves under the channel's policy of this moment.
func (x *reserve) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	channel, ok := x.policies.Channel(x.channel)
	if !ok {
		return nil, &refusals.UnknownChannel{Channel: x.channel}
	}
	x.result, events, err = stock.Reserve(s, x.request, m, channel.Policy, now)
	if x.known != nil || s.Bundle() != nil {
		if used := x.used(s, err, now); used != nil {
			return nil, used
		}
	}
	return events, err
}

// used tells whether the id was used, as far as the state does not say so itself: for units so long ago that it forgot them, or for kits. Of
// kits, those who reserve them find out.
func (x *reserve) used(s *stock.State, decided error, now aggregates.Instant) error {
	if _, err := stock.Find(s, x.request.ReservationID, now); err == nil {
		return nil
	}
	if x.known != nil && x.known.KitOrder == "" {
		return &stock.KeyReusedError{Key: x.request.ReservationID}
	}
	var kit *stock.KitError
	if b := s.Bundle(); b != nil && b.Version > x.asked && !errors.As(decided, &kit) {
		return &kitBefore{version: b.Version}
	}
	return nil
}

// judge tells what an error of the store says about whether the reservation was placed.
func judge(err error) verdict {
	switch {
	case err == nil:
		return recorded
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, commands.ErrUnavailable):
		return doubtful
	}
	return refused
}

// about adds to a refusal what was to be reserved.
func about(r *pb.ReserveRequest, err error) error {
	if errors.Is(err, stock.ErrUnknownSKU) {
		return &refusals.UnknownSKU{SKU: r.Sku}
	}
	var short *stock.InsufficientError
	if errors.As(err, &short) {
		return refusals.About(err, refusals.Fact{Name: "sku", Value: r.Sku}, refusals.Fact{Name: "channel", Value: r.Channel})
	}
	return err
}
