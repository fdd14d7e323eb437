package pebble

import "sync"

// head is what is known of a stream: how many events it has, those on their way included, and the last group that added to it.
type head struct {
	next  uint64
	group uint64
}

// heads keeps the heads of the streams written or read last, at most maxHeads of them. Those not asked for during a whole
// generation go first. The committer alone asks for them and changes them; whoever reads a stream to its end may add what it found.
type heads struct {
	mu         sync.Mutex
	young, old map[string]head
	generation uint64
}

func (h *heads) get(stream string) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x, ok := h.young[stream]; ok {
		return x, true
	}
	x, ok := h.old[stream]
	if ok {
		h.set(stream, x)
	}
	return x, ok
}

func (h *heads) put(stream string, x head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set(stream, x)
}

func (h *heads) set(stream string, x head) {
	if h.young == nil {
		h.young = map[string]head{}
	}
	h.young[stream] = x
	if len(h.young) >= maxHeads/2 {
		h.young, h.old = make(map[string]head, maxHeads/2), h.young
		h.generation++
	}
}

// now is to be asked before a stream is read whose head is to be learned.
func (h *heads) now() (generation uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generation
}

// learn adds the head of a stream that was read in a generation, unless it may have been written since: then it is here, or
// was let go with a generation.
func (h *heads) learn(generation uint64, stream string, next uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.generation != generation {
		return
	}
	if _, ok := h.young[stream]; ok {
		return
	}
	if _, ok := h.old[stream]; !ok {
		h.set(stream, head{next: next})
	}
}
