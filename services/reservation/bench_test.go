package reservation_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/servicetest"
)

// BenchmarkReserve reserves over 1,000 SKUs, 64 calls at a time on each processor, without a transport.
func BenchmarkReserve(b *testing.B) {
	w := servicetest.Start(b, servicetest.Options{})
	w.Shop()
	for i := range 1000 {
		w.Count(strconv.Itoa(i), 1_000_000)
	}
	s := reservation.New(reservation.Config{SKUs: w.SKUs, Policies: w.Policies, Index: w.Reservations, Tokens: w.Tokens, Now: w.Now})
	var ids atomic.Int64
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id := ids.Add(1)
			_, err := s.Reserve(b.Context(), &pb.ReserveRequest{ReservationId: strconv.FormatInt(id, 10), Sku: strconv.FormatInt(id%1000, 10), Channel: "web", Quantity: 1})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
