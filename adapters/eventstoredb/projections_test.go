package eventstoredb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/proto/codec"
)

// record appends a fact as the service would.
func (s *scene) record(stream string, next int, e aggregates.Event) uint64 {
	s.Helper()
	data, err := codec.Encode(nil, e, &aggregates.Metadata{OccurredAt: 1_767_268_800_000_000, RecordedAt: 1_767_268_800_000_000})
	if err != nil {
		s.Fatal(err)
	}
	got, err := s.store.Append(s.ctx, stream, uint64(next), []aggregates.NewEvent{{
		ID: aggregates.NewEventID(stream, fmt.Sprint(next), 0, nil), Type: e.EventType(), Data: data}})
	if err != nil {
		s.Fatal(err)
	}
	return got.Position
}

// The service's own read models follow over EventStoreDB, through broken connections and a restart of the server, and
// reach its end also when what was written last is not for them.
func TestReadModelsFollow(t *testing.T) {
	s := newScene(t)
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), StoreID: s.store.ID(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s.record("location-dc", 0, &location.Defined{Name: "DC", Kind: "warehouse", TimeZone: "UTC"})
	s.record("channel-web", 0, &channel.Defined{Name: "Web", Sourcing: []string{"dc"}})
	directory := policies.New(policies.Config{Store: s.store, Model: db.Policies(), Log: quiet()})
	view := availability.New(availability.Config{Store: s.store, Model: db.Availability(), Policies: directory, Log: quiet()})
	running, stop := context.WithCancel(s.ctx)
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{directory.Run, view.Run} {
		all.Go(func() {
			if err := run(running); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	defer all.Wait()
	defer stop()
	if err := directory.WaitForEnd(s.ctx); err != nil {
		t.Fatal(err)
	}
	last := s.record("sku-tea", 0, &stock.ItemRegistered{Name: "Tea", Unit: "piece"})
	for n := 1; n <= 30; n++ {
		switch n {
		case 10:
			s.proxy.cut()
		case 20:
			s.node.kill()
			s.node.start()
		}
		last = s.record("sku-tea", n, &stock.StockReceived{Location: "dc", Quantity: 2})
	}
	if err := view.WaitFor(s.ctx, last); err != nil {
		t.Fatal(err)
	}
	if got, err := view.Get(s.ctx, "tea", "web"); err != nil || got.ATS != 60 {
		t.Errorf("got %+v, %v, want 60 available to sell", got, err)
	}
	if err := s.store.SaveCheckpoint(s.ctx, "publisher", last); err != nil {
		t.Fatal(err)
	}
	if err := directory.WaitForEnd(s.ctx); err != nil {
		t.Error(err)
	}
}
