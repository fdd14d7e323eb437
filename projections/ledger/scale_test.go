package ledger_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/proto/codec"
)

var (
	scaleEvents = flag.Int("scale.events", 200_000, "events of BenchmarkSnapshot")
	scaleSKUs   = flag.Int("scale.skus", 2_000, "SKUs of BenchmarkSnapshot, each at 5 locations")
)

// shops are where each SKU of the benchmark lies.
var shops = [5]string{"store-1", "store-2", "store-3", "store-4", "store-5"}

// BenchmarkSnapshot takes snapshots of every SKU at random instants on both axes, the first one by a ledger that was just opened. The events are
// appended as commands append theirs: receipts with a cost, sales and counts, some of them late.
func BenchmarkSnapshot(b *testing.B) {
	ledger.SetBlockEntries(ledger.BlockEntries)
	defer ledger.SetBlockEntries(8)
	dir := b.TempDir()
	store, err := pebble.Open(dir+"/events", pebble.Options{Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	began := time.Now()
	last := fillScale(b, store)
	b.Logf("appended %d events in %s", *scaleEvents, time.Since(began).Round(time.Millisecond))
	db := openScale(b, dir, store)
	l, stop := runScale(b, db, store)
	began = time.Now()
	if err := l.WaitForEnd(b.Context()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	b.Logf("folded in %s, %.0f events/s", took.Round(time.Millisecond), float64(*scaleEvents)/took.Seconds())
	stop()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	db = openScale(b, dir, store)
	defer db.Close()
	l, stop = runScale(b, db, store)
	defer stop()
	began = time.Now()
	if err := l.WaitForEnd(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("opened again, and caught up, in %s", time.Since(began).Round(time.Millisecond))
	var slowest [2]time.Duration
	n, first := 0, true
	for b.Loop() {
		n++
		c := ledger.Cut{Axis: ledger.Axis(n % 2), At: noon + aggregates.Instant(rand.Int64N(int64(last-noon)))}
		began := time.Now()
		s, err := l.All(b.Context(), c, valuation.Method(rand.IntN(2)))
		if err != nil {
			b.Fatal(err)
		}
		if took := time.Since(began); first {
			b.Logf("the first, on the axis of occurred time: %d SKUs from %d events in %s", len(s.SKUs), s.Events, took.Round(time.Millisecond))
			first = false
		} else {
			slowest[c.Axis] = max(slowest[c.Axis], took)
		}
	}
	b.ReportMetric(slowest[ledger.Recorded].Seconds(), "slowest-recorded-s")
	b.ReportMetric(slowest[ledger.Occurred].Seconds(), "slowest-occurred-s")
}

func openScale(b *testing.B, dir string, store *pebble.Store) *views.DB {
	db, err := views.Open(dir+"/views", views.Options{StoreID: store.ID(), Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func runScale(b *testing.B, db *views.DB, store *pebble.Store) (*ledger.Ledger, func()) {
	l := ledger.New(ledger.Config{Store: store, Model: db.Ledger(), Log: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = l.Run(ctx) })
	return l, sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
}

// fillScale appends round after round, an event of each SKU at each shop in every round, and returns when the last was recorded.
func fillScale(b *testing.B, store *pebble.Store) aggregates.Instant {
	const writers = 512
	rounds := max(1, *scaleEvents / *scaleSKUs / len(shops))
	for round := range rounds {
		var next atomic.Int64
		var all sync.WaitGroup
		for w := range writers {
			r := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			all.Go(func() {
				for sku := int(next.Add(1)) - 1; sku < *scaleSKUs; sku = int(next.Add(1)) - 1 {
					now := noon + aggregates.Instant(round)*3600*aggregates.Second + aggregates.Instant(sku)*10_000
					if err := appendScale(store, fmt.Sprint("sku-", 600_000+sku), round, now, r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	}
	return noon + aggregates.Instant(rounds)*3600*aggregates.Second
}

func appendScale(store *pebble.Store, stream string, round int, now aggregates.Instant, r *rand.Rand) error {
	var events []aggregates.NewEvent
	for i, shop := range shops {
		var e aggregates.Event
		switch r.IntN(10) {
		case 0:
			e = &stock.StockReceived{Location: shop, Quantity: 20, Cost: &stock.Cost{Unit: 249, Currency: "EUR", Value: 4980}}
		case 1:
			e = &stock.StockCounted{Location: shop, Counted: 10, Delta: r.Int64N(5) - 2}
		default:
			e = &stock.StockSold{Location: shop, Quantity: 1 + r.Int64N(3)}
		}
		late := aggregates.Instant(0)
		if r.IntN(20) == 0 {
			late = aggregates.Instant(r.Int64N(48*3600)) * aggregates.Second
		}
		m := aggregates.Metadata{OccurredAt: max(noon, now-late), RecordedAt: now, IdempotencyKey: fmt.Sprint(round, "-", i),
			Source: aggregates.Source{System: "pos", Document: "receipt-1", Topic: "stockfold.sales.v1", Offset: int64(round)}}
		data, err := codec.Encode(nil, e, &m)
		if err != nil {
			return err
		}
		events = append(events, aggregates.NewEvent{ID: aggregates.NewEventID(stream, m.IdempotencyKey, 0, nil), Type: e.EventType(), Data: data})
	}
	_, err := store.Append(context.Background(), stream, uint64(round*len(shops)), events)
	return err
}
