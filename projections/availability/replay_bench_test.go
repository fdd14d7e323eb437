package availability_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// BenchmarkReplay rebuilds availability from a log as a retailer has it, in tables that are read from the beginning. The figure to go by is the time of all
// cores for an event: the machine's other work changes it less than the time passed.
func BenchmarkReplay(b *testing.B) {
	for _, skus := range []int{1_000, 20_000, 50_000} {
		b.Run(fmt.Sprint(skus, " SKUs"), func(b *testing.B) {
			const events = 500_000
			s := measured(b)
			s.History = writtenLog(b, events, skus)
			s.run() // once before, while what was written is still being merged
			s.seen()
			b.ReportAllocs()
			var took time.Duration // of all cores
			for b.Loop() {
				b.StopTimer()
				s.stop()
				s.fs = vfs.NewMem()
				runtime.GC()
				begun := cpuTime()
				b.StartTimer()
				s.run()
				s.seen()
				took += cpuTime() - begun
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/events, "cpu-ns/event")
		})
	}
}

// writtenLog is a store of so many events of Zipf-distributed SKUs, closed and opened again.
func writtenLog(b *testing.B, events, skus int) *viewtest.History {
	b.Helper()
	dir := b.TempDir()
	open := func() *pebble.Store {
		s, err := pebble.Open(dir, pebble.Options{Log: quiet, ReserveBytes: 1})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	h := viewtest.NewHistory(b)
	h.Store = open()
	shops := make([]string, 5)
	for i := range shops {
		shops[i] = fmt.Sprint("store-", i)
		h.Location(b, shops[i])
	}
	for _, c := range []string{"store", "web", "marketplace"} {
		h.Channel(b, c, 1, shops...)
	}
	const writers = 64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { trade(b, h.Store, w, writers, events/writers, skus, h.Now) })
	}
	all.Wait()
	if err := h.Store.Close(); err != nil {
		b.Fatal(err)
	}
	h.Store = open()
	b.Cleanup(func() { report(b, h.Store.Close()) })
	return h
}

// trade appends events of the SKUs of one writer of many: of ten, five are sales, two receipts, and three what becomes of a reservation.
func trade(b *testing.B, store *pebble.Store, writer, writers, events, skus int, now aggregates.Instant) {
	r := rand.New(rand.NewPCG(uint64(writer), 1))
	zipf := rand.NewZipf(r, 1.1, 10, uint64(skus/writers))
	next := map[uint64]uint64{}
	seal := codec.AppendSealRoom(nil)
	record := func(item uint64, n int, facts ...aggregates.Event) {
		list := make([]aggregates.NewEvent, len(facts))
		stream := fmt.Sprintf("%sitem-%06d", aggregates.SKUPrefix, item*uint64(writers)+uint64(writer))
		for i, fact := range facts {
			now += aggregates.Second / 1000
			receipt := fmt.Sprintf("receipt-%d-%06d", writer, n+i)
			m := &aggregates.Metadata{OccurredAt: now, RecordedAt: now + 1234, CorrelationID: receipt, CausationID: receipt + "/1", Actor: "pos-17",
				IdempotencyKey: "m:pos-17:" + receipt, Fingerprint: r.Uint64(), Source: aggregates.Source{System: "pos-17", Document: receipt, Line: "1",
					MessageID: receipt, Topic: "stockfold.sales.v1", Partition: int32(writer), Offset: int64(n + i)}}
			data, err := codec.Encode(append([]byte(nil), seal...), fact, m)
			if err != nil {
				b.Error(err)
			}
			list[i] = aggregates.NewEvent{ID: aggregates.NewEventID(stream, receipt, i, nil), Type: fact.EventType(), Data: data}
		}
		if _, err := store.Append(b.Context(), stream, next[item], list); err != nil {
			b.Error(err)
		}
		next[item] += uint64(len(list))
	}
	for n := 0; n < events; {
		item, shop, units := zipf.Uint64(), fmt.Sprint("store-", r.IntN(5)), 1+r.Int64N(5)
		switch k := r.IntN(8); {
		case k < 5:
			record(item, n, &stock.StockSold{Location: shop, Quantity: units, Channel: "store"})
			n++
		case k < 7:
			record(item, n, &stock.StockReceived{Location: shop, Quantity: 10 * units})
			n++
		default:
			id, until, splits := fmt.Sprintf("cart-%d-%d", writer, n), now.CeilSecond()+900*aggregates.Second, []stock.Split{{Location: shop, Quantity: units}}
			record(item, n, &stock.ReservationPlaced{ReservationID: id, Channel: "web", Quantity: units, Splits: splits, ExpiresAt: until, PolicyPosition: 8},
				&stock.ReservationConfirmed{ReservationID: id, ExpiredAt: until, Splits: splits, Channel: "web"},
				&stock.ReservationFulfilled{ReservationID: id, Closed: true, Channel: "web",
					Splits: []stock.FulfilledSplit{{Location: shop, ReservedAt: shop, Quantity: units}}})
			n += 3
		}
	}
}
