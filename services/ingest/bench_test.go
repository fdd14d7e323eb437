package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/services/ingest"
)

// BenchmarkIngest measures lines per second from the embedded broker to durable events: sales of eight lines over 20,000 SKUs,
// Zipf-distributed, or single movements.
func BenchmarkIngest(b *testing.B) {
	for _, lines := range []int{8, 1} {
		b.Run(fmt.Sprint("lines=", lines), func(b *testing.B) { benchmarkIngest(b, lines, 40_000) })
	}
}

func benchmarkIngest(b *testing.B, lines, total int) {
	for b.Loop() {
		b.StopTimer()
		addr := startBroker(b)
		w := newWorld(b)
		r := rand.New(rand.NewPCG(1, 1))
		zipf := rand.NewZipf(r, 1.1, 10, 20_000)
		var records []*kgo.Record
		for i := range total / lines {
			var m ingest.Message
			if lines == 1 {
				m = movement(fmt.Sprint(i), fmt.Sprint("sku", zipf.Uint64()), "berlin", 1, "sold")
			} else {
				var text []string
				for range lines {
					text = append(text, fmt.Sprintf(`sku%d "quantity":%d`, zipf.Uint64(), 1+r.IntN(3)))
				}
				m = sale(fmt.Sprint(i), text...)
			}
			record := &kgo.Record{Topic: ingest.TopicSales, Partition: int32(i % partitions), Value: m.Value}
			for _, h := range m.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			records = append(records, record)
		}
		if err := admin(b, addr).ProduceSync(b.Context(), records...).FirstErr(); err != nil {
			b.Fatal(err)
		}
		s := w.service(consumer(b, addr))
		b.StartTimer()
		start := time.Now()
		stop := run(b, s)
		until(b, "all to be taken in", func() bool { return s.Stats().Facts == uint64(total/lines*lines) })
		b.ReportMetric(float64(total)/time.Since(start).Seconds(), "lines/s")
		b.StopTimer()
		stop()
		w.close(b)
		b.StartTimer()
	}
}
