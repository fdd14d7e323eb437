package reservations_test

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkGet(b *testing.B) {
	s := start(b)
	for i := range 1000 {
		s.SKU(b, fmt.Sprint("sku", i%10), placed(fmt.Sprint("r", i), 1, 0))
	}
	s.seen()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Get(context.Background(), "r7"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	const events = 100_000
	s := prepare(b)
	s.memTable, s.gather, s.workers = 0, 0, 0
	for i := range events / 2 {
		id := fmt.Sprint("r", i)
		s.SKU(b, fmt.Sprint("sku", i%1000), placed(id, 1, 0), released(id, 1, true))
	}
	b.ReportAllocs()
	for b.Loop() {
		s.run()
		s.seen()
		b.StopTimer()
		if err := s.db.Reservations().Reset(b.Context()); err != nil {
			b.Fatal(err)
		}
		s.stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
