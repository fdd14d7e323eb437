package eventstoredb_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// benchStore is a store over a server in this process, whose disk is memory: what is left is the protocol and JSON.
func benchStore(b *testing.B) *eventstoredb.Store {
	b.Helper()
	t := &testing.T{}
	data, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	n := &node{T: t, data: data, addr: "127.0.0.1:0", opts: esdbserver.Options{}}
	n.start()
	s, err := eventstoredb.Open(context.Background(), n.url(), eventstoredb.Options{Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(); n.kill(); data.Close() })
	return s
}

func placed(b *testing.B, stream string, n int) aggregates.NewEvent {
	b.Helper()
	e := &stock.ReservationPlaced{ReservationID: fmt.Sprintf("cart-%d", n), Channel: "web", Quantity: 2, ExpiresAt: 1_767_269_400_000_000,
		Splits: []stock.Split{{Location: "berlin", Quantity: 2}}}
	data, err := codec.Encode(nil, e, &aggregates.Metadata{OccurredAt: 1_767_268_800_000_000, RecordedAt: 1_767_268_800_000_000,
		CorrelationID: "order-9", Actor: "web", IdempotencyKey: fmt.Sprintf("r:cart-%d", n), Fingerprint: 1 << 60})
	if err != nil {
		b.Fatal(err)
	}
	return aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: e.EventType(), Data: data}
}

// BenchmarkAppend appends one event at a time to streams of their own.
func BenchmarkAppend(b *testing.B) {
	s := benchStore(b)
	var stream atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprintf("sku-%d", stream.Add(1))
		for n := uint64(0); pb.Next(); n++ {
			if _, err := s.Append(context.Background(), name, n, []aggregates.NewEvent{placed(b, name, int(n))}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReplay reads events by a subscription; a round is one event.
func BenchmarkReplay(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < b.N; n += 1000 {
		var list []aggregates.NewEvent
		for i := range 1000 {
			list = append(list, placed(b, "sku-a", n+i))
		}
		if _, err := s.Append(context.Background(), "sku-a", uint64(n), list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	sub, err := s.Subscribe(context.Background(), 0, "sku-")
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	for seen := 0; seen < b.N; {
		batch, err := sub.Next(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		seen += len(batch.Records)
	}
}
