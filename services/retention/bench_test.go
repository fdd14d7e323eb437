package retention_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/servicetest"
)

// sale is a till's line, recorded.
type sale struct{ quantity int64 }

func (s *sale) Decide(*stock.State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error) {
	return []aggregates.Event{&stock.StockSold{Location: "store-0367", Quantity: s.quantity, Channel: "store"}}, nil
}

// Till receipts of 1,000 SKUs on disk, all of them old: events condensed in a second, and the bytes that an event takes before and after.
func BenchmarkCondense(b *testing.B) {
	const skus, events = 1_000, 200
	var took time.Duration
	var condensed, before, after int64
	for b.Loop() {
		b.StopTimer()
		clock := servicetest.NewClock()
		store, err := pebble.Open(b.TempDir(), pebble.Options{})
		if err != nil {
			b.Fatal(err)
		}
		opts := commands.Options{Now: clock.Now, Exclusive: true}
		streams, heads := commands.NewStreams(store, commands.SKUs(), opts), commands.NewStreams[domain.State](store, commands.TreeHeads(), opts)
		for i := range events {
			var done sync.WaitGroup
			done.Add(skus)
			for sku := range skus {
				receipt := fmt.Sprintf("%d-%d", sku/10, i)
				m := aggregates.Metadata{OccurredAt: clock.Now(), IdempotencyKey: fmt.Sprint("pos|", receipt, "|", sku), Actor: "till 3", CorrelationID: receipt,
					Source: aggregates.Source{System: "pos-store-0367", Document: receipt, Line: "1", MessageID: receipt, Topic: "stockfold.sales.v1", Offset: int64(i)}}
				if err := streams.Submit(fmt.Sprint(1_000_000+sku), m, &sale{2}, func(commands.Outcome, error) { done.Done() }); err != nil {
					b.Fatal(err)
				}
			}
			done.Wait()
			clock.Advance(day)
		}
		s := retention.New(retention.Config{Store: store, Stock: streams, Trail: heads, Heads: noKey{}, Now: clock.Now})
		b.StartTimer()
		began := time.Now()
		sum, err := s.Condense(b.Context(), retention.Request{Before: clock.Now().Add(-2 * day)})
		took += time.Since(began)
		b.StopTimer()
		if err != nil || sum.Condensed < skus*(events-5) || sum.Skipped > 0 {
			b.Fatal(sum, err)
		}
		condensed, before, after = condensed+sum.Condensed, before+sum.BytesBefore, after+sum.BytesAfter
		_, _ = streams.Close(b.Context()), heads.Close(b.Context())
		_ = store.Close()
		b.StartTimer()
	}
	n := float64(condensed)
	b.ReportMetric(n/took.Seconds(), "events/s")
	b.ReportMetric(float64(before)/n, "B/event-before")
	b.ReportMetric(float64(after)/n, "B/event-after")
}
