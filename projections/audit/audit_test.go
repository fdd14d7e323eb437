package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/proto/codec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is the projection over a real store and read model.
type scenario struct {
	*testing.T
	*viewtest.History
	model audit.ReadModel
	p     *audit.Projection
	stop  func()
}

func start(t *testing.T) *scenario {
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &scenario{T: t, History: viewtest.NewHistory(t), model: db.Audit()}
	s.restart()
	t.Cleanup(func() { s.stop() })
	return s
}

// restart ends the projection, and runs another one on the same store and model.
func (s *scenario) restart() {
	if s.stop != nil {
		s.stop()
	}
	s.p = audit.New(audit.Config{Store: s.Store, Model: s.model, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.p.Run(ctx) })
	s.stop = func() { cancel(); running.Wait() }
	s.current()
}

func (s *scenario) current() {
	if err := s.p.WaitForEnd(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// leaves computes the tree as its library does, from the records themselves.
func (s *scenario) leaves() (hashes []tlog.Hash, stored tlog.HashReader) {
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = all[x]
		}
		return out, nil
	})
	end, err := s.Store.End(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	sub, err := s.Store.Subscribe(s.Context(), 0, aggregates.Prefixes()...)
	if err != nil {
		s.Fatal(err)
	}
	defer sub.Close()
	for at := uint64(0); at < end; {
		b, err := sub.Next(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for i := range b.Records {
			leaf := codec.AppendLeaf(nil, &b.Records[i])
			more, err := tlog.StoredHashes(int64(len(hashes)), leaf, reader)
			if err != nil {
				s.Fatal(err)
			}
			all = append(all, more...)
			hashes = append(hashes, tlog.RecordHash(leaf))
		}
		at = b.Through
	}
	return hashes, reader
}

func (s *scenario) sell(n int) {
	for i := range n {
		s.SKU(s, fmt.Sprint(i%7), &stock.StockSold{Location: "x", Quantity: int64(i + 1)})
	}
}

// Whatever it stands on, the projection comes to the tree that the library computes, and proves every event of it.
func TestTheTreeIsThatOfTheLibrary(t *testing.T) {
	s := start(t)
	random := rand.New(rand.NewPCG(1, 1))
	for _, more := range []int{1, 2, 253, 1, 300, 500} {
		s.sell(more)
		s.Add(t, "other-stream", &stock.StockSold{Location: "x", Quantity: 1}) // is no part of it
		if more != 1 {
			s.restart()
		}
		s.current()
		hashes, stored := s.leaves()
		head := s.p.Head()
		if want, _ := tlog.TreeHash(int64(len(hashes)), stored); head.Root != want || head.Size != int64(len(hashes)) {
			t.Fatalf("head %+v, want %d, %v", head, len(hashes), want)
		}
		for range 20 {
			size := 1 + random.Int64N(head.Size)
			index := random.Int64N(size)
			root, err := s.p.Root(t.Context(), size)
			if err != nil {
				t.Fatal(err)
			}
			path, err := s.p.ProveRecord(t.Context(), size, index)
			if err != nil || tlog.CheckRecord(path, size, root, index, hashes[index]) != nil {
				t.Fatalf("event %d in %d: %v", index, size, err)
			}
			consistent, err := s.p.ProveTree(t.Context(), head.Size, size)
			if err != nil || tlog.CheckTree(consistent, head.Size, head.Root, size, root) != nil {
				t.Fatalf("%d in %d: %v", size, head.Size, err)
			}
		}
	}
	if _, err := s.p.ProveRecord(t.Context(), 1<<40, 0); err == nil {
		t.Error("a tree was proved that is not there")
	}
}

func TestLeavesAreFoundByPosition(t *testing.T) {
	s := start(t)
	s.sell(3)
	other := s.Add(t, "other-stream", &stock.StockSold{Location: "x", Quantity: 1})
	s.sell(3)
	s.current()
	for position, want := range map[uint64]int64{0: 0, 1: 0, 3: 2, other: 3, other + 1: 3, other + 3: 5, other + 4: 6} {
		if got, err := s.p.Index(t.Context(), position); err != nil || got != want {
			t.Errorf("position %d: leaf %d, %v; want %d", position, got, err, want)
		}
	}
}

func TestEventsAreFoundByTheirIDs(t *testing.T) {
	s := start(t)
	s.sell(5)
	sold := s.SKU(t, "milk", &stock.StockSold{Location: "x", Quantity: 1, ReservationID: "cart-1"})
	s.sell(5)
	released := s.SKU(t, "milk", &stock.ReservationReleased{ReservationID: "cart-1"})
	barred := s.Add(t, "order-o-1", &stock.ReservationBarred{ReservationID: "cart-1", OrderID: "o-1"})
	for range 2 { // also after a restart
		s.current()
		for id, want := range map[string][]uint64{"cart-1": {sold, released, barred}, "o-1": {barred}, "cart-2": nil} {
			if got, err := s.p.Find(t.Context(), id, 0, 10); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s is at %v, %v; want %v", id, got, err, want)
			}
		}
		if got, _ := s.p.Find(t.Context(), "cart-1", sold, 1); !slices.Equal(got, []uint64{released}) {
			t.Errorf("the next one is at %v", got)
		}
		s.restart()
	}
	event := aggregates.NewEventID("order-o-1", "test", 0, nil).String()
	if got, _ := s.p.Find(t.Context(), event, 0, 10); !slices.Equal(got, []uint64{barred}) {
		t.Errorf("event %s is at %v", event, got)
	}
	if all, _ := s.p.Find(t.Context(), "c", 0, 100); len(all) != 13 { // the correlation of all
		t.Errorf("found %d events", len(all))
	}
}
