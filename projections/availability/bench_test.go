package availability_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
)

// till is a sale as a till reports it.
func till(b testing.TB, h *viewtest.History, sku string, n int) aggregates.NewEvent {
	fact := &stock.StockSold{Location: fmt.Sprint("store-", n%5), Quantity: 1, Channel: "store"}
	m := &aggregates.Metadata{OccurredAt: h.Now, RecordedAt: h.Now, CorrelationID: fmt.Sprint("receipt-", n), Source: aggregates.Source{
		System: "pos-17", Document: fmt.Sprint("receipt-", n), Line: "1", MessageID: fmt.Sprint(n), Topic: "stockfold.sales.v1", Offset: int64(n)}}
	h.Now += 1000
	data, err := codec.Encode(nil, fact, m)
	if err != nil {
		b.Fatal(err)
	}
	return aggregates.NewEvent{Type: fact.EventType(), Data: data}
}

// measured is a scenario as production has it.
func measured(b *testing.B) *scenario {
	s := prepare(b)
	s.memTable, s.gather, s.workers = 0, 0, 0
	return s
}

// sales fills a store with so many sales of Zipf-distributed SKUs.
func sales(b testing.TB, s *scenario, events, skus int) {
	for l := range 5 {
		s.Location(b, fmt.Sprint("store-", l))
	}
	for _, c := range []string{"store", "web", "marketplace"} {
		s.Channel(b, c, 1, "store-0", "store-1", "store-2", "store-3", "store-4")
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.1, 10, uint64(skus-1))
	for n := range events {
		sku := fmt.Sprintf("item-%06d", zipf.Uint64())
		s.Append(b, aggregates.SKUPrefix+sku, till(b, s.History, sku, n))
	}
}

// cpuTime is what the process has used so far of all cores: it tells more than the clock on a busy machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkGet(b *testing.B) {
	s := measured(b)
	sales(b, s, 20_000, 200)
	s.run()
	s.seen()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Get(context.Background(), skuNames[i%len(skuNames)], "web"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// skuNames are SKUs that were sold.
var skuNames = func() (list []string) {
	for i := range 200 {
		list = append(list, fmt.Sprintf("item-%06d", i))
	}
	return list
}()

func BenchmarkGetFromDatabase(b *testing.B) {
	s := measured(b)
	s.cache = 1
	sales(b, s, 20_000, 200)
	s.run()
	s.seen()
	s.restart()
	s.seen()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Get(context.Background(), skuNames[i%len(skuNames)], "web"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBatchGet100(b *testing.B) {
	s := measured(b)
	sales(b, s, 20_000, 200)
	s.run()
	s.seen()
	room := make([]availability.Availability, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.BatchGet(context.Background(), "web", skuNames[:100], room); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "SKUs/s")
}

// BenchmarkCommitToReadable is the time from the return of an append to its being readable, one at a time.
func BenchmarkCommitToReadable(b *testing.B) {
	s := measured(b)
	sales(b, s, 20_000, 200)
	s.run()
	s.seen()
	var took time.Duration
	for i := 0; b.Loop(); i++ {
		at := s.Append(b, aggregates.SKUPrefix+skuNames[i%len(skuNames)], till(b, s.History, skuNames[i%len(skuNames)], i))
		begun := time.Now()
		if err := s.Projection.WaitFor(context.Background(), at); err != nil {
			b.Fatal(err)
		}
		took += time.Since(begun)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns-after-commit/op")
}

// BenchmarkPublishBesideWatchers shows what a change costs when many watch other SKUs.
func BenchmarkPublishBesideWatchers(b *testing.B) {
	for _, watchers := range []int{0, 10_000} {
		b.Run(fmt.Sprint(watchers), func(b *testing.B) {
			s := measured(b)
			s.heartbeat = time.Hour
			sales(b, s, 20_000, 200)
			s.run()
			s.seen()
			ctx, cancel := context.WithCancel(context.Background())
			var idle sync.WaitGroup
			for i := range watchers {
				w, err := s.Watch(ctx, "web", []string{fmt.Sprint("other-", i)}, availability.FromNow)
				if err != nil {
					b.Fatal(err)
				}
				idle.Go(func() {
					defer w.Close()
					for {
						if _, _, _, err := w.Next(ctx); err != nil {
							return
						}
					}
				})
			}
			for i := 0; b.Loop(); i++ {
				at := s.Append(b, aggregates.SKUPrefix+skuNames[i%len(skuNames)], till(b, s.History, skuNames[i%len(skuNames)], i))
				if err := s.Projection.WaitFor(ctx, at); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			cancel()
			idle.Wait()
		})
	}
}

// BenchmarkFoldReserved is what folding one ReservationPlaced, pricing, publishing and writing come to, for SKUs at more and more locations and
// sold on more and more channels; the append before it, which costs the same for all, is in it.
func BenchmarkFoldReserved(b *testing.B) {
	for _, x := range []struct{ locations, channels, skus int }{{1, 1, 1}, {50, 1, 1}, {500, 1, 1}, {2000, 1, 1}, {5, 1, 1}, {5, 10, 1}, {5, 50, 1}, {5, 1, 1000}, {5, 50, 1000}} {
		b.Run(fmt.Sprintf("locations=%d/channels=%d/skus=%d", x.locations, x.channels, x.skus), func(b *testing.B) {
			s := measured(b)
			stores := make([]string, x.locations)
			facts := make([]aggregates.Event, x.locations)
			for i := range stores {
				stores[i] = fmt.Sprintf("store-%04d", i)
				facts[i] = received(stores[i], 1_000_000_000)
				s.Location(b, stores[i])
			}
			for i := range x.channels {
				s.Channel(b, fmt.Sprint("channel-", i), 1, stores...)
			}
			for i := range x.skus {
				s.SKU(b, fmt.Sprint("shoe-", i), facts...)
			}
			s.run()
			s.seen()
			ends := s.Now.CeilSecond() + 3600*aggregates.Second
			begun := cpuTime()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := s.SKU(b, fmt.Sprint("shoe-", i%x.skus), &stock.ReservationPlaced{ReservationID: "r", Quantity: 1, Splits: []stock.Split{{Location: stores[0], Quantity: 1}},
					ExpiresAt: ends + aggregates.Instant(i/1000)*aggregates.Second})
				if err := s.Projection.WaitFor(context.Background(), at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-begun).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
