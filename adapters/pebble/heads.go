package pebble

import (
	"encoding/binary"
	"errors"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// head is what is known of a stream: how many events it has, those on their way included, and the last group that added to it.
type head struct {
	next  uint64
	group uint64
}

// heads keeps the heads of the streams written or read last, at most maxHeads of them. Those not asked for during a whole
// generation go first. The committer alone changes them; whoever reads a stream to its end may add what it found, and need not
// read one that has no more than it knows.
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

// A store that closes keeps its heads for the next start, which would look for the end of every stream otherwise. They are
// true of the events up to a position, and believed only when those are all there are.

var headsKey = append([]byte{spaceMeta}, "heads"...)

// save keeps the heads of a store that ends at a position, up to maxSavedHeads bytes of them.
func (h *heads) save(db *pebbledb.DB, end uint64) error {
	b := binary.AppendUvarint(make([]byte, 0, min(maxSavedHeads, 32*(len(h.young)+len(h.old)))), end)
	for _, part := range []map[string]head{h.young, h.old} { // of a stream in both, the first is true
		for stream, x := range part {
			if len(b)+len(stream)+2*binary.MaxVarintLen64 > maxSavedHeads {
				break
			}
			b = append(binary.AppendUvarint(b, uint64(len(stream))), stream...)
			b = binary.AppendUvarint(b, x.next)
		}
	}
	return db.Set(headsKey, b, pebbledb.NoSync)
}

// load takes what was kept when the store ended at this very position, else nothing.
func (h *heads) load(db *pebbledb.DB, end uint64) error {
	value, closer, err := db.Get(headsKey)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h.parse(string(value), end)
	return closer.Close()
}

func (h *heads) parse(b string, end uint64) {
	if at, rest, ok := cutUvarint(b); ok && at == end {
		b = rest
	} else {
		return
	}
	for {
		size, rest, ok := cutUvarint(b)
		if !ok || size > uint64(len(rest)) {
			return
		}
		stream := rest[:size]
		next, rest, ok := cutUvarint(rest[size:])
		if !ok {
			return
		}
		h.learn(h.generation, stream, next)
		b = rest
	}
}

func cutUvarint(b string) (x uint64, rest string, ok bool) {
	x, n := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
	if n <= 0 {
		return 0, "", false
	}
	return x, b[n:], true
}
