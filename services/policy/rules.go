package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of rules.
const (
	MaxGroupsOfChannel = 100 // groups of locations that one channel sells from
	MaxKinds           = 100 // kinds of location of one fulfilment rule
)

// onSKU is an intention on a SKU's stream, told by a function.
type onSKU func(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error)

func (f onSKU) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return f(s, m, now)
}

// onRules is an intention on the stream of shared rules, told by a function.
type onRules func(s *rules.State) ([]aggregates.Event, error)

// Decide decides.
func (f onRules) Decide(s *rules.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return f(s)
}

// changeSKU changes a SKU's own rules.
func (s *Service) changeSKU(ctx context.Context, sku, actor string, in onSKU) (token string, err error) {
	outcome, err := s.SKUs.Do(ctx, sku, metadata(ctx, actor), in)
	if err != nil {
		return "", refusals.About(err, refusals.Fact{Name: "sku", Value: sku})
	}
	return s.Tokens.Encode(outcome.Position), nil
}

// changeRules changes the shared rules, and waits until they are in force here.
func (s *Service) changeRules(ctx context.Context, actor string, in onRules) (token string, err error) {
	outcome, err := s.Rules.Do(ctx, aggregates.SharedRules, metadata(ctx, actor), in)
	if err != nil {
		return "", err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return "", err
	}
	return s.Tokens.Encode(outcome.Position), nil
}

// RetireChannel ends a channel. It returns *validation.Error, *refusals.UnknownChannel, *tokens.NotYetVisibleError, and the errors of
// the store.
func (s *Service) RetireChannel(ctx context.Context, r *pb.RetireChannelRequest) (*pb.RetireChannelResponse, error) {
	var c validation.Checker
	c.ID("channel_id", r.ChannelId)
	c.Text("reason", r.Reason, validation.MaxNote)
	c.Text("actor", r.Actor, validation.MaxID)
	if err := c.Err(); err != nil {
		return nil, err
	}
	outcome, err := s.Channels.Do(ctx, r.ChannelId, metadata(ctx, r.Actor), retire{id: r.ChannelId, reason: r.Reason})
	if err != nil {
		return nil, err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return nil, err
	}
	return &pb.RetireChannelResponse{Token: s.Tokens.Encode(outcome.Position)}, nil
}

type retire struct{ id, reason string }

// Decide retires.
func (x retire) Decide(s *channel.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if !s.Known {
		return nil, &refusals.UnknownChannel{Channel: x.id}
	}
	return channel.Retire(s, x.reason), nil
}

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

// PutAllocation sets a ring-fence or a cap. It returns *validation.Error, *refusals.UnknownChannel, *GroupError, what stock.Allocate
// returns, and the errors of the store.
func (s *Service) PutAllocation(ctx context.Context, r *pb.PutAllocationRequest) (*pb.PutAllocationResponse, error) {
	if err := checkAllocation(r); err != nil {
		return nil, err
	}
	a := r.Allocation
	locations, err := s.locationsOf(ctx, a.Channel, a.Group)
	if err != nil {
		return nil, err
	}
	var result stock.Allocated
	token, err := s.changeSKU(ctx, a.Sku, r.Actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
		result, events, err = stock.Allocate(st, stock.AllocationRequest{Channel: a.Channel, Group: a.Group, Locations: locations,
			Fence: a.Fence, Capped: a.Capped, Cap: a.Cap, Restart: r.Restart}, m, now)
		return events, err
	})
	if err != nil {
		return nil, err
	}
	return &pb.PutAllocationResponse{Allocation: allocationMessage(a.Sku, &result.Allocation, result.Used), Token: token}, nil
}

func checkAllocation(r *pb.PutAllocationRequest) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	a := r.Allocation
	if a == nil {
		c.Fail("allocation", "must be given")
		return c.Err()
	}
	c.ID("allocation.sku", a.Sku)
	c.ID("allocation.channel", a.Channel)
	c.Text("allocation.group", a.Group, validation.MaxID)
	c.Range("allocation.fence", a.Fence, 0, validation.MaxQuantity)
	c.Range("allocation.cap", a.Cap, 0, validation.MaxQuantity)
	if a.Cap != 0 && !a.Capped {
		c.Fail("allocation.cap", "must be left out unless allocation.capped is set")
	}
	return c.Err()
}

// GroupError says that no locations are in a group.
type GroupError struct{ Group string }

func (e *GroupError) Error() string {
	return fmt.Sprintf("group %q has no locations; define it with PutLocationGroup", e.Group)
}

