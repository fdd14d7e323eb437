package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of previews.
const (
	previewPage   = 500   // SKUs read at once
	previewValues = 500   // values sent at once
	previewEvery  = 5_000 // SKUs after which is told how far it came
)

// PreviewPolicies tells what changes would make of the ATS of every SKU on every channel: the changes are made on paper, by the functions that would make them, and each
// SKU is priced before and after by the one availability function. It returns *validation.Error, and the errors of the view and of the store.
func (s *Service) PreviewPolicies(r *pb.PreviewPoliciesRequest, stream pb.PolicyService_PreviewPoliciesServer) error {
	var c validation.Checker
	c.Text("after_sku", r.AfterSku, validation.MaxID)
	c.Text("through_sku", r.ThroughSku, validation.MaxID)
	if c.Count("changes", len(r.Changes), 0, MaxPreviewed); c.Err() != nil {
		return c.Err()
	}
	ctx := stream.Context()
	if err := s.awaitEnd(ctx); err != nil {
		return err
	}
	x := &preview{service: s, now: s.now(), stream: stream, answer: &pb.PreviewPoliciesResponse{}, all: arrange(r.Changes)}
	if err := x.share(ctx); err != nil {
		return err
	}
	if err := x.kits(ctx); err != nil {
		return err
	}
	if err := x.skus(ctx, r.AfterSku, r.ThroughSku); err != nil {
		return err
	}
	x.answer.Done = true
	return x.send()
}

// preview is one PreviewPolicies.
type preview struct {
	service *Service
	now     aggregates.Instant
	stream  pb.PolicyService_PreviewPoliciesServer
	answer  *pb.PreviewPoliciesResponse
	all     arranged

	paper  *Service // with the shared rules put: what SKUs' own rules are decided on
	prices []price
	moved  bool // some channel sells otherwise because of shared rules

	unmade, made bundles         // once kits are taken away, and once all changes of kits are made
	about        map[string]bool // SKUs whose own rules change, kits that change, and kits made of such
}

// price is what a channel sells by before and after; nil where it is not defined.
type price struct {
	channel       string
	before, after *stock.Policy
	same          bool
}

// share makes the changes of shared rules, and finds the policies before and after.
func (x *preview) share(ctx context.Context) error {
	x.paper = x.service.draft()
	if err := x.makeAll(ctx, x.paper, x.all.put); err != nil {
		return err
	}
	final := x.paper.fork()
	if err := x.makeAll(ctx, final, x.all.taken); err != nil {
		return err
	}
	after := map[string]*stock.Policy{}
	for _, c := range final.Directory.Channels() {
		after[c.ID] = c.Policy
	}
	before := map[string]*stock.Policy{}
	for _, c := range x.service.Directory.Channels() {
		before[c.ID] = c.Policy
		after[c.ID] = cmp.Or(after[c.ID], c.Policy)
	}
	for _, id := range slices.Sorted(maps.Keys(after)) {
		p := price{channel: id, before: before[id], after: after[id]}
		p.same = p.before != nil && p.before.SellsAs(p.after)
		x.prices, x.moved = append(x.prices, p), x.moved || !p.same
	}
	return nil
}

// makeAll makes changes on paper, and notes which are refused.
func (x *preview) makeAll(ctx context.Context, on *Service, list []change) error {
	results, err := refused(ctx, on, list)
	x.answer.Refused = append(x.answer.Refused, results...)
	return err
}

// refused makes changes on paper, and tells which are refused.
func refused(ctx context.Context, on *Service, list []change) (results []*pb.PolicyResult, err error) {
	for _, c := range list {
		n := &noted{recorded: 1}
		result, err := n.result(c, on.make(ctx, c.PolicyChange, ""))
		if err != nil {
			return results, fmt.Errorf("changes[%d]: %w", c.index, err)
		}
		if result.Status == pb.PolicyResult_STATUS_REFUSED {
			results = append(results, result)
		}
	}
	return results, nil
}

