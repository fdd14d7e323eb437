package orders

import (
	"context"
	"strconv"

	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections/orders"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// GetOrder shows an order as its stream has it. It returns *validation.Error, order.ErrUnknown and the errors of the store.
func (s *Service) GetOrder(ctx context.Context, r *pb.GetOrderRequest) (*pb.GetOrderResponse, error) {
	var c validation.Checker
	c.ID("order_id", r.OrderId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	l, _, err := s.see(ctx, r.OrderId)
	if err != nil {
		return nil, err
	}
	if l.view.Version == 0 {
		return nil, about(r.OrderId, order.ErrUnknown)
	}
	return &pb.GetOrderResponse{Order: message(r.OrderId, &l.view)}, nil
}

// ListOrders lists orders, without their lines. A page may have fewer than were asked for and still not be the last. It returns *validation.Error, what tokens.Codec.Await returns and the errors of the index.
func (s *Service) ListOrders(ctx context.Context, r *pb.ListOrdersRequest) (*pb.ListOrdersResponse, error) {
	var c validation.Checker
	c.Text("channel", r.Channel, validation.MaxID)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("orders", r.Channel, strconv.FormatBool(r.OpenOnly))
	after, err := decodeAfter(list, r.PageToken)
	if err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.Index); err != nil {
		return nil, err
	}
	found, next, err := s.Index.List(ctx, orders.Query{Channel: r.Channel, OpenOnly: r.OpenOnly, After: after, Limit: size})
	if err != nil {
		return nil, err
	}
	answer := &pb.ListOrdersResponse{}
	for _, x := range found {
		if _, kits := order.KitReservationOf(x.ID); kits { // it is a reservation, and listed as such
			continue
		}
		o := &pb.Order{OrderId: x.ID, Channel: x.Channel, Status: pb.OrderStatus(x.StatusAt(s.Now())), Sold: x.Sold, Version: x.Version, Settled: !x.Pending()}
		if x.Status == order.StatusReserved {
			o.ExpiresAt = codec.Timestamp(x.ExpiresAt)
		}
		answer.Orders = append(answer.Orders, o)
	}
	if next != 0 {
		answer.NextPageToken = list.Encode(strconv.FormatUint(next, 10))
	}
	return answer, nil
}

func decodeAfter(list tokens.List, token string) (uint64, error) {
	text, err := list.Decode(token)
	if err != nil || text == "" {
		return 0, err
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return 0, c.Err()
	}
	return after, nil
}

// message is an order as the contract writes it.
func message(id string, v *order.View) *pb.Order {
	o := &pb.Order{
		OrderId: id, Channel: v.Channel, Status: pb.OrderStatus(v.Status), Sold: v.Sold, Short: codec.Shortages(v.Short),
		ExpiresAt: codec.Timestamp(v.ExpiresAt), Version: v.Version, Settled: v.Settled, Reason: v.Reason,
	}
	for i := range v.Lines {
		l := &v.Lines[i]
		line := &pb.OrderLine{
			Line: l.ID, Sku: l.SKU, Quantity: l.Quantity, Open: l.Open, Fulfilled: l.Fulfilled, Cut: l.Cut, Delivered: l.Delivered,
			Returned: l.Returned, Location: l.Location, Method: l.Method,
		}
		if l.Open > 0 && l.Parts == nil {
			line.ReservationId = l.Hold.ID(id)
		}
		line.Components = partMessages(id, l.Parts)
		o.Lines = append(o.Lines, line)
	}
	for i := range v.Oversold {
		o.Oversold = append(o.Oversold, codec.Oversold(&v.Oversold[i]))
	}
	return o
}
