package availability

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxSteps is the most steps of one GetAvailabilityToPromise.
const MaxSteps = 1_000

// GetAvailabilityToPromise returns what can be promised of one SKU on one channel, by date, decided on the SKU's own stream. It
// returns *validation.Error, *refusals.UnknownChannel, and the errors of the store.
func (s *Service) GetAvailabilityToPromise(ctx context.Context, r *pb.GetAvailabilityToPromiseRequest) (*pb.GetAvailabilityToPromiseResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	c.ID("channel", r.Channel)
	if r.Horizon != nil && !r.Horizon.IsValid() {
		c.Fail("horizon", "must be a time within the years 1 to 9999")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	l := lookAhead{channels: s.Channels, channel: r.Channel, horizon: codec.Instant(r.Horizon)}
	outcome, err := s.SKUs.Do(ctx, r.Sku, aggregates.Metadata{IdempotencyKey: readKey}, &l)
	if err != nil {
		return nil, err
	}
	if l.components != nil {
		if err := s.promiseKit(ctx, l.components, &l); err != nil {
			return nil, err
		}
	}
	answer := &pb.GetAvailabilityToPromiseResponse{
		Sku: r.Sku, Channel: r.Channel, Decimals: int32(l.decimals), Known: l.known, AsOf: codec.Timestamp(l.at), Overdue: l.overdue,
	}
	if l.known {
		answer.Position = outcome.Position
	}
	for _, step := range l.steps {
		answer.Steps = append(answer.Steps, &pb.PromiseStep{From: codec.Timestamp(step.At), Quantity: step.Quantity})
	}
	return answer, nil
}

// lookAhead is the intention of an answer by date: it decides the steps and records nothing.
type lookAhead struct {
	channels Channels
	channel  string
	horizon  aggregates.Instant // 0 for the farthest

	steps    []stock.PromiseStep
	overdue  int64
	decimals int
	known    bool
	at       aggregates.Instant

	components []stock.Component // of a kit
}

// Decide reads the SKU at its latest revision, under the channel's policy of this moment.
func (l *lookAhead) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	channel, ok := l.channels.Channel(l.channel)
	if !ok {
		return nil, &refusals.UnknownChannel{Channel: l.channel}
	}
	farthest := now + aggregates.Instant(stock.MaxPromiseSeconds)*aggregates.Second
	if l.horizon == 0 || l.horizon > farthest {
		l.horizon = farthest
	}
	l.steps = s.Promisable(channel.Policy, now, l.horizon, MaxSteps)
	l.overdue = s.Overdue(channel.Policy, now)
	l.decimals, l.known, l.at = s.Item.Decimals, s.Version > 0, now
	if kit := s.AsKit(); kit != nil {
		l.components = kit.Components
	}
	return nil, nil
}
