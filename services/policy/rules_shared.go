package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// PutLocationGroup names locations that rules are about together. It returns *validation.Error, *refusals.UnknownLocations,
// *stock.BoundError, *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutLocationGroup(ctx context.Context, r *pb.PutLocationGroupRequest) (*pb.PutLocationGroupResponse, error) {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Group == nil {
		c.Fail("group", "must be given")
		return nil, c.Err()
	}
	c.ID("group.group", r.Group.Group)
	if c.Count("group.locations", len(r.Group.Locations), 0, MaxSourcing); len(r.Group.Locations) <= MaxSourcing {
		for i, l := range r.Group.Locations {
			c.ID(fmt.Sprintf("group.locations[%d]", i), l)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.checkDefined(ctx, r.Group.Locations); err != nil {
		return nil, err
	}
	token, err := s.changeRules(ctx, r.Actor, func(st *rules.State) ([]aggregates.Event, error) {
		return rules.DefineGroup(st, r.Group.Group, r.Group.Locations)
	})
	if err != nil {
		return nil, err
	}
	return &pb.PutLocationGroupResponse{Group: r.Group, Token: token}, nil
}

// PutFulfilmentRule says which locations may serve a method. It returns *validation.Error, *stock.BoundError,
// *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) PutFulfilmentRule(ctx context.Context, r *pb.PutFulfilmentRuleRequest) (*pb.PutFulfilmentRuleResponse, error) {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Rule == nil {
		c.Fail("rule", "must be given")
		return nil, c.Err()
	}
	c.ID("rule.method", r.Rule.Method)
	c.Text("rule.method", r.Rule.Method, MaxKind)
	if c.Count("rule.kinds", len(r.Rule.Kinds), 0, MaxKinds); len(r.Rule.Kinds) <= MaxKinds {
		for i, kind := range r.Rule.Kinds {
			c.Text(fmt.Sprintf("rule.kinds[%d]", i), kind, MaxKind)
		}
	}
	cutOff, err := minutes(r.Rule.CutOff)
	if err != nil {
		c.Fail("rule.cut_off", `must be empty or a time of day such as "15:04", is %q`, r.Rule.CutOff)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	token, err := s.changeRules(ctx, r.Actor, func(st *rules.State) ([]aggregates.Event, error) {
		return rules.SetFulfilment(st, r.Rule.Method, stock.Method{Kinds: r.Rule.Kinds, CutOff: cutOff}, false)
	})
	if err != nil {
		return nil, err
	}
	return &pb.PutFulfilmentRuleResponse{Rule: r.Rule, Token: token}, nil
}

// minutes reads a time of day as minutes after midnight.
func minutes(text string) (int, error) {
	if text == "" {
		return stock.NoCutOff, nil
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err
}

// DeleteFulfilmentRule ends a method's rule. It returns *validation.Error, *tokens.NotYetVisibleError, and the errors of the store.
func (s *Service) DeleteFulfilmentRule(ctx context.Context, r *pb.DeleteFulfilmentRuleRequest) (*pb.DeleteFulfilmentRuleResponse, error) {
	var c validation.Checker
	c.ID("method", r.Method)
	c.Text("actor", r.Actor, validation.MaxID)
	if err := c.Err(); err != nil {
		return nil, err
	}
	token, err := s.changeRules(ctx, r.Actor, func(st *rules.State) ([]aggregates.Event, error) {
		return rules.SetFulfilment(st, r.Method, stock.Method{}, true)
	})
	if err != nil {
		return nil, err
	}
	return &pb.DeleteFulfilmentRuleResponse{Token: token}, nil
}

// GetSharedRules returns the shared rules in force.
func (s *Service) GetSharedRules(context.Context, *pb.GetSharedRulesRequest) (*pb.GetSharedRulesResponse, error) {
	answer, shared := &pb.GetSharedRulesResponse{}, &s.Directory.Rules().State
	for _, x := range shared.Safety {
		answer.Safety = append(answer.Safety, safetyMessage("", x))
	}
	for _, x := range shared.Buffers {
		answer.Buffers = append(answer.Buffers, bufferMessage("", x))
	}
	for _, group := range slices.Sorted(maps.Keys(shared.Groups)) {
		answer.Groups = append(answer.Groups, &pb.LocationGroup{Group: group, Locations: shared.Groups[group]})
	}
	for _, method := range slices.Sorted(maps.Keys(shared.Methods)) {
		m := shared.Methods[method]
		rule := &pb.FulfilmentRule{Method: method, Kinds: m.Kinds}
		if m.CutOff != stock.NoCutOff {
			rule.CutOff = fmt.Sprintf("%02d:%02d", m.CutOff/60, m.CutOff%60)
		}
		answer.Methods = append(answer.Methods, rule)
	}
	for _, x := range shared.Moves {
		answer.Reallocation = append(answer.Reallocation, &pb.ReallocationRule{Channel: x.Channel, Location: x.Location, Off: x.Off})
	}
	for _, x := range shared.Returns {
		answer.Returns = append(answer.Returns, &pb.ReturnRule{Sku: x.SKU, Category: x.Category, Channel: x.Channel,
			Condition: codec.ToReturn(x).Condition})
	}
	return answer, nil
}
