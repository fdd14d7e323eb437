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
	model    audit.ReadModel
	interval int
	p        *audit.Projection
	stop     func()
}

// everywhere runs a test with everything in segments at once, with some of it, and with all of it in memory.
func everywhere(t *testing.T, test func(*scenario)) {
	for _, interval := range []int{1, 100, audit.Interval} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) { test(start(t, interval)) })
	}
}

func start(t *testing.T, interval int) *scenario {
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &scenario{T: t, History: viewtest.NewHistory(t), model: db.Audit(), interval: interval}
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
func TestTheTreeIsThatOfTheLibrary(t *testing.T) { everywhere(t, theTreeIsThatOfTheLibrary) }

func theTreeIsThatOfTheLibrary(s *scenario) {
	t := s.T
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

func TestLeavesAreFoundByPosition(t *testing.T) { everywhere(t, leavesAreFoundByPosition) }

func leavesAreFoundByPosition(s *scenario) {
	t := s.T
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

func TestEventsAreFoundByTheirIDs(t *testing.T) { everywhere(t, eventsAreFoundByTheirIDs) }

func eventsAreFoundByTheirIDs(s *scenario) {
	t := s.T
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

// More events of one correlation than a run holds, in several segments, with others before and after them in the order of ids.
func TestAnIDOfManyEventsIsFoundInAllRuns(t *testing.T) {
	everywhere(t, func(s *scenario) {
		var want []uint64
		for range 3 {
			for i := range 700 {
				want = append(want, s.SKU(s, fmt.Sprint(i%7), &stock.StockSold{Location: "x", Quantity: 1, ReservationID: fmt.Sprint("cart-", i)}))
			}
			s.current()
		}
		for _, limit := range []int{1, 511, 512, 513, len(want), len(want) + 1} {
			if got, err := s.p.Find(s.Context(), "c", 0, limit); err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
				s.Fatalf("%d asked for: %d found, %v", limit, len(got), err)
			}
		}
		for i := 0; i < len(want); i += 97 {
			if got, err := s.p.Find(s.Context(), "c", want[i], 2); err != nil || !slices.Equal(got, want[i+1:min(i+3, len(want))]) {
				s.Fatalf("after %d: %v, %v", want[i], got, err)
			}
		}
	})
}

// Who adds, and who asks while segments are written: nothing is found twice, and nothing that was readable is missed.
func TestNothingIsMissedWhileSegmentsAreWritten(t *testing.T) {
	s := start(t, 16)
	var asking sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for {
				before := s.p.Head()
				got, err := s.p.Find(s.Context(), "c", 0, 1_000_000)
				if err != nil || int64(len(got)) < before.Size || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
					s.Errorf("of %d events %d are found, %v", before.Size, len(got), err)
					return
				}
				if root, err := s.p.Root(s.Context(), max(before.Size, 1)); before.Size > 0 && (err != nil || root != before.Root) {
					s.Errorf("the root of %d is %v, %v; was %v", before.Size, root, err, before.Root)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 30 {
		s.sell(50)
		s.current()
	}
	close(done)
	asking.Wait()
}

// After an orderly stop all leaves are remembered.
func TestTheReadModelIsAWitnessOfAllLeaves(t *testing.T) {
	everywhere(t, func(s *scenario) {
		s.sell(700)
		s.current()
		s.stop()
		s.stop = func() {}
		hashes, _ := s.leaves()
		witness := audit.Witness(s.Context(), s.model)
		for i, want := range hashes {
			if h, ok := witness(int64(i)); !ok || h != want {
				s.Fatalf("leaf %d is %v, %v", i, h, ok)
			}
		}
		if _, ok := witness(int64(len(hashes))); ok {
			s.Error("a leaf is remembered that never was")
		}
	})
}
