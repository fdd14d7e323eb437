package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// Policies takes in commands about rules; *policy.Service does. Take tells whether the command was news; what is wrong with it is a *stock.Rejection, and with
// any other error it may be tried again. Taking it in again is safe. Ready tells whether it would be carried out now.
type Policies interface {
	Take(ctx context.Context, c *policy.Command, origin aggregates.Metadata) (news bool, err error)
	Ready(ctx context.Context, c *policy.Command) bool
}

var _ Policies = (*policy.Service)(nil)

var errNoPolicies = errors.New("rules are not taken in here")

// Errands about rules that SKUs share are done in their order; those about a SKU beside those about others, after what was shared by then.
const (
	sharedRules = "shared"
	skuRules    = "sku "
)

// policyErrand reads a message of the topic of rules.
func (t *takers) policyErrand(e *event, origin aggregates.Metadata) (*errand, *stock.Rejection, bool) {
	c, err := policy.ReadCommand(e.kind, e.data)
	var unknown *policy.UnknownTypeError
	switch {
	case errors.As(err, &unknown):
		unknown.Type = clip(unknown.Type)
		return nil, &stock.Rejection{Reason: ReasonUnknownType, Message: unknown.Error()}, true
	case err != nil:
		return nil, malformed(err), true
	}
	key, after := sharedRules, ""
	if c.OfSKU() {
		key, after = skuRules+c.Key(), sharedRules
	}
	return &errand{policy: true, key: key, after: after, do: func(ctx context.Context) (bool, error) {
		if t.policies == nil {
			return false, fmt.Errorf("rules of %q: %w", c.Key(), errNoPolicies)
		}
		if err := validation.CheckAhead("time", origin.OccurredAt, t.now()); err != nil {
			return false, stock.Reject(err)
		}
		return t.policies.Take(ctx, c, origin)
	}}, nil, true
}

// noteWaiting notes that a letter waits for something that may be defined at any time, or was meanwhile.
func (d *DeadLetterDesk) noteWaiting(l *DeadLetter) {
	if topic(l.Topic) == TopicPolicy && policy.Waits(l.Reason) {
		d.waiting.Store(true)
		d.wake()
	}
}

// PoliciesTaken is to be told when rules were taken in: some may wait for them.
func (d *DeadLetterDesk) PoliciesTaken() {
	if d.waiting.Load() {
		d.wake()
	}
}

// ready tells whether a letter of the topic of rules would be carried out now.
func (d *DeadLetterDesk) ready(ctx context.Context, l *DeadLetter) bool {
	if d.Policies == nil || !policy.Waits(l.Reason) {
		return false
	}
	e, err := decodeEvent(l.message())
	if err != nil {
		return false
	}
	c, err := policy.ReadCommand(e.kind, e.data)
	if err != nil {
		return false
	}
	if d.Policies.Ready(ctx, c) {
		return true
	}
	d.waiting.Store(true)
	return false
}
