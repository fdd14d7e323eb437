package pebble

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// movement is a sale as it is stored.
func movement(stream string, n int) aggregates.NewEvent {
	receipt := fmt.Sprintf("%011d", 40_000_000_000+n)
	at := aggregates.Instant(1_490_000_000_000_000 + int64(n)*1_700_000)
	data, err := codec.Encode(codec.AppendSealRoom(nil), &stock.StockSold{Location: fmt.Sprintf("store-%03d", n%328), Quantity: int64(1 + n%3), Channel: "pos"},
		&aggregates.Metadata{
			OccurredAt: at, RecordedAt: at + 3_000_000,
			Source: aggregates.Source{System: "pos-us", Document: receipt, Line: fmt.Sprint(n % 20), MessageID: receipt,
				Topic: "stockfold.sales.v1", Partition: int32(n % 8), Offset: int64(n / 8)},
			CorrelationID: receipt, IdempotencyKey: fmt.Sprintf("pos-us/%s/%d", receipt, n%20), Fingerprint: uint64(n) * 0x9e3779b97f4a7c15,
		})
	if err != nil {
		panic(err)
	}
	e := aggregates.NewEvent{ID: aggregates.NewEventID(stream, receipt, n%20, nil), Type: stock.TypeStockSold, Data: data}
	codec.PutSeal(codec.Seal{}, stream, uint64(n), &e)
	return e
}

// TestMovementIsSmallOnDisk: a year of a large retailer fits on one disk.
func TestMovementIsSmallOnDisk(t *testing.T) {
	const movements, streams, limit = 20_000, 500, 150
	s := openOn(t, vfs.NewMem())
	next := make([]uint64, streams)
	for n := range movements / 4 {
		x := n * 7919 % streams
		name := fmt.Sprintf("sku-%d", 1082185+x)
		var list []aggregates.NewEvent
		for i := range 4 {
			list = append(list, movement(name, 4*n+i))
		}
		if _, err := s.Append(background, name, next[x], list); err != nil {
			t.Fatal(err)
		}
		next[x] += 4
	}
	if err := firstError(s.db.Flush(), s.db.Compact(background, []byte{0}, []byte{0xff}, true)); err != nil {
		t.Fatal(err)
	}
	size, err := s.db.EstimateDiskUsage([]byte{0}, []byte{0xff})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f bytes per movement", float64(size)/movements)
	if got := float64(size) / movements; got > limit || got < 20 {
		t.Errorf("a movement takes %.0f bytes on disk, want at most %d", got, limit)
	}
}
