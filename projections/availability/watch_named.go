package availability

import (
	"context"
	"math/bits"
	"sync/atomic"
)

// namedSKUs is the source of a watcher of some SKUs: it remembers which of them changed.
type namedSKUs struct {
	*Watcher
	marks []atomic.Uint64 // a bit per SKU: changed since it was last taken
	queue []int           // taken, and not handed out yet
	next  uint64          // token once the queue is empty
	first bool            // the queue began with all SKUs: those that nobody knows are told of, too
}

func (n *namedSKUs) start(after uint64) {
	if after == FromNow {
		return
	}
	n.first = after == FromStart
	for i := range n.skus {
		n.mark(i)
	}
}

func (n *namedSKUs) mark(index int) {
	n.marks[index/64].Or(1 << (index % 64))
	n.wakeUp()
}

func (n *namedSKUs) ready() bool {
	for i := range n.marks {
		if n.marks[i].Load() != 0 {
			return true
		}
	}
	return false // a mark set from now on wakes the watcher
}

func (n *namedSKUs) take(ctx context.Context) ([]Availability, bool, error) {
	if len(n.queue) == 0 {
		n.collect()
	}
	n.changes = n.changes[:0]
	prices, done := n.hub.projection.prices(), 0
	for done < len(n.queue) && (done == 0 || len(n.changes)+len(prices.channels) <= maxChanges) {
		if err := n.add(ctx, prices, n.skus[n.queue[done]]); err != nil {
			return nil, false, err
		}
		done++
	}
	if n.queue = n.queue[done:]; len(n.queue) > 0 {
		return n.changes, false, nil
	}
	n.queue, n.first, n.token = nil, false, max(n.token, n.next)
	return n.changes, true, nil
}

// collect moves the marks to the queue. A value is marked before the token passes it.
func (n *namedSKUs) collect() {
	n.hub.mu.RLock()
	defer n.hub.mu.RUnlock()
	n.next = n.hub.tokenNow()
	for i := range n.marks {
		for word := n.marks[i].Swap(0); word != 0; word &= word - 1 {
			n.queue = append(n.queue, 64*i+bits.TrailingZeros64(word))
		}
	}
}

// add appends the values of one SKU that were not handed out yet.
func (n *namedSKUs) add(ctx context.Context, prices *pricing, sku string) error {
	d, err := n.hub.projection.document(ctx, sku)
	if err != nil {
		return err
	}
	for i := range prices.channels {
		if n.channel != "" && n.channel != prices.channels[i].id {
			continue
		}
		a, err := n.hub.projection.answer(ctx, prices, d, sku, i, nil)
		if err != nil {
			return err
		}
		if a.Position > n.token || n.first && !a.Known {
			n.changes = append(n.changes, a)
		}
	}
	return nil
}
