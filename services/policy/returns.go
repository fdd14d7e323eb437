package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// PutReturnRule says in which condition units that come back lie. It returns *validation.Error, *stock.BoundError,
// *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutReturnRule(ctx context.Context, r *pb.PutReturnRuleRequest) (*pb.PutReturnRuleResponse, error) {
	if r.Rule != nil {
		if _, ok := returnConditions[r.Rule.Condition]; !ok {
			var c validation.Checker
			c.Fail("rule.condition", "must be sellable, inspection, damaged or quarantined, is %d", r.Rule.Condition)
			return nil, c.Err()
		}
	}
	token, err := s.changeReturn(ctx, r.Rule, r.Actor, false)
	if err != nil {
		return nil, err
	}
	return &pb.PutReturnRuleResponse{Rule: r.Rule, Token: token}, nil
}

// DeleteReturnRule ends such a rule. It returns what PutReturnRule does.
func (s *Service) DeleteReturnRule(ctx context.Context, r *pb.DeleteReturnRuleRequest) (*pb.DeleteReturnRuleResponse, error) {
	token, err := s.changeReturn(ctx, r.Rule, r.Actor, true)
	if err != nil {
		return nil, err
	}
	return &pb.DeleteReturnRuleResponse{Token: token}, nil
}

var returnConditions = map[pb.Condition]stock.Condition{
	pb.Condition_CONDITION_SELLABLE: stock.Sellable, pb.Condition_CONDITION_INSPECTION: stock.Inspection,
	pb.Condition_CONDITION_DAMAGED: stock.Damaged, pb.Condition_CONDITION_QUARANTINED: stock.Quarantined,
}

func (s *Service) changeReturn(ctx context.Context, r *pb.ReturnRule, actor string, end bool) (token string, err error) {
	var c validation.Checker
	c.Text("actor", actor, validation.MaxID)
	if r == nil {
		c.Fail("rule", "must be given")
		return "", c.Err()
	}
	c.Text("rule.sku", r.Sku, validation.MaxID)
	c.Text("rule.category", r.Category, MaxCategory)
	c.Text("rule.channel", r.Channel, validation.MaxID)
	if r.Sku != "" && r.Category != "" {
		c.Fail("rule.category", "must be left out when rule.sku is given: a SKU's own rule beats that of its category")
	}
	if err := c.Err(); err != nil {
		return "", err
	}
	rule := rules.ReturnRule{SKU: r.Sku, Category: r.Category, Channel: r.Channel, Condition: returnConditions[r.Condition]}
	return s.changeRules(ctx, actor, func(st *rules.State) ([]aggregates.Event, error) { return rules.SetReturn(st, rule, end) })
}