// locationsOf are where an allocation is kept: in a group, or where the channel sells from.
func (s *Service) locationsOf(ctx context.Context, channel, group string) ([]string, error) {
	find := func() ([]string, error) {
		c, ok := s.Directory.Channel(channel)
		switch locations := s.Directory.Rules().State.Groups[group]; {
		case !ok:
			return nil, &refusals.UnknownChannel{Channel: channel}
		case group == "":
			return c.Policy.Sites, nil
		case len(locations) == 0:
			return nil, &GroupError{Group: group}
		default:
			return locations, nil
		}
	}
	locations, err := find()
	if err == nil {
		return locations, nil
	}
	if err := tokens.AwaitEnd(ctx, s.Directory); err != nil { // it may have been defined on another replica just now
		return nil, err
	}
	return find()
}

// PutSellingRule says how a SKU is sold. It returns *validation.Error, what stock.SetSelling returns, and the errors of the store.
func (s *Service) PutSellingRule(ctx context.Context, r *pb.PutSellingRuleRequest) (*pb.PutSellingRuleResponse, error) {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Rule == nil {
		c.Fail("rule", "must be given")
		return nil, c.Err()
	}
	c.ID("rule.sku", r.Rule.Sku)
	c.Text("rule.channel", r.Rule.Channel, validation.MaxID)
	c.Range("rule.backorders", r.Rule.Backorders, stock.Unlimited, validation.MaxQuantity)
	c.Range("rule.preorders", r.Rule.Preorders, stock.Unlimited, validation.MaxQuantity)
	c.Range("rule.low_stock", r.Rule.LowStock, 0, validation.MaxQuantity)
	c.Range("rule.sell_out", r.Rule.SellOut, 0, validation.MaxQuantity)
	if err := c.Err(); err != nil {
		return nil, err
	}
	rule := stock.SellingRule{Channel: r.Rule.Channel, Unsold: r.Rule.Unsold, Backorders: r.Rule.Backorders, ReleaseAt: codec.Instant(r.Rule.ReleaseAt),
		Preorders: r.Rule.Preorders, LowStock: r.Rule.LowStock, SellOut: r.Rule.SellOut}
	token, err := s.changeSKU(ctx, r.Rule.Sku, r.Actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		_, events, err := stock.SetSelling(st, rule, m, now)
		return events, err
	})
	if err != nil {
		return nil, err
	}
	return &pb.PutSellingRuleResponse{Rule: r.Rule, Token: token}, nil
}

// GetItemRules returns a SKU's own rules. It returns *validation.Error, *refusals.UnknownSKU, what tokens.Codec.Await returns, and the
// errors of the view.
func (s *Service) GetItemRules(ctx context.Context, r *pb.GetItemRulesRequest) (*pb.GetItemRulesResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.Items); err != nil {
		return nil, err
	}
	d, err := s.Items.Stock(ctx, r.Sku)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, &refusals.UnknownSKU{SKU: r.Sku}
	}
	answer := &pb.GetItemRulesResponse{}
	for x := range d.Balances.Each {
		if x.SafetyStock != 0 {
			answer.Safety = append(answer.Safety, &pb.SafetyRule{Sku: r.Sku, Location: x.Location, Quantity: x.SafetyStock})
		}
	}
	own := d.Balances.Rules()
	if own == nil {
		return answer, nil
	}
	for _, x := range own.Safety {
		answer.Safety = append(answer.Safety, safetyMessage(r.Sku, x))
	}
	for i := range own.Allocations {
		a := &own.Allocations[i]
		answer.Allocations = append(answer.Allocations, allocationMessage(r.Sku, a, d.Balances.Used(a, d.RecordedAt)))
	}
	for _, x := range own.Selling {
		answer.Selling = append(answer.Selling, &pb.SellingRule{Sku: r.Sku, Channel: x.Channel, Unsold: x.Unsold, Backorders: x.Backorders,
			ReleaseAt: codec.Timestamp(x.ReleaseAt), Preorders: x.Preorders, LowStock: x.LowStock, SellOut: x.SellOut})
	}
	return answer, nil
}

func safetyMessage(sku string, x stock.SafetyRule) *pb.SafetyRule {
	return &pb.SafetyRule{Sku: sku, Category: x.Category, Location: x.Location, Channel: x.Channel, Quantity: x.Units,
		BasisPoints: x.BasisPoints, From: codec.Timestamp(x.From), Until: codec.Timestamp(x.Until)}
}

func allocationMessage(sku string, a *stock.Allocation, used int64) *pb.Allocation {
	return &pb.Allocation{Sku: sku, Channel: a.Channel, Group: a.Group, Fence: a.Fence, Capped: a.Capped, Cap: a.Cap, Used: used,
		Locations: a.Locations}
}

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
	return answer, nil
}
