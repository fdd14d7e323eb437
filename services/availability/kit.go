package availability

import (
	"context"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/services/commands"
)

// A strong answer about a kit is decided on the streams of its components, all at once: each part is what its stream gives at that moment.

// ofKit keeps what a look at a kit's own stream found, when it is a kit.
func (l *look) ofKit(s *stock.State) {
	if s.AsKit() != nil {
		own := s.Balances.Clone()
		l.kit = &own
	}
}

// partLook is the intention to look at a component.
type partLook struct {
	look
	quantity int64 // that one kit takes
	part     stock.KitPart
}

// Decide reads the component at its latest revision, under the channel's policy of this moment.
func (l *partLook) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, err := l.look.Decide(s, m, now)
	if err == nil {
		l.part = s.PartOf(l.offer, l.quantity, l.policy.Policy, now)
	}
	return nil, err
}

// decideKit makes the answer of a look at a kit's own stream that of the kit.
func (s *Service) decideKit(ctx context.Context, sku string, l *look, position uint64) (projection.Availability, error) {
	components := l.kit.AsKit().Components
	looks, err := s.lookAtParts(ctx, components, func(i int) *partLook {
		p := &partLook{look: look{channels: s.Channels, channel: l.channel, way: l.way}, quantity: components[i].Quantity}
		if l.own != "" {
			p.own = order.ComponentHold(l.own, i)
		}
		return p
	})
	if err != nil {
		return projection.Availability{}, err
	}
	parts := make([]stock.KitPart, len(looks))
	for i, p := range looks {
		parts[i] = p.part
		if p.known {
			position = max(position, p.position)
		}
		l.at = max(l.at, p.at)
	}
	l.offer = stock.KitOffer(l.kit, parts, l.policy.Policy, l.at)
	return l.availability(sku, position), nil
}

// lookAtParts looks at the components' streams, all at once.
func (s *Service) lookAtParts(ctx context.Context, components []stock.Component, of func(int) *partLook) ([]*partLook, error) {
	g := gathering{done: make(chan struct{})}
	g.left.Store(int64(len(components)))
	var looks []*partLook
	for i := range components {
		looks = append(looks, of(i))
	}
	for i, c := range components {
		answer := func(o commands.Outcome, err error) {
			looks[i].position = o.Position
			g.answer(err)
		}
		if err := s.SKUs.Submit(c.SKU, aggregates.Metadata{IdempotencyKey: readKey}, looks[i], answer); err != nil {
			return nil, err
		}
	}
	select {
	case <-g.done:
		if err := g.err.Load(); err != nil {
			return nil, *err
		}
		return looks, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// promiseKit makes the answer by date of a kit: at each date at which a component's changes, as many as the component with the fewest allows.
func (s *Service) promiseKit(ctx context.Context, components []stock.Component, l *lookAhead) error {
	parts := make([]lookAhead, len(components))
	dates := map[aggregates.Instant]bool{}
	for i, c := range components {
		parts[i] = lookAhead{channels: s.Channels, channel: l.channel, horizon: l.horizon}
		if _, err := s.SKUs.Do(ctx, c.SKU, aggregates.Metadata{IdempotencyKey: readKey}, &parts[i]); err != nil {
			return err
		}
		l.at = max(l.at, parts[i].at)
		for _, step := range parts[i].steps[1:] {
			dates[step.At] = true
		}
	}
	dates[l.at], l.steps = true, nil
	for _, at := range slices.Sorted(maps.Keys(dates)) {
		fewest := int64(-1)
		for i, c := range components {
			if kits := stock.KitsIn(parts[i].atDate(at), c.Quantity); fewest < 0 || kits < fewest {
				fewest = kits
			}
		}
		if n := len(l.steps); n > 0 && l.steps[n-1].Quantity == fewest {
			continue
		}
		if l.steps = append(l.steps, stock.PromiseStep{At: at, Quantity: fewest}); len(l.steps) == MaxSteps {
			break
		}
	}
	return nil
}

// atDate is what can be promised for a date, not before the first step: the quantity of the last step that is not after it.
func (l *lookAhead) atDate(at aggregates.Instant) int64 {
	quantity := l.steps[0].Quantity
	for _, step := range l.steps[1:] {
		if step.At > at {
			break
		}
		quantity = step.Quantity
	}
	return quantity
}