// skus prices the SKUs of a range: all of them when shared rules make a difference, else those that changes are about.
func (x *preview) skus(ctx context.Context, after, through string) error {
	within := func(sku string) bool { return sku > after && (through == "" || sku <= through) }
	own := slices.DeleteFunc(slices.Sorted(maps.Keys(x.about)), func(sku string) bool { return !within(sku) })
	for x.moved {
		page, err := x.service.Items.Scan(ctx, after, previewPage)
		if err != nil {
			return err
		}
		for _, d := range page {
			if !within(d.SKU) {
				return x.each(ctx, own)
			}
			i, _ := slices.BinarySearch(own, d.SKU)
			if err := x.each(ctx, own[:i]); err != nil {
				return err
			}
			own = own[i:]
			if len(own) > 0 && own[0] == d.SKU {
				continue
			}
			if err := x.compare(ctx, d.SKU, &d.Balances, &d.Balances, max(x.now, d.RecordedAt)); err != nil {
				return err
			}
		}
		if len(page) < previewPage {
			break
		}
		after = page[len(page)-1].SKU
	}
	return x.each(ctx, own)
}

// each prices SKUs that changes are about.
func (x *preview) each(ctx context.Context, skus []string) error {
	for _, sku := range skus {
		state, err := x.service.stateOf(ctx, sku)
		if err != nil {
			return err
		}
		before, now := state.Clone(), max(x.now, state.Latest())
		results, err := x.change(ctx, sku, state)
		if err != nil {
			return err
		}
		x.answer.Refused = append(x.answer.Refused, results...)
		if err := x.compare(ctx, sku, &before, &state.Balances, now); err != nil {
			return err
		}
	}
	return nil
}

// compare prices one SKU before and after.
func (x *preview) compare(ctx context.Context, sku string, before, after *stock.Balances, now aggregates.Instant) error {
	x.answer.Skus++
	changed := len(x.answer.Values)
	old, err := x.withComponents(ctx, before, false, &now)
	if err != nil {
		return err
	}
	fresh, err := x.withComponents(ctx, after, true, &now)
	if err != nil {
		return err
	}
	for i := range x.prices {
		p := &x.prices[i]
		if p.same && before == after {
			continue
		}
		was, is := old.available(p.before, now), fresh.available(p.after, now)
		if was != is {
			x.answer.Values = append(x.answer.Values, &pb.PreviewedValue{Sku: sku, Channel: p.channel, Before: was, After: is,
				Steps: differences(old.steps(p.before, now), fresh.steps(p.after, now))})
		}
	}
	if more := len(x.answer.Values) - changed; more > 0 {
		x.answer.SkusChanged++
		x.answer.ValuesChanged += int64(more)
	}
	if len(x.answer.Values) >= previewValues || len(x.answer.Refused) >= previewValues || x.answer.Skus%previewEvery == 0 {
		return x.send()
	}
	return nil
}

func (x *preview) send() error {
	err := x.stream.Send(x.answer)
	x.answer = &pb.PreviewPoliciesResponse{Skus: x.answer.Skus, SkusChanged: x.answer.SkusChanged, ValuesChanged: x.answer.ValuesChanged}
	return err
}

// differences are the steps that are not the same before and after, in their order.
func differences(before, after []stock.Step) (list []*pb.PreviewedStep) {
	at := map[stock.Step]*pb.PreviewedStep{}
	of := func(s stock.Step) *pb.PreviewedStep {
		s.Amount = 0
		m := at[s]
		if m == nil {
			m = &pb.PreviewedStep{Name: string(s.Name), Location: s.Location}
			at[s], list = m, append(list, m)
		}
		return m
	}
	for _, s := range before {
		of(s).Before += s.Amount
	}
	for _, s := range after {
		of(s).After += s.Amount
	}
	return slices.DeleteFunc(list, func(m *pb.PreviewedStep) bool { return m.Before == m.After })
}
