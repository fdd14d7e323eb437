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

// check compares the ledger with the streams: what is reserved of each SKU, read with a token that covers every
// write, must be what was answered well, and at most what may have happened besides.
func (l *ledger) check(ctx context.Context, cc grpc.ClientConnInterface, token string) error {
	stock := pb.NewStockServiceClient(cc)
	return parallel(ctx, len(l.skus), func(ctx context.Context, i int) error {
		least, most := l.sure[i].Load(), l.sure[i].Load()+l.maybe[i].Load()
		if most == 0 {
			return nil
		}
		reply, err := stock.GetStock(ctx, &pb.GetStockRequest{Sku: l.skus[i], Token: token})
		if err != nil {
			return fmt.Errorf("check what is reserved of SKU %q: %w", l.skus[i], err)
		}
		var reserved int64
		for _, at := range reply.GetStock().GetLocations() {
			reserved += at.Reserved
		}
		if reserved < least || reserved > most {
			return wrong("SKU %q: %d to %d units were reserved; the service says %d", l.skus[i], least, most, reserved)
		}
		return nil
	})
}
