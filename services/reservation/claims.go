package reservation

import (
	"fmt"
	"sync"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

const (
	// maxClaims bounds the ids that are remembered at once.
	maxClaims = 1 << 17
	// doubtKept is for how long an id is remembered whose placing may or may not have happened: longer than a command
	// waits and is appended.
	doubtKept = 2 * time.Minute
)

// claims remember which SKU an id was given to, from the call that places it until the index knows. So two calls
// that race for one id with different SKUs cannot both have it, and who calls by id right after finds the SKU.
type claims struct {
	now  func() aggregates.Instant
	seen func() uint64 // position up to which the index knows everything

	mu     sync.Mutex
	byID   map[string]*claim
	placed []settled // in order of settlement
	doubts []settled
}

// claim is on one id. It lives while calls are under way, and while it stands in one of the queues.
type claim struct {
	sku  string
	uses int
}

// settled is a claim's place in a queue: it ends when the index has reached a position, or at an instant.
type settled struct {
	id       string
	position uint64
	until    aggregates.Instant
}

var errUnindexed = fmt.Errorf("%w: more than %d reservations are being placed or not indexed yet", commands.ErrOverloaded, maxClaims)

// take claims an id for a SKU until settle. It returns *stock.KeyReusedError when another SKU has the id, or
// commands.ErrOverloaded.
func (c *claims) take(id, sku string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	if held := c.byID[id]; held != nil {
		if held.sku != sku {
			return &stock.KeyReusedError{Key: id}
		}
		held.uses++
		return nil
	}
	if len(c.byID) >= maxClaims {
		return errUnindexed
	}
	c.byID[id] = &claim{sku: sku, uses: 1}
	return nil
}

// room tells whether so many ids can be claimed that are not yet.
func (c *claims) room(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	return len(c.byID)+n <= maxClaims
}

// verdict is how the placing of a claimed id ended.
type verdict uint8

const (
	refused  verdict = iota // nothing was recorded
	recorded                // it is in the store, now or from before
	doubtful                // the caller left, or the store did not say
)

// settle ends a call that took an id.
func (c *claims) settle(id string, v verdict, position uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch v {
	case recorded:
		c.placed = append(c.placed, settled{id: id, position: position})
	case doubtful:
		c.doubts = append(c.doubts, settled{id: id, until: c.now().Add(doubtKept)})
	default:
		c.drop(id)
	}
}

// sku returns the SKU that an id is claimed for.
func (c *claims) sku(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	if held := c.byID[id]; held != nil {
		return held.sku, true
	}
	return "", false
}

// sweep ends the claims that the index knows of, and doubts that are over. The queues are in order, about.
func (c *claims) sweep() {
	if len(c.placed) > 0 {
		seen := c.seen()
		c.placed = c.end(c.placed, func(s *settled) bool { return s.position <= seen })
	}
	if len(c.doubts) > 0 {
		now := c.now()
		c.doubts = c.end(c.doubts, func(s *settled) bool { return s.until <= now })
	}
}

// end drops the claims at the head of a queue that are over, and returns the rest.
func (c *claims) end(queue []settled, over func(*settled) bool) []settled {
	n := 0
	for n < len(queue) && over(&queue[n]) {
		c.drop(queue[n].id)
		n++
	}
	if n == len(queue) {
		clear(queue)
		return queue[:0]
	}
	return queue[n:]
}

func (c *claims) drop(id string) {
	held := c.byID[id]
	if held.uses--; held.uses == 0 {
		delete(c.byID, id)
	}
}
