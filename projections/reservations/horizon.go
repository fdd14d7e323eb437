package reservations

import (
	"sync"

	"github.com/stockfold/stockfold/aggregates"
)

// horizon is an instant before which no live hold ends, so that a search for due holds need not begin at the first that
// ever was. It is raised by a search, unless a hold was published while that went on: it may have missed it.
type horizon struct {
	mu        sync.Mutex
	at        aggregates.Instant
	published uint64 // holds
}

// now returns the horizon, and what raise needs to know.
func (h *horizon) now() (at aggregates.Instant, published uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at, h.published
}

// lower notes that a hold was published which ends at an instant.
func (h *horizon) lower(at aggregates.Instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = min(h.at, at)
	h.published++
}

// raise notes that a search found the first end to be at an instant.
func (h *horizon) raise(at aggregates.Instant, published uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.published == published {
		h.at = at
	}
}

// reset forgets what was known.
func (h *horizon) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = 0
	h.published++
}
