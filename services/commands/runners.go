package commands

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// maxResident is how many goroutines that run mailboxes are kept for the next ones. A new goroutine would have to grow its stack first, each time, through the same deep calls.
const maxResident = 512

// runners run mailboxes, on goroutines that stay where that is possible.
type runners struct {
	patience patience // for appends
	loading  patience // for folding cold states
	jobs     chan func()
	stop     chan struct{}
	resident atomic.Int64
	all      sync.WaitGroup
}

func (r *runners) init() {
	r.jobs, r.stop = make(chan func()), make(chan struct{})
	r.patience.least, r.loading.least = appendTimeout, loadTimeout
}

// start runs a mailbox until nothing waits in it: at once, and never blocks.
func (r *runners) start(do func()) {
	select {
	case r.jobs <- do:
		return
	default:
	}
	if r.resident.Add(1) > maxResident {
		r.resident.Add(-1)
		go do()
		return
	}
	r.all.Go(func() {
		for {
			do()
			select {
			case do = <-r.jobs:
			case <-r.stop:
				return
			}
		}
	})
}

// close ends the goroutines that stayed. No job may be running or start any more.
func (r *runners) close() {
	close(r.stop)
	r.all.Wait()
	r.patience.end()
	r.loading.end()
}

// patience bounds how long mailboxes wait for the store: one context serves many appends, since a timer for each would
// cost more than deciding. It is safe for concurrent use.
type patience struct {
	least time.Duration
	term  atomic.Pointer[term]
}

// term is a context that ends by itself, for those who have it, and early when the mailboxes are closed.
type term struct {
	ctx    context.Context
	cancel context.CancelFunc
	until  time.Time
}

// begin returns a context that ends between the least time and twice as long from now.
func (p *patience) begin() context.Context {
	for {
		old := p.term.Load()
		if old != nil && time.Until(old.until) >= p.least {
			return old.ctx
		}
		t := &term{until: time.Now().Add(2 * p.least)}
		t.ctx, t.cancel = context.WithDeadline(context.Background(), t.until)
		if p.term.CompareAndSwap(old, t) {
			return t.ctx
		}
		t.cancel() // another one began meanwhile
	}
}

func (p *patience) end() {
	if t := p.term.Load(); t != nil {
		t.cancel()
	}
}
