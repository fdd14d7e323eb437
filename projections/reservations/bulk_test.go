package reservations_test

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
)

// Reservations of BenchmarkBulk, and how they come.
const (
	bulkBatch   = 4096
	bulkBatches = 64
	bulkSKUs    = 1000
)

// BenchmarkBulk folds holds that come in large batches, as they are placed, and tells what each takes of the processors, all that
// the read model does afterwards with it.
func BenchmarkBulk(b *testing.B) {
	store := newHolds(b)
	b.ReportAllocs()
	var busy time.Duration
	for b.Loop() {
		quiet := slog.New(slog.DiscardHandler)
		db, err := views.Open(b.TempDir(), views.Options{Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		before := processorTime(b)
		p := reservations.New(reservations.Config{Store: store, Model: db.Reservations(), Log: quiet})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		if err := p.WaitFor(ctx, bulkBatch*bulkBatches); err != nil {
			b.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		busy += processorTime(b) - before
	}
	b.ReportMetric(float64(busy.Nanoseconds())/float64(b.N*bulkBatch*bulkBatches), "cpu-ns/hold")
}

// processorTime is what this process has taken.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// holds is a store that holds come into when it is subscribed to, a batch whenever the one before was taken.
type holds struct{ records []aggregates.Record }

func newHolds(b *testing.B) *holds {
	h := &holds{}
	until := aggregates.Instant(1_700_000_900) * aggregates.Second
	for i := range uint64(bulkBatch * bulkBatches) {
		now := aggregates.Instant(1_700_000_000)*aggregates.Second + aggregates.Instant(i*30)
		e := &stock.ReservationPlaced{ReservationID: fmt.Sprintf("c0ffee00-cafe-4bad-8000-%012x", i), Channel: "web", Quantity: 1,
			Splits: at("berlin", 1), ExpiresAt: until + aggregates.Instant(i/30_000)*aggregates.Second, PolicyPosition: 17}
		data, err := codec.Encode(nil, e, &aggregates.Metadata{OccurredAt: now, RecordedAt: now, CorrelationID: "c", Actor: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		h.records = append(h.records, aggregates.Record{NewEvent: aggregates.NewEvent{Type: e.EventType(), Data: data},
			Stream: fmt.Sprintf("%ssku-%05d", aggregates.SKUPrefix, i*7919%bulkSKUs), Revision: i / bulkSKUs, Position: i + 1})
	}
	return h
}

func (h *holds) End(context.Context) (uint64, error) { return 0, nil }

func (h *holds) Subscribe(context.Context, uint64, ...string) (projections.Subscription, error) {
	return &coming{records: h.records}, nil
}

type coming struct{ records []aggregates.Record }

func (c *coming) Next(ctx context.Context) (projections.Batch, error) {
	if len(c.records) == 0 {
		<-ctx.Done()
		return projections.Batch{}, context.Cause(ctx)
	}
	part := c.records[:bulkBatch]
	c.records = c.records[bulkBatch:]
	return projections.Batch{Records: part, Through: part[bulkBatch-1].Position}, nil
}

func (c *coming) Close() error { return nil }
