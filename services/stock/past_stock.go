package stock

import (
	"context"

	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/snapshots"
	"github.com/stockfold/stockfold/services/validation"
)

// checkNoPast checks that nothing is said of a past that is not asked about.
func checkNoPast(c *validation.Checker, r *pb.GetStockRequest) {
	if r.Axis != pb.TimeAxis_TIME_AXIS_UNSPECIFIED || r.AtPosition != 0 {
		c.Fail("at", "must be given with axis or at_position")
	}
}

// pastStock tells the stock of one SKU as it was at an instant. It returns *validation.Error, refusals.ErrNoLedger, *refusals.UnknownSKU,
// what tokens.Codec.Await returns, and the read model's errors.
func (s *Service) pastStock(ctx context.Context, r *pb.GetStockRequest) (*pb.GetStockResponse, error) {
	if s.Ledger == nil {
		return nil, refusals.ErrNoLedger
	}
	var c validation.Checker
	c.ID("sku", r.Sku)
	snapshots.CheckAxis(&c, r.Axis)
	cut := ledger.Cut{Axis: snapshots.AxisOf(r.Axis), At: snapshots.CheckInstant(&c, "at", r.At, s.Now()), Position: r.AtPosition}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.Ledger); err != nil {
		return nil, err
	}
	if err := snapshots.Await(ctx, s.Ledger, cut); err != nil {
		return nil, err
	}
	found, result, err := s.Ledger.Past(ctx, cut, r.Sku, valuation.Average)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return s.nothing(ctx, r, result.Position)
	}
	return &pb.GetStockResponse{Stock: pastOf(found, r, result.Position)}, nil
}

// nothing is the stock of a SKU of which nothing lay anywhere at an instant: it was sold out, or not there yet. One that nothing was ever recorded of is unknown.
func (s *Service) nothing(ctx context.Context, r *pb.GetStockRequest, position uint64) (*pb.GetStockResponse, error) {
	document, err := s.View.Stock(ctx, r.Sku)
	if err != nil {
		return nil, err
	}
	if document == nil {
		return nil, &refusals.UnknownSKU{SKU: r.Sku}
	}
	return &pb.GetStockResponse{Stock: &pb.Stock{Sku: r.Sku, Position: position, AsOf: r.At}}, nil
}

func pastOf(x *ledger.SKU, r *pb.GetStockRequest, position uint64) *pb.Stock {
	answer := &pb.Stock{Sku: x.SKU, Name: x.Item.Name, Unit: x.Item.Unit, Decimals: int32(x.Item.Decimals), Category: x.Item.Category,
		Position: position, AsOf: r.At}
	for i := range x.Places {
		p := &x.Places[i]
		answer.Locations = append(answer.Locations, &pb.StockAtLocation{Location: p.Location, Sellable: p.OnHand[domain.Sellable],
			Inspection: p.OnHand[domain.Inspection], Damaged: p.OnHand[domain.Damaged], Quarantined: p.OnHand[domain.Quarantined],
			Reserved: p.Reserved, InTransit: p.InTransit, Incoming: p.Incoming, Oversold: p.OnHand[domain.Sellable] < p.Reserved})
	}
	return answer
}
