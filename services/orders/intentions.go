package orders

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
)

// actor is who tells SKUs what orders want, in the record.
const actor = "stockfold-orders"

// decision is an intention about an order.
type decision func(s *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error)

// Decide decides.
func (d decision) Decide(s *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return d(s, m, now)
}

// look reads an order at its latest revision.
type look struct {
	plan order.Plan
	view order.View
}

// Decide looks, and records nothing.
func (l *look) Decide(s *order.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	l.plan, l.view = s.Plan(), order.Show(s, now)
	return nil, nil
}

// see reads an order.
func (s *Service) see(ctx context.Context, id string) (look, uint64, error) {
	var l look
	outcome, err := s.Orders.Do(ctx, id, aggregates.Metadata{IdempotencyKey: "read"}, &l)
	return l, outcome.Position, err
}

// record has events of the order's own process recorded.
func (s *Service) record(ctx context.Context, id, key string, decide func(*order.State) []aggregates.Event) error {
	m := aggregates.Metadata{Actor: actor, CorrelationID: id, IdempotencyKey: key}
	_, err := s.Orders.Do(ctx, id, m, decision(func(s *order.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
		return decide(s), nil
	}))
	return err
}

// ask is the intention to bring one SKU's promise to what an order wants.
type ask struct {
	policies Policies
	channel  string
	request  domain.OrderRequest

	result domain.Ordered
	under  uint64 // position of the policy that it was decided under; 0 when none was asked
	err    error
}

var _ commands.Intention[domain.State] = (*ask)(nil)

// Decide asks under the channel's policy of this moment. Nothing wanted needs no policy.
func (a *ask) Decide(s *domain.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	var policy *domain.Policy
	if len(a.request.Lines) > 0 {
		channel, ok := a.policies.Channel(a.channel)
		if !ok {
			return nil, &refusals.UnknownChannel{Channel: a.channel}
		}
		policy = channel.Policy
		a.under = policy.Position
	}
	a.result, events, err = domain.Order(s, a.request, m, policy, now)
	return events, err
}
