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

// PutSafetyRule sets a rule of safety stock. It returns *validation.Error, *rules.ScopeError, *stock.PeriodError, *stock.BoundError,
// *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutSafetyRule(ctx context.Context, r *pb.PutSafetyRuleRequest) (*pb.PutSafetyRuleResponse, error) {
	token, err := s.changeSafety(ctx, r.Rule, r.Actor, false)
	if err != nil {
		return nil, err
	}
	return &pb.PutSafetyRuleResponse{Rule: r.Rule, Token: token}, nil
}

// DeleteSafetyRule ends a rule of safety stock. It returns what PutSafetyRule does.
func (s *Service) DeleteSafetyRule(ctx context.Context, r *pb.DeleteSafetyRuleRequest) (*pb.DeleteSafetyRuleResponse, error) {
	token, err := s.changeSafety(ctx, r.Rule, r.Actor, true)
	if err != nil {
		return nil, err
	}
	return &pb.DeleteSafetyRuleResponse{Token: token}, nil
}

func (s *Service) changeSafety(ctx context.Context, r *pb.SafetyRule, actor string, end bool) (token string, err error) {
	if err := checkSafetyRule(r, actor); err != nil {
		return "", err
	}
	portion := stock.Portion{Units: r.Quantity, BasisPoints: r.BasisPoints}
	period := stock.Period{From: codec.Instant(r.From), Until: codec.Instant(r.Until)}
	if r.Sku != "" {
		return s.changeSKU(ctx, r.Sku, actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			return stock.Keep(st, stock.KeepRequest{Location: r.Location, Channel: r.Channel, Portion: portion, Period: period, End: end}, m, now)
		})
	}
	rule := stock.SafetyRule{Category: r.Category, Location: r.Location, Channel: r.Channel, Portion: portion, Period: period}
	return s.changeRules(ctx, actor, func(st *rules.State) ([]aggregates.Event, error) { return rules.SetSafety(st, rule, end) })
}

func checkSafetyRule(r *pb.SafetyRule, actor string) error {
	var c validation.Checker
	c.Text("actor", actor, validation.MaxID)
	if r == nil {
		c.Fail("rule", "must be given")
		return c.Err()
	}
	c.Text("rule.sku", r.Sku, validation.MaxID)
	c.Text("rule.category", r.Category, MaxCategory)
	c.Text("rule.location", r.Location, validation.MaxID)
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

func safetyMessage(sku string, x stock.SafetyRule) *pb.SafetyRule {
	return &pb.SafetyRule{Sku: sku, Category: x.Category, Location: x.Location, Channel: x.Channel, Quantity: x.Units,
		BasisPoints: x.BasisPoints, From: codec.Timestamp(x.From), Until: codec.Timestamp(x.Until)}
}
