package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// allCalls makes every call that a store in working order would answer, and returns the errors by name.
func allCalls(ctx context.Context, s *Store) map[string]error {
	errs := map[string]error{}
	none := func(aggregates.Record) bool { return true }
	_, errs["append"] = s.Append(ctx, "sku-new", 0, facts("sku-new", 0, 1, 0))
	errs["read"] = s.ReadStream(ctx, "sku-before", 0, none)
	errs["read backwards"] = s.ReadStreamBackwards(ctx, "sku-before", math.MaxUint64, none)
	_, _, errs["load snapshot"] = s.LoadSnapshot(ctx, "sku-before", "v1")
	errs["save snapshot"] = s.SaveSnapshot(ctx, "sku-before", "v1", commands.Snapshot{})
	_, errs["subscribe"] = s.Subscribe(ctx, 0)
	_, errs["end"] = s.End(ctx)
	_, _, errs["load offset"] = s.LoadOffset(ctx, "t", 0)
	errs["save offset"] = s.SaveOffset(ctx, "t", 0, ingest.Progress{})
	_, _, errs["load checkpoint"] = s.LoadCheckpoint(ctx, "p")
	errs["save checkpoint"] = s.SaveCheckpoint(ctx, "p", 1)
	_, errs["put letter"] = s.DeadLetters().Put(ctx, ingest.DeadLetter{ID: "x", State: ingest.Open})
	_, errs["get letter"] = s.DeadLetters().Get(ctx, "x")
	_, _, errs["list letters"] = s.DeadLetters().List(ctx, ingest.Query{Limit: 1})
	_, errs["count letters"] = s.DeadLetters().CountOpen(ctx)
	errs["health"] = s.Health()
	return errs
}

func TestClosedStoreRefusesEverything(t *testing.T) {
	s, err := Open("events", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range allCalls(background, s) {
		if err != nil {
			t.Errorf("%s on an open store: %v", name, err)
		}
	}
	sub, err := s.Subscribe(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	refuses(t, s)
	if _, err := sub.Next(background); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("next: %v, want commands.ErrUnavailable", err)
	}
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	s.Stats()
}

func TestEndedContextEndsEveryCall(t *testing.T) {
	s := openOn(t, vfs.NewMem()) // closing it would hang if a call were not counted out
	ctx, cancel := context.WithCancel(background)
	cancel()
	for name, err := range allCalls(ctx, s) {
		if name != "health" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	if end, err := s.End(background); end != 0 || err != nil {
		t.Errorf("the store ends at %d, %v", end, err)
	}
}

func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	h := newHolder()
	disk := vfs.NewCrashableMem()
	s, err := Open("events", Options{FS: holding(disk, h), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	list := fill(t, s, h)
	for n := range 30 {
		stream := fmt.Sprintf("sku-%d", n)
		list = append(list, start(background, t, s, stream, 0, facts(stream, 0, 1, 0)))
	}
	queued(s, 30)
	next := waitingNext(t, s)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-next; !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("a waiting subscription ended with %v, want commands.ErrUnavailable", err)
	}
	if _, err := s.Append(background, "sku-late", 0, facts("sku-late", 0, 1, 0)); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("an append after close: %v, want commands.ErrUnavailable", err)
	}
	h.release()
	for _, p := range list {
		p.ok()
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	again := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
	if got := len(verify(t, again)); got != len(list) {
		t.Errorf("%d streams after reopening, want %d", got, len(list))
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseWakesWhoWaits: nothing is written that would wake them otherwise.
func TestCloseWakesWhoWaits(t *testing.T) {
	s, err := Open("events", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	next := waitingNext(t, s)
	for asleep := false; !asleep; runtime.Gosched() {
		s.tail.mu.Lock()
		asleep = s.tail.sleeper != nil
		s.tail.mu.Unlock()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-next; !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("next: %v, want commands.ErrUnavailable", err)
	}
}

func TestNoGoroutineOutlivesItsStore(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for n := range 3 {
		s, err := Open(t.TempDir(), Options{memTableBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			mustAppend(t, s, "sku-a", 100*i, 100)
		}
		ctx, cancel := context.WithCancel(background)
		ended := make(chan error)
		for range 5 {
			sub, err := s.Subscribe(background, 0)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					if _, err := sub.Next(ctx); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		if n%2 == 0 {
			cancel()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		for range 5 {
			<-ended
		}
	}
}

func TestWhatWasSavedLazilyIsThereAfterClose(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if err := firstError(s.SaveCheckpoint(background, "p", 7), s.SaveOffset(background, "t", 1, ingest.Progress{Next: 8})); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
	if got, ok, err := again.LoadCheckpoint(background, "p"); got != 7 || !ok || err != nil {
		t.Errorf("checkpoint is %d, %v, %v", got, ok, err)
	}
	if got, ok, err := again.LoadOffset(background, "t", 1); got.Next != 8 || !ok || err != nil {
		t.Errorf("offset is %+v, %v, %v", got, ok, err)
	}
}
