package commands_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

type count struct{}

func (count) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := stock.Move(s, stock.Movement{Kind: stock.KindCounted, Location: "berlin", Quantity: 1 << 40}, m, now)
	return events, err
}

type reserve struct {
	id     string
	policy *stock.Policy
}

func (r *reserve) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := stock.Reserve(s, stock.ReserveRequest{ReservationID: r.id, Quantity: 1}, m, r.policy, now)
	return events, err
}

// BenchmarkReserve is a durable reservation, fsync and all, by in-flight callers over a number of SKUs.
func BenchmarkReserve(b *testing.B) {
	for _, c := range []struct{ skus, callers int }{{1, 64}, {1, 1024}, {1000, 64}, {1000, 1024}} {
		b.Run(fmt.Sprintf("skus=%d/callers=%d", c.skus, c.callers), func(b *testing.B) {
			s, err := pebble.Open(b.TempDir(), pebble.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			x := commands.NewStreams(s, commands.SKUs(), commands.Options{Exclusive: true})
			defer x.Close(b.Context())
			policy := stock.NewPolicy("web", []string{"berlin"}, 0, 900)
			for i := range c.skus {
				if _, err := x.Do(b.Context(), fmt.Sprint(i), key("count"), count{}); err != nil {
					b.Fatal(err)
				}
			}
			var n atomic.Int64
			b.SetParallelism(c.callers / 2)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					id := fmt.Sprintf("cart-%d", i)
					m := aggregates.Metadata{IdempotencyKey: "reserve:" + id, Fingerprint: uint64(i)}
					if _, err := x.Do(b.Context(), fmt.Sprint(i%int64(c.skus)), m, &reserve{id: id, policy: policy}); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
		})
	}
}
