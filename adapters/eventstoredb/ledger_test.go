package eventstoredb_test

import (
	"context"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
)

// The ledger follows EventStoreDB into a database of its own, and tells of any position of it.
func TestTheLedgerFollows(t *testing.T) {
	s := newScene(t)
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), StoreID: s.store.ID(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l := ledger.New(ledger.Config{Store: s.store, Model: db.Ledger(), Interval: 10, Log: quiet()})
	running, stop := context.WithCancel(s.ctx)
	var all sync.WaitGroup
	all.Go(func() {
		if err := l.Run(running); err != nil {
			t.Error(err)
		}
	})
	defer all.Wait()
	defer stop()
	var positions []uint64
	for n := range 30 {
		positions = append(positions, s.record("sku-tea", n, &stock.StockReceived{Location: "dc", Quantity: 2,
			Cost: &stock.Cost{Unit: 3, Currency: "EUR", Value: 6}}))
	}
	if err := l.WaitFor(s.ctx, positions[29]); err != nil {
		t.Fatal(err)
	}
	for n, position := range positions {
		for _, axis := range []ledger.Axis{ledger.Recorded, ledger.Occurred} {
			cut := ledger.Cut{Axis: axis, At: aggregates.Instant(1_767_268_800_000_000), Position: position}
			got, err := l.All(s.ctx, cut, valuation.FIFO)
			if err != nil || len(got.SKUs) != 1 || got.Events != uint64(n+1) || got.Position != position {
				t.Fatalf("at position %d: %+v, %v", position, got, err)
			}
			if p := got.SKUs[0].Places[0]; p.OnHand[stock.Sellable] != int64(2*n+2) || p.Value != int64(6*n+6) {
				t.Fatalf("at position %d: %+v", position, p)
			}
		}
	}
}
