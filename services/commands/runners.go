package commands

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// maxResident is how many goroutines that run mailboxes are kept for the next ones. A new goroutine would have to grow
// its stack first, each time, through the same deep calls.
const maxResident = 64

// runners run mailboxes, on goroutines that stay where that is possible.
type runners struct {
	jobs     chan job
	stop     chan struct{}
	resident atomic.Int64
	all      sync.WaitGroup
}

// job runs a mailbox until nothing waits in it.
type job func(*patience)

func (r *runners) init() { r.jobs, r.stop = make(chan job), make(chan struct{}) }

// start runs a job: at once, and never blocks.
func (r *runners) start(do job) {
	select {
	case r.jobs <- do:
		return
	default:
	}
	if r.resident.Add(1) > maxResident {
		r.resident.Add(-1)
		go func() {
			var p patience
			defer p.end()
			do(&p)
		}()
		return
	}
	r.all.Go(func() {
		var p patience
		defer p.end()
		for {
			do(&p)
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
}

// patience bounds how long a goroutine waits for the store: one context serves many appends, since a timer for each would
// cost more than deciding.
type patience struct {
	ctx    context.Context
	cancel context.CancelFunc
	until  time.Time
}

// begin returns a context that ends between appendTimeout and twice as long from now.
func (p *patience) begin() context.Context {
	if time.Until(p.until) < appendTimeout {
		p.end()
		p.until = time.Now().Add(2 * appendTimeout)
		p.ctx, p.cancel = context.WithDeadline(context.Background(), p.until)
	}
	return p.ctx
}

func (p *patience) end() {
	if p.cancel != nil {
		p.cancel()
	}
}
