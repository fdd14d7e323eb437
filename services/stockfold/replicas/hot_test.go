package replicas

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// How a hot SKU is measured: so many customers at once place so many reservations, in turn through one replica and spread
// over all.
const (
	hotCustomers    = 48
	hotReservations = 1_500
	hotTurns        = 3
)

// hot measures reservations a second on one SKU, through one replica and spread over all, and how often a call had to be
// repeated because others kept changing the SKU.
func (x *run) hot(ctx context.Context, how string) {
	var one, all []float64
	var contended [2]int64
	for turn := range hotTurns {
		for i, list := range [][]*replica{x.cluster.replicas[:1], x.cluster.replicas} {
			sku := fmt.Sprintf("hot-%d-%d", turn, i)
			x.open(ctx, sku, 1_000_000, 0)
			rate, again := x.rate(ctx, sku, list)
			contended[i] += again
			if i == 0 {
				one = append(one, rate)
			} else {
				all = append(all, rate)
			}
		}
	}
	single, spread := median(one), median(all)
	x.t.Logf("a hot SKU, %s: %.0f reservations/s through one replica, %.0f spread over %d (%.2f); calls repeated for contention: %d, %d of %d", how, single, spread,
		len(x.cluster.replicas), spread/single, contended[0], contended[1], hotTurns*hotReservations)
}

// rate reserves one unit again and again through some replicas.
func (x *run) rate(ctx context.Context, sku string, list []*replica) (perSecond float64, repeated int64) {
	var customers sync.WaitGroup
	var next, calls atomic.Int64
	began := time.Now()
	for n := range hotCustomers {
		mine := list[n%len(list):][:1]
		customers.Go(func() {
			for i := next.Add(1); i <= hotReservations; i = next.Add(1) {
				c := x.ledger.cart(cart{id: fmt.Sprintf("%s-%d", sku, i), sku: sku, quantity: 1})
				var err error
				c.placed, err = anywhere(ctx, mine, func(ctx context.Context, r *replica) error {
					calls.Add(1)
					_, err := r.reservations.Reserve(ctx, &pb.ReserveRequest{ReservationId: c.id, Sku: c.sku, Channel: web, Quantity: 1, HoldSeconds: longHold})
					return err
				})
				if c.placed != acknowledged {
					x.t.Errorf("%s: %v", c.id, err)
				}
			}
		})
	}
	customers.Wait()
	return hotReservations / time.Since(began).Seconds(), calls.Load() - hotReservations
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// It measures, and holds only that every call is answered in the end.
func TestHotSKU(t *testing.T) {
	for name, routed := range map[string]bool{"each replica decides": false, "handed to one": true} {
		t.Run(name, func(t *testing.T) { three(t, routed).hot(t.Context(), name) })
	}
}
