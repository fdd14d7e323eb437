package orders

import (
	"context"
	"crypto/rand"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/validation"
)

// change has a call on an order that is there decided and carried out.
func (s *Service) change(ctx context.Context, id, actor, key string, contents []string, decide decision) (*pb.Order, string, error) {
	m := provenance.Metadata(ctx, actor, id)
	m.IdempotencyKey, m.Fingerprint = key, aggregates.Fingerprint(contents...)
	if _, err := s.Orders.Do(ctx, id, m, decide); err != nil {
		return nil, "", about(id, err)
	}
	l, position, err := s.finish(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return message(id, &l.view), s.Tokens.Encode(position), nil
}

// ConfirmOrder takes the end off an order's holds. It returns *validation.Error, order.ErrUnknown, *order.NotLiveError and the errors
// of the store.
func (s *Service) ConfirmOrder(ctx context.Context, r *pb.ConfirmOrderRequest) (*pb.ConfirmOrderResponse, error) {
	var c validation.Checker
	checkOrder(&c, r.OrderId, r.Actor)
	if err := c.Err(); err != nil {
		return nil, err
	}
	// An order that a crash left half reserved is reserved first.
	if _, _, err := s.finish(ctx, r.OrderId); err != nil {
		return nil, err
	}
	o, token, err := s.change(ctx, r.OrderId, r.Actor, "confirm", nil,
		func(o *order.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			return order.Confirm(o, now)
		})
	if err != nil {
		return nil, err
	}
	return &pb.ConfirmOrderResponse{Order: o, Token: token}, nil
}

// ExtendOrder moves the end of an order's holds. It returns *validation.Error, order.ErrUnknown, *order.NotLiveError,
// *order.NotHeldError, *order.ReusedError and the errors of the store.
func (s *Service) ExtendOrder(ctx context.Context, r *pb.ExtendOrderRequest) (*pb.ExtendOrderResponse, error) {
	var c validation.Checker
	checkOrder(&c, r.OrderId, r.Actor)
	c.Range("hold_seconds", r.HoldSeconds, 1, domain.MaxHoldSeconds)
	c.Text("idempotency_key", r.IdempotencyKey, validation.MaxID)
	if err := c.Err(); err != nil {
		return nil, err
	}
	key := "extend-once:" + rand.Text()
	if r.IdempotencyKey != "" {
		key = "extend:" + r.IdempotencyKey
	}
	o, token, err := s.change(ctx, r.OrderId, r.Actor, key, []string{strconv.FormatInt(r.HoldSeconds, 10)},
		func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			return order.Extend(o, now+aggregates.Instant(r.HoldSeconds)*aggregates.Second, m, now)
		})
	if err != nil {
		return nil, err
	}
	return &pb.ExtendOrderResponse{Order: o, Token: token}, nil
}

// CancelOrder gives back all of an order that was not sent. Cancelling what is over already changes nothing. It returns
// *validation.Error, order.ErrUnknown and the errors of the store.
func (s *Service) CancelOrder(ctx context.Context, r *pb.CancelOrderRequest) (*pb.CancelOrderResponse, error) {
	var c validation.Checker
	checkOrder(&c, r.OrderId, r.Actor)
	c.Text("reason", r.Reason, validation.MaxNote)
	if err := c.Err(); err != nil {
		return nil, err
	}
	o, token, err := s.change(ctx, r.OrderId, r.Actor, "cancel", nil,
		func(o *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			if !o.Known() {
				return nil, order.ErrUnknown
			}
			return order.Cancel(o, order.Cancelled{Reason: r.Reason}, m)
		})
	if err != nil {
		return nil, err
	}
	return &pb.CancelOrderResponse{Order: o, Token: token}, nil
}
