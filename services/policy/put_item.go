package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// PutItem says what a SKU is and what is kept back of it where. It returns *validation.Error,
// *stock.DecimalsFixedError and the errors of the store.
func (s *Service) PutItem(ctx context.Context, r *pb.PutItemRequest) (*pb.PutItemResponse, error) {
	return s.putItem(ctx, r, false)
}

// describeItem is PutItem, which leaves the safety stock as it is when none is given: whoever says by messages or in a file what a SKU is says
// elsewhere what is kept back.
func (s *Service) describeItem(ctx context.Context, r *pb.PutItemRequest) (*pb.PutItemResponse, error) {
	return s.putItem(ctx, r, len(r.GetItem().GetSafetyStock()) == 0)
}

func (s *Service) putItem(ctx context.Context, r *pb.PutItemRequest, describe bool) (*pb.PutItemResponse, error) {
	if err := checkItem(r); err != nil {
		return nil, err
	}
	in := putItem{describe: describe, request: stock.RegisterRequest{
		Name: r.Item.Name, Unit: r.Item.Unit, Category: r.Item.Category, Decimals: int(r.Item.Decimals),
	}}
	for _, x := range r.Item.SafetyStock {
		in.request.SafetyStock = append(in.request.SafetyStock, stock.SafetyStock{Location: x.Location, Quantity: x.Quantity})
	}
	outcome, err := s.SKUs.Do(ctx, r.Item.Sku, metadata(ctx, r.Actor), &in)
	if err != nil {
		return nil, refusals.About(err, refusals.Fact{Name: "sku", Value: r.Item.Sku})
	}
	return &pb.PutItemResponse{Item: in.message(r.Item.Sku), Token: s.Tokens.Encode(outcome.Position)}, nil
}

func checkItem(r *pb.PutItemRequest) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Item == nil {
		c.Fail("item", "must be given")
		return c.Err()
	}
	c.ID("item.sku", r.Item.Sku)
	c.Text("item.name", r.Item.Name, validation.MaxNote)
	c.Text("item.unit", r.Item.Unit, MaxUnit)
	c.Range("item.decimals", int64(r.Item.Decimals), 0, stock.MaxDecimals)
	c.Text("item.category", r.Item.Category, MaxCategory)
	if c.Count("item.safety_stock", len(r.Item.SafetyStock), 0, MaxSafetyStock); len(r.Item.SafetyStock) <= MaxSafetyStock {
		checkSafetyStock(&c, r.Item.SafetyStock)
	}
	return c.Err()
}

func checkSafetyStock(c *validation.Checker, list []*pb.SafetyStock) {
	first := make(map[string]int, len(list))
	for i, x := range list {
		field := fmt.Sprintf("item.safety_stock[%d]", i)
		if x == nil {
			c.Fail(field, "must be given")
			continue
		}
		c.ID(field+".location", x.Location)
		c.Range(field+".quantity", x.Quantity, 0, validation.MaxQuantity)
		if at, repeated := first[x.Location]; repeated {
			c.Fail(field+".location", "must not be repeated, is also in item.safety_stock[%d]", at)
			continue
		}
		first[x.Location] = i
	}
}

// putItem is the intention.
type putItem struct {
	request  stock.RegisterRequest
	describe bool // leave the safety stock as it is
	result   stock.Item
}

// Decide registers.
func (x *putItem) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	if x.describe {
		x.request.SafetyStock = nil
		for b := range s.Each {
			if b.SafetyStock != 0 {
				x.request.SafetyStock = append(x.request.SafetyStock, stock.SafetyStock{Location: b.Location, Quantity: b.SafetyStock})
			}
		}
	}
	x.result, events, err = stock.Register(s, x.request, m, now)
	return events, err
}

// message is the item as it is in force, and as GetItem will show it.
func (x *putItem) message(sku string) *pb.Item {
	item := itemMessage(sku, &x.result)
	for _, kept := range x.request.SafetyStock {
		if kept.Quantity != 0 {
			item.SafetyStock = append(item.SafetyStock, &pb.SafetyStock{Location: kept.Location, Quantity: kept.Quantity})
		}
	}
	slices.SortFunc(item.SafetyStock, func(a, b *pb.SafetyStock) int { return cmp.Compare(a.Location, b.Location) })
	return item
}
