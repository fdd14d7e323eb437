package pebble

// head is what the committer knows of a stream: how many events it has, those on their way included, and the last
// group that added to it.
type head struct {
	next  uint64
	group uint64
}

// heads keeps the heads of the streams written last, at most maxHeads of them. Those not asked for during a whole
// generation go first. It belongs to the committer.
type heads struct {
	young, old map[string]head
}

func newHeads() heads { return heads{young: map[string]head{}} }

func (h *heads) get(stream string) (head, bool) {
	if x, ok := h.young[stream]; ok {
		return x, true
	}
	x, ok := h.old[stream]
	if ok {
		h.put(stream, x)
	}
	return x, ok
}

func (h *heads) put(stream string, x head) {
	h.young[stream] = x
	if len(h.young) >= maxHeads/2 {
		h.young, h.old = make(map[string]head, maxHeads/2), h.young
	}
}
