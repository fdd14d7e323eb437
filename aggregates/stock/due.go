package stock

import (
	"container/heap"

	"github.com/stockfold/stockfold/aggregates"
)

// dueHeap holds the live holds, the one that ends first on top. Each hold knows its place, so that any of them can
// be taken out or moved in O(log n).
type dueHeap []*kept

// before orders holds by their end, then as they were placed.
func (h dueHeap) before(i, j int) bool {
	a, b := h[i], h[j]
	if a.until != b.until {
		return a.until < b.until
	}
	return a.revision < b.revision
}

func (h *dueHeap) push(k *kept) {
	k.due = int32(len(*h))
	*h = append(tight(*h), k)
	h.up(int(k.due))
}

// remove takes a hold out; one that is not in is left alone.
func (h *dueHeap) remove(k *kept) {
	i, last := int(k.due), len(*h)-1
	if i > last || (*h)[i] != k {
		return
	}
	h.swap(i, last)
	(*h)[last] = nil
	*h = lessRoom((*h)[:last])
	if i < last {
		h.fix(i)
	}
}

// fix restores the order after the hold at i has another end.
func (h *dueHeap) fix(i int) {
	h.up(i)
	h.down(i)
}

func (h *dueHeap) up(i int) {
	for i > 0 && h.before(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h *dueHeap) down(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(*h); child++ {
			if h.before(child, first) {
				first = child
			}
		}
		if first == i {
			return
		}
		h.swap(i, first)
		i = first
	}
}

func (h dueHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].due, h[j].due = int32(i), int32(j)
}

// first returns the holds that have ended at an instant, the first to end first, at most so many. The heap stays as it
// is: its nodes are visited from the top, best first, so the cost goes with what is returned.
func (h dueHeap) first(now aggregates.Instant, most int) []*kept {
	var ended []*kept
	next := frontier{holds: h}
	next.reach(0)
	for len(next.nodes) > 0 && len(ended) < most {
		i := heap.Pop(&next).(int)
		if h[i].until > now {
			break
		}
		ended = append(ended, h[i])
		next.reach(2*i + 1)
		next.reach(2*i + 2)
	}
	return ended
}

// frontier is a heap of places in a dueHeap.
type frontier struct {
	holds dueHeap
	nodes []int
}

func (f *frontier) reach(i int) {
	if i < len(f.holds) {
		heap.Push(f, i)
	}
}

func (f *frontier) Len() int           { return len(f.nodes) }
func (f *frontier) Less(i, j int) bool { return f.holds.before(f.nodes[i], f.nodes[j]) }
func (f *frontier) Swap(i, j int)      { f.nodes[i], f.nodes[j] = f.nodes[j], f.nodes[i] }
func (f *frontier) Push(x any)         { f.nodes = append(f.nodes, x.(int)) }
func (f *frontier) Pop() any {
	last := len(f.nodes) - 1
	x := f.nodes[last]
	f.nodes = f.nodes[:last]
	return x
}
