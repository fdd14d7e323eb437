package availability

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Watch follows the changes of some SKUs, at most MaxWatchedSKUs, or of all when none are named, on one channel, or on
// every channel when it is "". after is FromStart, FromNow, or a position that an earlier watch of the same handed
// out. Close the watcher. It returns ErrUnknownChannel, and ErrTooManyWatchers at the bound.
func (p *Projection) Watch(_ context.Context, channel string, skus []string, after uint64) (*Watcher, error) {
	if _, ok := p.prices().find(channel); !ok && channel != "" {
		return nil, fmt.Errorf("%w: %q", ErrUnknownChannel, channel)
	}
	if len(skus) > MaxWatchedSKUs {
		return nil, fmt.Errorf("watch %d SKUs: at most %d can be named, or none for all", len(skus), MaxWatchedSKUs)
	}
	skus = slices.Clone(skus)
	slices.Sort(skus)
	w := &Watcher{hub: p.hub, channel: channel, skus: slices.Compact(skus), wake: make(chan struct{}, 1)}
	if len(w.skus) > 0 {
		w.source = &namedSKUs{Watcher: w, marks: make([]atomic.Uint64, (len(w.skus)+63)/64)}
	} else {
		w.source = &allSKUs{Watcher: w}
	}
	if err := p.hub.enter(w, after); err != nil {
		return nil, err
	}
	return w, nil
}

// Watcher hands out changed values, the last value of each SKU and channel at least. One goroutine at a time may use
// it.
type Watcher struct {
	hub     *hub
	number  uint64 // in order of entering
	channel string
	skus    []string // sorted, no repeats; none for all
	source  source
	wake    chan struct{}
	token   uint64 // every value up to here was handed out
	told    bool   // that all values current at the start were handed out
	changes []Availability
	closed  sync.Once
}

// source finds what to hand out. Both are called by the watcher's user, but start and mark with the hub locked.
type source interface {
	start(after uint64)
	mark(index int)
	// take returns changes; none when there is nothing to hand out now. caughtUp is false while there is more of what
	// was there before.
	take(ctx context.Context) (changes []Availability, caughtUp bool, err error)
	// ready tells whether take may have something; if not, the watcher will be woken.
	ready() bool
}

// Next waits for changes and returns at most 1,000 of them, or none for a heartbeat that only moves the position on.
// To resume after them, pass position to Watch. caughtUp is true once all values current at the start were
// handed out. The slice is valid until the next call.
func (w *Watcher) Next(ctx context.Context) (changes []Availability, position uint64, caughtUp bool, err error) {
	beat := time.NewTimer(w.hub.heartbeat)
	defer beat.Stop()
	for {
		changes, caughtUp, err = w.source.take(ctx)
		if err != nil {
			return nil, w.token, w.told, err
		}
		news := caughtUp && !w.told
		w.told = w.told || caughtUp
		if len(changes) > 0 || news {
			return changes, w.token, w.told, nil
		}
		if w.source.ready() {
			continue
		}
		w.changes = nil
		select {
		case <-w.wake:
		case <-beat.C:
			changes, _, err = w.source.take(ctx)
			return changes, w.token, w.told, err
		case <-ctx.Done():
			return nil, w.token, w.told, context.Cause(ctx)
		}
	}
}

// Close ends the watch. It may be called more than once; it does not wake Next, the end of Next's context does.
func (w *Watcher) Close() { w.closed.Do(func() { w.hub.leave(w) }) }

func (w *Watcher) start(after uint64) {
	if w.token = after; after == FromNow {
		w.token = w.hub.token
	}
	w.source.start(after)
}

func (w *Watcher) mark(index int) { w.source.mark(index) }

func (w *Watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

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
		if a := prices.availability(d, sku, i); a.Position > n.token || n.first && !a.Known {
			n.changes = append(n.changes, a)
		}
	}
	return nil
}

// allSKUs is the source of a watcher of all SKUs: it reads the logs of changes, after the documents when the logs do not
// reach back far enough.
type allSKUs struct {
	*Watcher
	base     uint64            // place in the logs that it began at
	cursors  map[string]uint64 // by channel, where it is not at base any more
	seen     uint64            // the last change when it last read the logs
	restarts int               // of the hub; another number means that changes were missed
	scanning bool
	after    string // SKU that the scan has reached
	scanned  uint64 // token once the scan is done
}

func (s *allSKUs) start(after uint64) {
	s.restarts, s.cursors = s.hub.restarts, map[string]uint64{}
	switch {
	case after == FromNow:
		s.base = s.hub.seq
	case after >= s.hub.complete && s.hub.inForce():
		for channel, l := range s.hub.logs {
			s.cursors[channel] = l.dropped
		}
	default:
		s.scan()
	}
}

// scan starts to read all documents; what changes meanwhile is read from the logs after that.
func (s *allSKUs) scan() {
	s.restarts, s.base, s.scanned = s.hub.restarts, s.hub.seq, s.hub.token
	s.scanning, s.after = true, ""
	clear(s.cursors)
}

func (s *allSKUs) mark(int) {}

func (s *allSKUs) ready() bool { return s.scanning || !s.hub.await(s.Watcher, s.seen, s.restarts) }

func (s *allSKUs) take(ctx context.Context) ([]Availability, bool, error) {
	s.changes = s.changes[:0]
	for s.scanning && len(s.changes) == 0 {
		if err := s.scanOn(ctx); err != nil {
			return nil, false, err
		}
	}
	if len(s.changes) > 0 {
		return s.changes, false, nil
	}
	return s.changes, s.readLogs(), nil
}

// scanChunk is how many documents are scanned at once, at most.
const scanChunk = 250

func (s *allSKUs) scanOn(ctx context.Context) error {
	p := s.hub.projection
	fits := maxChanges / max(1, len(p.prices().channels))
	documents, err := p.Scan(ctx, s.after, max(1, min(scanChunk, fits)))
	if err != nil {
		return err
	}
	if len(documents) == 0 {
		s.scanning, s.token = false, max(s.token, s.scanned)
		return nil
	}
	for _, d := range documents {
		s.addDocument(d)
	}
	s.after = documents[len(documents)-1].SKU
	return nil
}

func (s *allSKUs) addDocument(d *Document) {
	for i := range d.prices.channels {
		if s.channel != "" && s.channel != d.prices.channels[i].id {
			continue
		}
		if a := d.prices.availability(d, d.SKU, i); a.Position > s.token {
			s.changes = append(s.changes, a)
		}
	}
}

// readLogs reads what changed since; false when that is not all in the logs any more, or more than fits.
func (s *allSKUs) readLogs() bool {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	if s.restarts != h.restarts || s.lost() {
		s.scan()
		return false
	}
	token, newer := h.tokenNow(), s.token
	for channel, l := range h.logs {
		if s.channel != "" && s.channel != channel {
			continue
		}
		var rest *change
		s.changes, s.cursors[channel], rest = l.read(s.cursor(channel), newer, s.changes)
		if rest != nil {
			token = min(token, rest.before)
		}
	}
	s.seen, s.token = h.seq, max(s.token, token)
	return len(s.changes) < maxChanges
}

func (s *allSKUs) cursor(channel string) uint64 {
	if c, ok := s.cursors[channel]; ok {
		return c
	}
	return s.base
}

// lost tells whether a log let go of changes that were not read.
func (s *allSKUs) lost() bool {
	for channel, l := range s.hub.logs {
		if (s.channel == "" || s.channel == channel) && s.cursor(channel) < l.dropped {
			return true
		}
	}
	return false
}
