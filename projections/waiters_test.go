package projections

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func TestWaitersAreWokenByTheirPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters()
		var mu sync.Mutex
		var all sync.WaitGroup
		woken := map[uint64]bool{}
		for i := range uint64(5000) {
			all.Go(func() {
				if err := w.wait(t.Context(), i); err != nil {
					t.Error(err)
				}
				mu.Lock()
				woken[i] = true
				mu.Unlock()
			})
		}
		for _, position := range []uint64{0, 1, 7, 2500, 4998, 4999} {
			w.set(position)
			synctest.Wait()
			if len(woken) != int(position)+1 || !woken[position] {
				t.Fatalf("at %d, %d are awake", position, len(woken))
			}
		}
		all.Wait()
	})
}

func TestWaiterLeavesWithItsContext(t *testing.T) {
	w := newWaiters()
	gone := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	err := w.wait(ctx, 10)
	if !errors.Is(err, gone) || !strings.Contains(err.Error(), "position 10") {
		t.Fatalf("got %v", err)
	}
	if len(w.heap) != 0 {
		t.Fatalf("%d waiters are left", len(w.heap))
	}
	w.set(10)
	if err := w.wait(ctx, 10); err != nil {
		t.Fatalf("what is reached needs no waiting: %v", err)
	}
}

func TestWaitersAreBounded(t *testing.T) {
	w := newWaiters()
	w.heap = make(waiterHeap, maxWaiters)
	if err := w.wait(t.Context(), 1); !errors.Is(err, ErrTooManyWaiters) {
		t.Fatalf("got %v", err)
	}
}

// Nobody sleeps through the position that he waits for, however calls interleave.
func TestWaitersMissNothing(t *testing.T) {
	w := newWaiters()
	const last = 20_000
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for i := uint64(0); i < last; i += 1 + random.Uint64N(50) {
				if err := w.wait(t.Context(), i); err != nil {
					t.Error(err)
				}
				if at := w.position.Load(); at < i {
					t.Errorf("woken at %d for %d", at, i)
				}
			}
		})
	}
	for i := range uint64(last + 1) {
		w.set(i)
	}
	all.Wait()
}

// A waiter may join after set looked for waiters, and before it returns: it has to see the position itself.
func TestWaiterThatSetDidNotSeeDoesNotWait(t *testing.T) {
	w := newWaiters()
	w.position.Store(5) // as set does first
	if me, err := w.join(5); me != nil || err != nil {
		t.Fatalf("waits for a position that is reached: %+v, %v", me, err)
	}
	if me, err := w.join(6); me == nil || err != nil {
		t.Fatalf("does not wait: %v", err)
	}
	if next := w.next.Load(); len(w.heap) != 1 || next != 6 {
		t.Fatalf("%d wait, the first for %d", len(w.heap), next)
	}
}

func BenchmarkWaitersAdvanceWith10000Waiting(b *testing.B) {
	w := newWaiters()
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for i := range 10_000 {
		all.Go(func() { _ = w.wait(ctx, 1<<40+uint64(i)) })
	}
	b.ResetTimer()
	for i := range b.N {
		w.set(uint64(i))
	}
	b.StopTimer()
	cancel()
	all.Wait()
}
