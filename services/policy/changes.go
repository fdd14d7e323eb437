package policy

import (
	"cmp"
	"context"
	"slices"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxChanges is the most changes of one ApplyPolicies, MaxPreviewed of one PreviewPolicies.
const (
	MaxChanges   = 1_000
	MaxPreviewed = 20_000
)

// change is one change of a request, and its place there.
type change struct {
	*pb.PolicyChange
	index int
}

// arranged are changes in the order in which they are made: rules that SKUs share are put, kind after kind, what they stand on first; then each SKU's own are taken
// away and put; then shared ones are taken away, in reverse. Kits are about several SKUs: they are taken away before anything of a SKU's own, which a kit may be in the way
// of, and put once it is said what SKUs are, which kits stand on, and what is in their way is gone; a kit's own rules stand on it.
type arranged struct {
	put    []change
	unmade []change // kits taken away
	skus   map[string][]change
	kits   []change
	taken  []change
}

// rank orders the kinds of rules by what stands on what.
func rank(r *pb.PolicyRule) int {
	switch r.GetRule().(type) {
	case *pb.PolicyRule_Location:
		return 1
	case *pb.PolicyRule_Group:
		return 2
	case *pb.PolicyRule_Channel:
		return 3
	case *pb.PolicyRule_Item:
		return 4
	}
	return 5
}

// skuOf is the SKU whose own rule it is, "" for one that SKUs share, and for a kit.
func skuOf(r *pb.PolicyRule) string {
	return cmp.Or(r.GetItem().GetSku(), r.GetSafety().GetSku(), r.GetBuffer().GetSku(), r.GetSelling().GetSku(), r.GetAllocation().GetSku())
}

func arrange(list []*pb.PolicyChange) arranged {
	a := arranged{skus: map[string][]change{}}
	for i, c := range list {
		switch sku := skuOf(c.GetRule()); {
		case c.GetRule().GetKit() != nil && c.GetRemove():
			a.unmade = append(a.unmade, change{c, i})
		case c.GetRule().GetKit() != nil:
			a.kits = append(a.kits, change{c, i})
		case sku != "":
			a.skus[sku] = append(a.skus[sku], change{c, i})
		case c.GetRemove():
			a.taken = append(a.taken, change{c, i})
		default:
			a.put = append(a.put, change{c, i})
		}
	}
	slices.SortStableFunc(a.put, func(a, b change) int { return cmp.Compare(rank(a.Rule), rank(b.Rule)) })
	slices.SortStableFunc(a.taken, func(a, b change) int { return cmp.Compare(rank(b.Rule), rank(a.Rule)) })
	for _, own := range a.skus {
		slices.SortStableFunc(own, func(a, b change) int {
			return cmp.Or(cmp.Compare(removal(b), removal(a)), cmp.Compare(rank(a.Rule), rank(b.Rule)))
		})
	}
	return a
}

// halves parts a SKU's own changes into those made before kits are put, and those made after.
func halves(own []change) (first, second []change) {
	i := slices.IndexFunc(own, func(c change) bool { return !c.Remove && c.Rule.GetItem() == nil })
	if i < 0 {
		i = len(own)
	}
	return own[:i], own[i:]
}

func removal(c change) int {
	if c.Remove {
		return 1
	}
	return 0
}

// make makes one change. It returns what the RPC for it does.
func (s *Service) make(ctx context.Context, c *pb.PolicyChange, actor string) error {
	if c.GetRule().GetRule() == nil {
		return invalidRule("must be given")
	}
	if c.Remove {
		return s.takeAway(ctx, c.Rule, actor)
	}
	return s.put(ctx, c.Rule, actor)
}

func invalidRule(rule string) error {
	var c validation.Checker
	c.Fail("rule", "%s", rule)
	return c.Err()
}

func (s *Service) put(ctx context.Context, r *pb.PolicyRule, actor string) (err error) {
	switch x := r.Rule.(type) {
	case *pb.PolicyRule_Location:
		_, err = s.PutLocation(ctx, &pb.PutLocationRequest{Location: x.Location, Actor: actor})
	case *pb.PolicyRule_Group:
		_, err = s.PutLocationGroup(ctx, &pb.PutLocationGroupRequest{Group: x.Group, Actor: actor})
	case *pb.PolicyRule_Channel:
		_, err = s.putChannel(ctx, &pb.PutChannelRequest{Channel: x.Channel, Actor: actor}, x.Channel.GetRetired())
	case *pb.PolicyRule_Fulfilment:
		_, err = s.PutFulfilmentRule(ctx, &pb.PutFulfilmentRuleRequest{Rule: x.Fulfilment, Actor: actor})
	case *pb.PolicyRule_Owners:
		_, err = s.PutOwners(ctx, &pb.PutOwnersRequest{Owners: x.Owners, Actor: actor})
	case *pb.PolicyRule_Item:
		if len(x.Item.GetSafetyStock()) > 0 {
			return invalidRule("of an item has no safety_stock: give that as rules of safety stock")
		}
		_, err = s.describeItem(ctx, &pb.PutItemRequest{Item: x.Item, Actor: actor})
	case *pb.PolicyRule_Safety:
		_, err = s.PutSafetyRule(ctx, &pb.PutSafetyRuleRequest{Rule: x.Safety, Actor: actor})
	case *pb.PolicyRule_Buffer:
		_, err = s.PutBufferRule(ctx, &pb.PutBufferRuleRequest{Rule: x.Buffer, Actor: actor})
	case *pb.PolicyRule_Selling:
		_, err = s.PutSellingRule(ctx, &pb.PutSellingRuleRequest{Rule: x.Selling, Actor: actor})
	case *pb.PolicyRule_Allocation:
		_, err = s.PutAllocation(ctx, &pb.PutAllocationRequest{Allocation: x.Allocation, Actor: actor})
	case *pb.PolicyRule_Kit:
		_, err = s.PutKit(ctx, &pb.PutKitRequest{Kit: x.Kit, Actor: actor})
	case *pb.PolicyRule_Reallocation:
		_, err = s.PutReallocationRule(ctx, &pb.PutReallocationRuleRequest{Rule: x.Reallocation, Actor: actor})
	case *pb.PolicyRule_Returns:
		_, err = s.PutReturnRule(ctx, &pb.PutReturnRuleRequest{Rule: x.Returns, Actor: actor})
	default:
		err = invalidRule("is of a kind that this version does not know")
	}
	return err
}

func (s *Service) takeAway(ctx context.Context, r *pb.PolicyRule, actor string) (err error) {
	switch x := r.Rule.(type) {
	case *pb.PolicyRule_Location:
		err = s.disable(ctx, x.Location.GetLocationId(), actor)
	case *pb.PolicyRule_Group:
		_, err = s.PutLocationGroup(ctx, &pb.PutLocationGroupRequest{Group: &pb.LocationGroup{Group: x.Group.GetGroup()}, Actor: actor})
	case *pb.PolicyRule_Channel:
		_, err = s.RetireChannel(ctx, &pb.RetireChannelRequest{ChannelId: x.Channel.GetChannelId(), Actor: actor})
	case *pb.PolicyRule_Fulfilment:
		_, err = s.DeleteFulfilmentRule(ctx, &pb.DeleteFulfilmentRuleRequest{Method: x.Fulfilment.GetMethod(), Actor: actor})
	case *pb.PolicyRule_Owners:
		_, err = s.PutOwners(ctx, &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: x.Owners.GetLocationId()}, Actor: actor})
	case *pb.PolicyRule_Safety:
		_, err = s.DeleteSafetyRule(ctx, &pb.DeleteSafetyRuleRequest{Rule: x.Safety, Actor: actor})
	case *pb.PolicyRule_Buffer:
		_, err = s.DeleteBufferRule(ctx, &pb.DeleteBufferRuleRequest{Rule: x.Buffer, Actor: actor})
	case *pb.PolicyRule_Selling:
		_, err = s.PutSellingRule(ctx, &pb.PutSellingRuleRequest{Rule: &pb.SellingRule{Sku: x.Selling.GetSku(), Channel: x.Selling.GetChannel()}, Actor: actor})
	case *pb.PolicyRule_Allocation:
		err = s.endAllocation(ctx, x.Allocation, actor)
	case *pb.PolicyRule_Kit:
		_, err = s.PutKit(ctx, &pb.PutKitRequest{Kit: &pb.Kit{Sku: x.Kit.GetSku()}, Actor: actor})
	case *pb.PolicyRule_Reallocation:
		_, err = s.DeleteReallocationRule(ctx, &pb.DeleteReallocationRuleRequest{Rule: x.Reallocation, Actor: actor})
	case *pb.PolicyRule_Returns:
		_, err = s.DeleteReturnRule(ctx, &pb.DeleteReturnRuleRequest{Rule: x.Returns, Actor: actor})
	default:
		err = invalidRule("cannot be taken away")
	}
	return err
}

// disable ends a location as far as it can end: it keeps its stock, and nothing of it is sold.
func (s *Service) disable(ctx context.Context, id, actor string) error {
	found, err := s.GetLocation(ctx, &pb.GetLocationRequest{LocationId: id})
	if err != nil {
		return err
	}
	found.Location.Disabled = true
	_, err = s.PutLocation(ctx, &pb.PutLocationRequest{Location: found.Location, Actor: actor})
	return err
}
