package bench

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// goods are SKUs of which the bench knows what is available on every channel that sells from all locations: what was put
// in place, less what it reserved.
type goods struct {
	*ledger
	units   []int64          // put in place, of each SKU
	buffers map[string]int64 // kept back from channels
}

func newGoods(skus []string) *goods {
	return &goods{ledger: newLedger(skus), units: make([]int64, len(skus))}
}

// checkOne compares what is available of the i-th SKU. Nobody reserves it meanwhile.
func (g *goods) checkOne(i int, channel string, got *pb.Availability) error {
	most := g.units[i] - g.sure[i].Load() - g.buffers[channel]
	least := most - g.maybe[i].Load()
	if got.GetSku() != g.skus[i] || got.GetChannel() != channel || !got.GetKnown() || got.GetAts() < least || got.GetAts() > most {
		return wrong("SKU %q on channel %q has ATS %d to %d; the service says %v", g.skus[i], channel, least, most, got)
	}
	return nil
}

// get asks for what pick tells.
func (g *goods) get(w *wire, pick func() (sku int, channel string)) call {
	request, reply := &pb.GetAvailabilityRequest{}, new(frame)
	return func(ctx context.Context) error {
		i, channel := pick()
		request.Sku, request.Channel = g.skus[i], channel
		encoded, err := encode(request)
		if err != nil {
			return err
		}
		if err := w.call(ctx, pb.AvailabilityService_GetAvailability_FullMethodName, encoded, reply); err != nil {
			return err
		}
		var got pb.GetAvailabilityResponse
		if err := decode(reply, &got); err != nil {
			return err
		}
		return g.checkOne(i, channel, got.GetAvailability())
	}
}

// goodsPage is the most SKUs of one BatchGet.
const goodsPage = 1_000

// checkAll compares what is available of the first n SKUs on a channel, read with a token that covers every write.
func (g *goods) checkAll(ctx context.Context, cc grpc.ClientConnInterface, n int, channel, token string) error {
	client := pb.NewAvailabilityServiceClient(cc)
	return parallel(ctx, (n+goodsPage-1)/goodsPage, func(ctx context.Context, page int) error {
		from := page * goodsPage
		until := min(from+goodsPage, n)
		reply, err := client.BatchGetAvailability(ctx, &pb.BatchGetAvailabilityRequest{Channel: channel, Skus: g.skus[from:until], Token: token})
		if err != nil {
			return fmt.Errorf("check what is available: %w", err)
		}
		if len(reply.GetAvailabilities()) != until-from {
			return wrong("%d SKUs asked for, %d answered", until-from, len(reply.GetAvailabilities()))
		}
		for i, a := range reply.GetAvailabilities() {
			if err := g.checkOne(from+i, channel, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// hold reserves a unit of the i-th SKU n times, in calls of many, one after the other: more of one SKU than may wait would be refused.
func (g *goods) hold(ctx context.Context, b *bench, cc grpc.ClientConnInterface, i, n int) error {
	client := pb.NewReservationServiceClient(cc)
	for left := n; left > 0; left -= bulkSize {
		ask := &pb.ReserveBatchRequest{}
		for range min(bulkSize, left) {
			ask.Reservations = append(ask.Reservations, &pb.ReserveRequest{ReservationId: b.carts.next(), Sku: g.skus[i], Channel: channels[webChannel].id, Quantity: 1})
		}
		reply, err := client.ReserveBatch(ctx, ask)
		if err == nil {
			err = checkBulk(ask, reply, func(int) { g.add(i, 1, nil) })
		}
		if err != nil {
			return fmt.Errorf("hold %d units of SKU %q: %w", n, g.skus[i], err)
		}
	}
	return nil
}
