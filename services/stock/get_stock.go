package stock

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// GetStock tells the stock of one SKU by location and condition. Holds that have ended do not count as reserved. It
// returns *validation.Error, *refusals.UnknownSKU, what tokens.Codec.Await returns, and the view's errors.
func (s *Service) GetStock(ctx context.Context, r *pb.GetStockRequest) (*pb.GetStockResponse, error) {
	if r.At != nil {
		return s.pastStock(ctx, r)
	}
	var c validation.Checker
	c.ID("sku", r.Sku)
	checkNoPast(&c, r)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.View); err != nil {
		return nil, err
	}
	document, err := s.View.Stock(ctx, r.Sku)
	if err != nil {
		return nil, err
	}
	if document == nil {
		return nil, &refusals.UnknownSKU{SKU: r.Sku}
	}
	return &pb.GetStockResponse{Stock: StockOf(document, s.Now())}, nil
}

// StockOf tells what lies where by a document. Holds that ended before now do not count.
func StockOf(d *projection.Document, now aggregates.Instant) *pb.Stock {
	item := &d.Balances.Item
	answer := &pb.Stock{
		Sku: d.SKU, Name: item.Name, Unit: item.Unit, Decimals: int32(item.Decimals), Category: item.Category,
		Position: d.Position, AsOf: timestamppb.New(d.RecordedAt.Time()),
	}
	for x := range d.Balances.Each {
		answer.Locations = append(answer.Locations, &pb.StockAtLocation{
			Location:    x.Location,
			Sellable:    x.OnHand[domain.Sellable],
			Inspection:  x.OnHand[domain.Inspection],
			Damaged:     x.OnHand[domain.Damaged],
			Quarantined: x.OnHand[domain.Quarantined],
			Reserved:    x.Live(now),
			SafetyStock: x.SafetyStock,
			InTransit:   x.InTransit,
			Oversold:    x.Oversold(now),

			Incoming:      x.Incoming(),
			PromisedLater: x.Live(now) - x.DueNow(now),
		})
	}
	return answer
}
