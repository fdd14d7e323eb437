package orders_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/stock"
)

// replica is the service as another process has it, on the same store.
func (s *shop) replica() *orders.Service {
	opts := commands.Options{Now: s.at.Now}
	skus := commands.NewStreams(s.Store, commands.SKUs(), opts)
	streams := commands.NewStreams(s.Store, commands.Orders(), opts)
	s.t.Cleanup(func() {
		_ = streams.Close(context.Background())
		_ = skus.Close(context.Background())
	})
	return orders.New(orders.Config{Orders: streams, SKUs: skus, Recorder: stock.NewRecorder(skus, s.Policies, stock.Options{Now: s.at.Now}),
		Policies: s.Policies, Index: s.OrderIndex, Tokens: s.Tokens, Now: s.at.Now, Log: s.Log})
}

// Two replicas that reserve kits under the same ids at once, and release some of them, hold each component once for what is reserved, and never
// more than there is.
func TestReplicasReserveKitsUnderOneIDOnce(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Count("milk", 40)
	s.Count("tea", 15)
	s.Kit("breakfast", "milk", 2, "tea", 1)
	kit := domain.Kit{Components: []domain.Component{{SKU: "milk", Quantity: 2}, {SKU: "tea", Quantity: 1}}, Version: 1}
	replicas := [2]*orders.Service{s.replica(), s.replica()}
	const ids = 24
	var placed [ids][2]atomic.Bool
	var running sync.WaitGroup
	for i := range ids {
		for k, r := range replicas {
			running.Go(func() {
				id := fmt.Sprint("cart ", i)
				m := aggregates.Metadata{IdempotencyKey: "reserve", Fingerprint: 7}
				for { // as callers do that hear of contention
					_, _, err := r.ReserveKits(t.Context(), orders.KitRequest{ReservationID: id, SKU: "breakfast", Kit: kit, Channel: "web", Quantity: 1, HoldSeconds: 600}, m)
					if err != nil && stock.Temporary(err) {
						continue
					}
					placed[i][k].Store(err == nil)
					break
				}
				if i%3 == 0 && placed[i][k].Load() {
					m := aggregates.Metadata{IdempotencyKey: "release", Fingerprint: 8}
					for {
						if _, _, err := r.ReleaseKits(t.Context(), id, 0, "", m); err == nil || !stock.Temporary(err) {
							break
						}
					}
				}
			})
		}
	}
	running.Wait()
	s.sweep()
	var held int64
	for i := range ids {
		found, _, err := replicas[i%2].FindKits(t.Context(), fmt.Sprint("cart ", i))
		if err != nil {
			continue
		}
		if held += found.Remaining; !placed[i][0].Load() && !placed[i][1].Load() {
			t.Errorf("cart %d is %+v, but both were refused", i, found)
		}
	}
	milk, tea := s.stock("milk", "berlin"), s.stock("tea", "berlin")
	if milk.Reserved != 2*held || tea.Reserved != held || tea.Reserved > 15 || milk.Reserved > 40 {
		t.Errorf("%d kits are held, with %d milk and %d tea", held, milk.Reserved, tea.Reserved)
	}
}
