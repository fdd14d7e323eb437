package routing

import (
	"context"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Stock is a StockService that hands on movements of one SKU. Movements of several SKUs are decided here: each counts
// by its own id, wherever it is decided, but a request has one answer.
type Stock struct {
	pb.StockServiceServer // decides here
	router                *Router
}

// Stock wraps the service of this process.
func (r *Router) Stock(here pb.StockServiceServer) *Stock {
	return &Stock{StockServiceServer: here, router: r}
}

// RecordMovements is decided by the replica that the SKU belongs to, or here.
func (x *Stock) RecordMovements(ctx context.Context, q *pb.RecordMovementsRequest) (*pb.RecordMovementsResponse, error) {
	here := x.StockServiceServer.RecordMovements
	if came, err := handed(ctx, x.router.config.StoreID); err != nil {
		return nil, err
	} else if came {
		return here(ctx, q)
	}
	sku, one := onlySKU(q.Movements)
	if !one {
		return here(ctx, q)
	}
	return handOn(ctx, x.router, pb.StockService_RecordMovements_FullMethodName, sku, q, here)
}

// onlySKU is the SKU that all movements are of, if there is one.
func onlySKU(movements []*pb.Movement) (sku string, one bool) {
	for _, m := range movements {
		if one && m.GetSku() != sku {
			return "", false
		}
		sku, one = m.GetSku(), true
	}
	return sku, one
}
