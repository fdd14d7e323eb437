package commands

import (
	"sync"
	"sync/atomic"
)

// maxResident is how many goroutines that run mailboxes are kept for the next ones. A new goroutine would have to grow
// its stack first, each time, through the same deep calls.
const maxResident = 64

// runners run mailboxes, on goroutines that stay where that is possible.
type runners struct {
	jobs     chan func()
	stop     chan struct{}
	resident atomic.Int64
	all      sync.WaitGroup
}

func (r *runners) init() { r.jobs, r.stop = make(chan func()), make(chan struct{}) }

// start runs a job: at once, and never blocks.
func (r *runners) start(job func()) {
	select {
	case r.jobs <- job:
		return
	default:
	}
	if r.resident.Add(1) > maxResident {
		r.resident.Add(-1)
		go job()
		return
	}
	r.all.Go(func() {
		for {
			job()
			select {
			case job = <-r.jobs:
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
