package replicas

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
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
// repeated because others kept changing the SKU; with confirm each is confirmed as well, through the replica after that
// which placed it.
func (x *run) hot(ctx context.Context, how string, confirm bool) {
	var one, all []float64
	var contended [2]int64
	for turn := range hotTurns {
		for i, list := range [][]*replica{x.cluster.replicas[:1], x.cluster.replicas} {
			sku := fmt.Sprintf("hot-%d-%d-%v", turn, i, confirm)
			x.open(ctx, sku, 1_000_000, 0)
			rate, again := x.rate(ctx, sku, list, confirm)
			contended[i] += again
			if i == 0 {
				one = append(one, rate)
			} else {
				all = append(all, rate)
			}
		}
	}
	single, spread := median(one), median(all)
	if confirm {
		how += ", each confirmed"
	}
	x.t.Logf("a hot SKU, %s: %.0f reservations/s through one replica, %.0f spread over %d (%.2f); calls repeated for contention: %d, %d of %d", how, single, spread,
		len(x.cluster.replicas), spread/single, contended[0], contended[1], hotTurns*hotReservations)
}

// rate reserves one unit again and again through some replicas.
func (x *run) rate(ctx context.Context, sku string, list []*replica, confirm bool) (perSecond float64, repeated int64) {
	var customers sync.WaitGroup
	var next, calls atomic.Int64
	began := time.Now()
	for n := range hotCustomers {
		mine, after := list[n%len(list):][:1], list[(n+1)%len(list):][:1]
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
				if !confirm {
					continue
				}
				if _, err := anywhere(ctx, after, func(ctx context.Context, r *replica) error {
					_, err := r.reservations.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: c.id})
					return err
				}); err != nil {
					x.t.Errorf("%s is not confirmed: %v", c.id, err)
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

// It measures, and holds only that every call is answered in the end, and that calls are handed on where they should be.
func TestHotSKU(t *testing.T) {
	for name, how := range map[string]routes{"each replica decides": alone, "handed to one": inTheClear, "handed to one by mutual TLS": byTLS} {
		t.Run(name, func(t *testing.T) {
			x := three(t, how)
			x.hot(t.Context(), name, false)
			x.hot(t.Context(), name, true)
			for _, r := range x.cluster.replicas {
				if handed := strings.Contains(r.scraped(t), "stockfold_peer_calls_total{decided=\"there\"} 0\n"); handed != (how == alone) {
					t.Errorf("%s: %s hands calls on: %v", name, r.name, !handed)
				}
			}
		})
	}
}

// scraped is what a replica says of itself to Prometheus.
func (r *replica) scraped(t *testing.T) string {
	t.Helper()
	answer, err := http.Get("http://" + r.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
