package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// PutBufferRule sets a rule of buffers. It returns *validation.Error, rules.ErrNoCategory, *stock.PeriodError, *stock.BoundError,
// *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutBufferRule(ctx context.Context, r *pb.PutBufferRuleRequest) (*pb.PutBufferRuleResponse, error) {
	token, err := s.changeBuffer(ctx, r.Rule, r.Actor, false)
	if err != nil {
		return nil, err
	}
	return &pb.PutBufferRuleResponse{Rule: r.Rule, Token: token}, nil
}

// DeleteBufferRule ends a rule of buffers. It returns what PutBufferRule does.
func (s *Service) DeleteBufferRule(ctx context.Context, r *pb.DeleteBufferRuleRequest) (*pb.DeleteBufferRuleResponse, error) {
	token, err := s.changeBuffer(ctx, r.Rule, r.Actor, true)
	if err != nil {
		return nil, err
	}
	return &pb.DeleteBufferRuleResponse{Token: token}, nil
}

func (s *Service) changeBuffer(ctx context.Context, r *pb.BufferRule, actor string, end bool) (token string, err error) {
	if err := checkBufferRule(r, actor); err != nil {
		return "", err
	}
	portion := stock.Portion{Units: r.Quantity, BasisPoints: r.BasisPoints}
	period := stock.Period{From: codec.Instant(r.From), Until: codec.Instant(r.Until)}
	if r.Sku != "" {
		return s.changeSKU(ctx, r.Sku, actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			return stock.SetBuffer(st, stock.BufferRequest{Channel: r.Channel, Portion: portion, Period: period, End: end}, m, now)
		})
	}
	rule := stock.SafetyRule{Category: r.Category, Channel: r.Channel, Portion: portion, Period: period}
	return s.changeRules(ctx, actor, func(st *rules.State) ([]aggregates.Event, error) { return rules.SetBuffer(st, rule, end) })
}

func checkBufferRule(r *pb.BufferRule, actor string) error {
	var c validation.Checker
	c.Text("actor", actor, validation.MaxID)
	if r == nil {
		c.Fail("rule", "must be given")
		return c.Err()
	}
	c.Text("rule.sku", r.Sku, validation.MaxID)
	c.Text("rule.category", r.Category, MaxCategory)
	c.Text("rule.channel", r.Channel, validation.MaxID)
	c.Range("rule.quantity", r.Quantity, 0, validation.MaxQuantity)
	c.Range("rule.basis_points", r.BasisPoints, 0, stock.WholeBasisPoints)
	if r.Quantity != 0 && r.BasisPoints != 0 {
		c.Fail("rule.basis_points", "must be left out when rule.quantity is given")
	}
	if r.Sku != "" && r.Category != "" {
		c.Fail("rule.category", "must be left out when rule.sku is given: a SKU's own rules beat those of its category")
	}
	return c.Err()
}

func bufferMessage(sku string, x stock.SafetyRule) *pb.BufferRule {
	return &pb.BufferRule{Sku: sku, Category: x.Category, Channel: x.Channel, Quantity: x.Units, BasisPoints: x.BasisPoints,
		From: codec.Timestamp(x.From), Until: codec.Timestamp(x.Until)}
}
