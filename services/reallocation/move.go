package reallocation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/commands"
)

// reason is what is recorded with a move.
const reason = "moved by rule"

// settle looks at one SKU, and moves what can be moved.
func (p *Process) settle(ctx context.Context, x availability.Risky) error {
	ctx, cancel := context.WithTimeout(ctx, decideTimeout)
	defer cancel()
	if !x.Sure {
		is, err := p.suspect(ctx, x.SKU)
		if err != nil {
			return fmt.Errorf("SKU %q: %w", x.SKU, err)
		}
		if !is {
			p.drop(x)
			return nil
		}
	}
	rules := p.Directory.Tables().Rules().Position
	l := look{policyOf: p.policy}
	if _, err := p.SKUs.Do(ctx, x.SKU, aggregates.Metadata{IdempotencyKey: "read"}, &l); err != nil {
		return fmt.Errorf("SKU %q: %w", x.SKU, err)
	}
	if l.all == 0 {
		p.drop(x)
		return nil
	}
	err := p.move(ctx, x.SKU, l.risks)
	p.note(attempt{Risky: x, rules: rules, at: p.Now(), reservations: l.reservations(), units: l.units()})
	return err
}

// drop forgets a SKU that has nothing at risk.
func (p *Process) drop(x availability.Risky) {
	p.View.Settle(x)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tried, x.SKU)
}

func (p *Process) note(a attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried[a.SKU] = a
}

// suspect tells whether the index has a live reservation at a location that its channel does not sell from; true when it has too many to look at.
func (p *Process) suspect(ctx context.Context, sku string) (bool, error) {
	page, next, err := p.Index.List(ctx, sku, true, 0, reservations.MaxPage)
	if err != nil {
		return false, err
	}
	for _, r := range page {
		policy := p.policy(r.Channel)
		for _, at := range r.Splits {
			if policy != nil && !policy.Sells(at.Location) {
				return true, nil
			}
		}
	}
	return next != 0, nil
}

func (p *Process) policy(channel string) *stock.Policy {
	if c, ok := p.Directory.Tables().Channel(channel); ok {
		return c.Policy
	}
	return nil
}

// move has promises moved, one command for each, all at once: the stream decides them one after the other, each on what the ones before it left.
func (p *Process) move(ctx context.Context, sku string, risks []stock.AtRisk) error {
	asked := map[string]bool{}
	answers := make(chan error, perSKU)
	for _, x := range risks {
		if x.Stays != stock.MayMove || asked[x.ReservationID] || len(asked) == perSKU {
			continue
		}
		asked[x.ReservationID] = true
		m := aggregates.Metadata{Actor: actor, CorrelationID: x.ReservationID, IdempotencyKey: "reallocate-by-rule:" + rand.Text()}
		in := &relocate{policyOf: p.policy, request: stock.ReallocateRequest{ReservationID: x.ReservationID, Reason: reason, ByRule: true}}
		done := func(o commands.Outcome, err error) {
			if err == nil {
				p.moved.Add(int64(o.Recorded))
			}
			answers <- err
		}
		if err := p.SKUs.Submit(sku, m, in, done); err != nil {
			done(commands.Outcome{}, err)
		}
	}
	var trouble error
	for range asked {
		select {
		case err := <-answers:
			if err != nil && !gone(err) {
				trouble = fmt.Errorf("SKU %q: %w", sku, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return trouble
}

// gone tells whether a reservation ended meanwhile.
func gone(err error) bool {
	var ended *stock.NotLiveError
	return errors.As(err, &ended) || errors.Is(err, stock.ErrUnknownReservation)
}

// look is the intention to see what is at risk; it records nothing.
type look struct {
	policyOf func(string) *stock.Policy
	risks    []stock.AtRisk
	all      int
}

// Decide looks.
func (l *look) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	l.risks, l.all = stock.Risks(s, l.policyOf, now, stock.MaxLiveReservations)
	return nil, nil
}

func (l *look) reservations() int {
	ids := map[string]bool{}
	for _, x := range l.risks {
		ids[x.ReservationID] = true
	}
	return len(ids)
}

func (l *look) units() (sum int64) {
	for _, x := range l.risks {
		sum += x.Quantity
	}
	return sum
}

// relocate is the intention to move one promise by itself.
type relocate struct {
	policyOf func(string) *stock.Policy
	request  stock.ReallocateRequest
}

// Decide moves under the policy that the channel has at this moment. A promise that ended, or stands well by now, yields no events.
func (x *relocate) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	held, err := stock.Find(s, x.request.ReservationID, now)
	if err != nil {
		return nil, err
	}
	policy := x.policyOf(held.Channel)
	if policy == nil {
		return nil, nil
	}
	_, events, err = stock.Reallocate(s, x.request, m, policy, now)
	return events, err
}
