package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
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

// GetItemRules returns a SKU's own rules. It returns *validation.Error, *refusals.UnknownSKU, what tokens.Codec.Await returns, and the
// errors of the view.
func (s *Service) GetItemRules(ctx context.Context, r *pb.GetItemRulesRequest) (*pb.GetItemRulesResponse, error) {
	d, err := s.document(ctx, r.Sku, r.Token)
	if err != nil {
		return nil, err
	}
	return itemRules(d), nil
}

// itemRules are the rules that a document says a SKU has of its own.
func itemRules(d *availability.Document) *pb.GetItemRulesResponse {
	answer := &pb.GetItemRulesResponse{}
	for x := range d.Balances.Each {
		if x.SafetyStock != 0 {
			answer.Safety = append(answer.Safety, &pb.SafetyRule{Sku: d.SKU, Location: x.Location, Quantity: x.SafetyStock})
		}
	}
	own := d.Balances.Rules()
	if own == nil {
		return answer
	}
	for _, x := range own.Safety {
		answer.Safety = append(answer.Safety, safetyMessage(d.SKU, x))
	}
	for _, x := range own.Buffers {
		answer.Buffers = append(answer.Buffers, bufferMessage(d.SKU, x))
	}
	for i := range own.Allocations {
		a := &own.Allocations[i]
		answer.Allocations = append(answer.Allocations, allocationMessage(d.SKU, a, d.Balances.Used(a, d.RecordedAt)))
	}
	for _, x := range own.Selling {
		answer.Selling = append(answer.Selling, &pb.SellingRule{Sku: d.SKU, Channel: x.Channel, Unsold: x.Unsold, Backorders: x.Backorders,
			ReleaseAt: codec.Timestamp(x.ReleaseAt), Preorders: x.Preorders, LowStock: x.LowStock, SellOut: x.SellOut})
	}
	return answer
}
