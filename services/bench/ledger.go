package bench

import (
	"context"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// ledger keeps what was reserved of each SKU, from the replies alone.
type ledger struct {
	skus  []string
	sure  []atomic.Int64 // units of calls answered well
	maybe []atomic.Int64 // units of calls that failed in a way that leaves it open
}

func newLedger(skus []string) *ledger {
	return &ledger{skus: skus, sure: make([]atomic.Int64, len(skus)), maybe: make([]atomic.Int64, len(skus))}
}

// add notes the outcome of reserving units of the i-th SKU.
func (l *ledger) add(i int, units int64, err error) {
	switch {
	case err == nil:
		l.sure[i].Add(units)
	case mayHaveHappened(err):
		l.maybe[i].Add(units)
	}
}

// check compares the ledger with the service: what is reserved of each SKU, read with a token that covers every write,
// must be what was answered well, and at most what may have happened besides.
func (l *ledger) check(ctx context.Context, cc grpc.ClientConnInterface, token string) error {
	return parallel(ctx, len(l.skus), func(ctx context.Context, i int) error {
		least, most := l.sure[i].Load(), l.sure[i].Load()+l.maybe[i].Load()
		if most == 0 {
			return nil
		}
		said, err := reservedUnits(ctx, cc, l.skus[i], token)
		if err != nil || said >= least && said <= most {
			return err
		}
		return wrong("SKU %q: %d to %d units were reserved; read with the token of a later write, the service says %d; %s",
			l.skus[i], least, most, said, explain(ctx, cc, l.skus[i]))
	})
}

// reservedUnits asks what is reserved of a SKU at all locations.
func reservedUnits(ctx context.Context, cc grpc.ClientConnInterface, sku, token string) (int64, error) {
	reply, err := pb.NewStockServiceClient(cc).GetStock(ctx, &pb.GetStockRequest{Sku: sku, Token: token})
	if err != nil {
		return 0, fmt.Errorf("ask what is reserved of SKU %q: %w", sku, err)
	}
	var sum int64
	for _, at := range reply.GetStock().GetLocations() {
		sum += at.Reserved
	}
	return sum, nil
}

// explain says what else the service knows of a SKU whose sum is wrong: whether it only came late, or is in its stream.
func explain(ctx context.Context, cc grpc.ClientConnInterface, sku string) string {
	now, err := reservedUnits(ctx, cc, sku, "")
	if err != nil {
		return err.Error()
	}
	var placed int64
	ask := &pb.ListEventsRequest{Sku: sku, PageSize: historyPage}
	for {
		reply, err := pb.NewHistoryServiceClient(cc).ListEvents(ctx, ask)
		if err != nil {
			return err.Error()
		}
		for _, e := range reply.Events {
			placed += e.GetReservationPlaced().GetQuantity()
		}
		if ask.PageToken = reply.NextPageToken; ask.PageToken == "" {
			return fmt.Sprintf("asked again %d; its stream holds reservations of %d", now, placed)
		}
	}
}

// historyPage is the most events a page may have.
const historyPage = 1_000
