package policy

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
)

// exportPage is how many SKUs are read at once, and how many rules are sent at once.
const exportPage = 500

// ExportPolicies streams every rule: first those that SKUs share, in the order of PolicyRule's kinds, then each SKU's, in order of SKU. What a SKU is that only
// movements made known is no rule, unless a kit stands on it. It returns the errors of the view.
func (s *Service) ExportPolicies(_ *pb.ExportPoliciesRequest, stream pb.PolicyService_ExportPoliciesServer) error {
	ctx := stream.Context()
	if err := s.awaitEnd(ctx); err != nil {
		return err
	}
	out := &exporter{stream: stream}
	if err := out.add(s.sharedRules()...); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := s.Items.Scan(ctx, after, exportPage)
		if err != nil {
			return err
		}
		for _, d := range page {
			out.skus++
			if err := out.add(ownRules(d)...); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return out.flush()
		}
		after = page[len(page)-1].SKU
	}
}

// awaitEnd waits until the views include everything that is recorded.
func (s *Service) awaitEnd(ctx context.Context) error {
	return errors.Join(tokens.AwaitEnd(ctx, s.Directory), tokens.AwaitEnd(ctx, s.Items))
}

// exporter sends rules in messages of a bounded size.
type exporter struct {
	stream pb.PolicyService_ExportPoliciesServer
	rules  []*pb.PolicyRule
	bytes  int
	skus   int64
}

func (x *exporter) add(list ...*pb.PolicyRule) error {
	for _, r := range list {
		x.rules = append(x.rules, r)
		if x.bytes += r.SizeVT(); len(x.rules) >= exportPage || x.bytes >= tokens.MaxPageBytes {
			if err := x.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *exporter) flush() error {
	err := x.stream.Send(&pb.ExportPoliciesResponse{Rules: x.rules, Skus: x.skus})
	x.rules, x.bytes = nil, 0
	return err
}

// sharedRules are the rules that SKUs share.
func (s *Service) sharedRules() (list []*pb.PolicyRule) {
	for _, l := range s.Directory.Locations() {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Location{Location: locationMessage(l.ID, &l.State)}})
	}
	shared, _ := s.GetSharedRules(context.Background(), nil)
	for _, g := range shared.Groups {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Group{Group: g}})
	}
	for _, c := range s.Directory.Channels() {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Channel{Channel: channelMessage(c.ID, &c.State)}})
	}
	for _, m := range shared.Methods {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Fulfilment{Fulfilment: m}})
	}
	for _, l := range s.Directory.Locations() {
		if l.State.Owners != nil {
			list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Owners{Owners: ownersMessage(l.ID, l.State.Owners)}})
		}
	}
	for _, r := range shared.Safety {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Safety{Safety: r}})
	}
	for _, r := range shared.Buffers {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Buffer{Buffer: r}})
	}
	for _, r := range shared.Reallocation {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Reallocation{Reallocation: r}})
	}
	for _, r := range shared.Returns {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Returns{Returns: r}})
	}
	return list
}

// ownRules are what a SKU is, and its own rules.
func ownRules(d *availability.Document) (list []*pb.PolicyRule) {
	kits := d.Balances.Bundle()
	if item := &d.Balances.Item; item.Registered && !item.ByDefault || kits != nil && len(kits.PartOf) > 0 {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Item{Item: itemMessage(d.SKU, item)}})
	}
	own := itemRules(d)
	for _, r := range own.Safety {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Safety{Safety: r}})
	}
	for _, r := range own.Buffers {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Buffer{Buffer: r}})
	}
	for _, r := range own.Selling {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Selling{Selling: r}})
	}
	for _, a := range own.Allocations {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Allocation{Allocation: &pb.Allocation{Sku: a.Sku, Channel: a.Channel, Group: a.Group,
			Fence: a.Fence, Capped: a.Capped, Cap: a.Cap}}})
	}
	if kit := d.Balances.AsKit(); kit != nil {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Kit{Kit: &pb.Kit{Sku: d.SKU, Components: codec.ToComponents(kit.Components)}}})
	}
	return list
}
