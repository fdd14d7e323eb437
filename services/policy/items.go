package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// GetItem returns what is known of a SKU, also when only movements made it known. It returns *validation.Error,
// *refusals.UnknownSKU, what tokens.Codec.Await returns, and the errors of the view.
func (s *Service) GetItem(ctx context.Context, r *pb.GetItemRequest) (*pb.GetItemResponse, error) {
	found, err := s.document(ctx, r.Sku, r.Token)
	if err != nil {
		return nil, err
	}
	return &pb.GetItemResponse{Item: itemOf(found)}, nil
}

var itemList = tokens.NewList("items")

// ListItems lists the SKUs that are known, in bytewise order. It returns *validation.Error and the errors of the view.
func (s *Service) ListItems(ctx context.Context, r *pb.ListItemsRequest) (*pb.ListItemsResponse, error) {
	size, after, err := checkPage(itemList, r.PageSize, r.PageToken)
	if err != nil {
		return nil, err
	}
	found, err := s.scan(ctx, after, size)
	if err != nil {
		return nil, err
	}
	list, next := page(found, func(d *availability.Document) string { return d.SKU }, "", size,
		func(d *availability.Document) (*pb.Item, int) {
			m := itemOf(d)
			return m, m.SizeVT()
		})
	answer := &pb.ListItemsResponse{Items: list}
	if next != "" {
		answer.NextPageToken = itemList.Encode(next)
	}
	return answer, nil
}

// scan finds the documents of a page, and one more when there is one.
func (s *Service) scan(ctx context.Context, after string, size int) ([]*availability.Document, error) {
	found, err := s.Items.Scan(ctx, after, size)
	if err != nil || len(found) < size {
		return found, err
	}
	following, err := s.Items.Scan(ctx, found[size-1].SKU, 1)
	return append(found, following...), err
}

// document is what is known of a SKU once a token can be read: *validation.Error, *refusals.UnknownSKU, what tokens.Codec.Await returns,
// and the errors of the view.
func (s *Service) document(ctx context.Context, sku, token string) (*availability.Document, error) {
	var c validation.Checker
	c.ID("sku", sku)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, token, s.Items); err != nil {
		return nil, err
	}
	found, err := s.Items.Stock(ctx, sku)
	if err == nil && found == nil {
		err = &refusals.UnknownSKU{SKU: sku}
	}
	return found, err
}

func itemOf(d *availability.Document) *pb.Item {
	item := itemMessage(d.SKU, &d.Balances.Item)
	for x := range d.Balances.Each {
		if x.SafetyStock != 0 {
			item.SafetyStock = append(item.SafetyStock, &pb.SafetyStock{Location: x.Location, Quantity: x.SafetyStock})
		}
	}
	return item
}

func itemMessage(sku string, i *stock.Item) *pb.Item {
	return &pb.Item{Sku: sku, Name: i.Name, Unit: i.Unit, Decimals: int32(i.Decimals), Category: i.Category}
}
