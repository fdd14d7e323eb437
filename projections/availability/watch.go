package availability

import (
	"context"
	"fmt"
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
