package availability

import (
	"context"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
)

// readKey stands for an idempotency key where nothing is recorded.
const readKey = "read"

// look is the intention of a strong answer: it decides the ATS and records nothing.
type look struct {
	channels Channels
	channel  string
	own      string // reservation of who asks: what it holds is available to it
	way      stock.Way

	offer    stock.Offer
	decimals int
	known    bool
	policy   *policies.Channel
	at       aggregates.Instant
	kit      *stock.Balances // the SKU's own, when it is a kit
	position uint64          // of the answer, of a component
}

// Decide reads the SKU at its latest revision, under the channel's policy of this moment.
func (l *look) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	policy, ok := l.channels.Channel(l.channel)
	if !ok {
		return nil, &refusals.UnknownChannel{Channel: l.channel}
	}
	l.offer, l.decimals, l.known = s.Offer(policy.Policy, now), s.Item.Decimals, s.Version > 0
	l.policy, l.at = policy, now
	l.ofKit(s)
	var err error
	switch {
	case l.way.Is():
		l.offer, err = s.BalancesTo(l.own, policy.Policy, now).OfferBy(policy.Policy, l.way, now)
	case l.own != "":
		l.offer = s.OfferOf(s.AvailableTo(l.own, policy.Policy, now), policy.Policy, now)
	}
	return nil, err
}

func (l *look) availability(sku string, position uint64) projection.Availability {
	if !l.known { // no position either, as in the read model: a SKU's position only grows
		return projection.Availability{SKU: sku, Channel: l.channel, RecordedAt: l.at, CurrentAt: l.at, From: projection.FromStream}
	}
	return projection.Availability{
		SKU: sku, Channel: l.channel, Offer: l.offer, Decimals: l.decimals, Known: l.known,
		Position: max(position, l.policy.Position), RecordedAt: l.at, CurrentAt: l.at, From: projection.FromStream,
	}
}

// decide answers for one SKU on its own stream.
func (s *Service) decide(ctx context.Context, sku string, l *look) (projection.Availability, error) {
	outcome, err := s.SKUs.Do(ctx, sku, aggregates.Metadata{IdempotencyKey: readKey}, l)
	if err != nil {
		return projection.Availability{}, err
	}
	if l.kit != nil {
		return s.decideKit(ctx, sku, l, outcome.Position)
	}
	return l.availability(sku, outcome.Position), nil
}

// decideAll answers for many SKUs, each on its own stream, all at once.
func (s *Service) decideAll(ctx context.Context, skus []string, channel string, way stock.Way) ([]projection.Availability, error) {
	g := gathering{done: make(chan struct{}), found: make([]projection.Availability, len(skus))}
	g.left.Store(int64(len(skus)))
	looks := make([]look, len(skus))
	for i, sku := range skus {
		looks[i] = look{channels: s.Channels, channel: channel, way: way}
		answer := func(o commands.Outcome, err error) {
			if err == nil {
				g.found[i] = looks[i].availability(sku, o.Position)
			}
			g.answer(err)
		}
		if err := s.SKUs.Submit(sku, aggregates.Metadata{IdempotencyKey: readKey}, &looks[i], answer); err != nil {
			return nil, err
		}
	}
	select {
	case <-g.done:
		if err := g.err.Load(); err != nil {
			return nil, *err
		}
		return g.found, s.decideKits(ctx, skus, looks, g.found)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gathering waits for the answers of one batch. Those that come after the caller has left go nowhere.
type gathering struct {
	left  atomic.Int64
	done  chan struct{}
	err   atomic.Pointer[error]
	found []projection.Availability
}

func (g *gathering) answer(err error) {
	if err != nil {
		g.err.CompareAndSwap(nil, &err)
	}
	if g.left.Add(-1) == 0 {
		close(g.done)
	}
}

// decideKits makes the answers about those that are kits.
func (s *Service) decideKits(ctx context.Context, skus []string, looks []look, found []projection.Availability) (err error) {
	for i := range looks {
		if looks[i].kit == nil {
			continue
		}
		if found[i], err = s.decideKit(ctx, skus[i], &looks[i], found[i].Position); err != nil {
			return err
		}
	}
	return nil
}
