package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

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
