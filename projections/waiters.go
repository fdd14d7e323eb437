package projections

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// waiters wakes those who wait for a position. Advancing costs only those whom it wakes.
type waiters struct {
	position atomic.Uint64
	next     atomic.Uint64 // lowest position waited for; MaxUint64 when nobody waits
	came     chan struct{} // holds something once somebody began to wait; for who gathers
	asked    chan struct{} // the same, for who hastens
	mu       sync.Mutex
	heap     waiterHeap
}

// maxWaiters bounds how many may wait at once.
const maxWaiters = 1 << 17

func newWaiters() *waiters {
	w := &waiters{came: make(chan struct{}, 1), asked: make(chan struct{}, 1)}
	w.next.Store(math.MaxUint64)
	return w
}

// set moves the position, and wakes those who waited for it.
func (w *waiters) set(position uint64) {
	w.position.Store(position)
	if position < w.next.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 && w.heap[0].position <= position {
		close(heap.Pop(&w.heap).(*waiter).done)
	}
	w.lower()
}

// wait blocks until the position is reached or ctx ends.
func (w *waiters) wait(ctx context.Context, position uint64) error {
	if w.position.Load() >= position {
		return nil
	}
	me, err := w.join(position)
	if me == nil {
		return err
	}
	select {
	case <-me.done:
		return nil
	case <-ctx.Done():
		w.leave(me)
		return fmt.Errorf("waiting for position %d, now at %d: %w", position, w.position.Load(), context.Cause(ctx))
	}
}

// join enters the heap, or returns nil when there is nothing to wait for. The lowest position waited for is
// announced before the position is read again, so that set either sees the waiter or was seen.
func (w *waiters) join(position uint64) (*waiter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heap) >= maxWaiters {
		return nil, fmt.Errorf("waiting for position %d: %w: %d callers wait already", position, ErrTooManyWaiters, maxWaiters)
	}
	me := &waiter{position: position, done: make(chan struct{})}
	heap.Push(&w.heap, me)
	w.lower()
	if w.position.Load() < position {
		signal(w.came)
		signal(w.asked)
		return me, nil
	}
	heap.Remove(&w.heap, me.index)
	w.lower()
	return nil, nil
}

// any tells whether somebody waits.
func (w *waiters) any() bool { return w.next.Load() != math.MaxUint64 }

func (w *waiters) leave(me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if me.index >= 0 {
		heap.Remove(&w.heap, me.index)
		w.lower()
	}
}

func (w *waiters) lower() {
	if len(w.heap) == 0 {
		w.next.Store(math.MaxUint64)
		return
	}
	w.next.Store(w.heap[0].position)
}

type waiter struct {
	position uint64
	index    int // in the heap; -1 once out of it
	done     chan struct{}
}

type waiterHeap []*waiter

func (h waiterHeap) Len() int           { return len(h) }
func (h waiterHeap) Less(i, j int) bool { return h[i].position < h[j].position }
func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *waiterHeap) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

func (h *waiterHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	w.index = -1
	return w
}
