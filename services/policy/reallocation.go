package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// PutReallocationRule says whether promises that cannot be kept move by themselves. It returns *validation.Error, *stock.BoundError,
// *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutReallocationRule(ctx context.Context, r *pb.PutReallocationRuleRequest) (*pb.PutReallocationRuleResponse, error) {
	token, err := s.changeMove(ctx, r.Rule, r.Actor, false)
	if err != nil {
		return nil, err
	}
	return &pb.PutReallocationRuleResponse{Rule: r.Rule, Token: token}, nil
}

// DeleteReallocationRule ends such a rule. It returns what PutReallocationRule does.
func (s *Service) DeleteReallocationRule(ctx context.Context, r *pb.DeleteReallocationRuleRequest) (*pb.DeleteReallocationRuleResponse, error) {
	token, err := s.changeMove(ctx, r.Rule, r.Actor, true)
	if err != nil {
		return nil, err
	}
	return &pb.DeleteReallocationRuleResponse{Token: token}, nil
}

func (s *Service) changeMove(ctx context.Context, r *pb.ReallocationRule, actor string, end bool) (token string, err error) {
	var c validation.Checker
	c.Text("actor", actor, validation.MaxID)
	if r == nil {
		c.Fail("rule", "must be given")
		return "", c.Err()
	}
	c.Text("rule.channel", r.Channel, validation.MaxID)
	c.Text("rule.location", r.Location, validation.MaxID)
	if err := c.Err(); err != nil {
		return "", err
	}
	rule := stock.MoveRule{Channel: r.Channel, Location: r.Location, Off: r.Off}
	return s.changeRules(ctx, actor, func(st *rules.State) ([]aggregates.Event, error) { return rules.SetMove(st, rule, end) })
}
