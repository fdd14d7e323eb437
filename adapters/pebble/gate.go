package pebble

import (
	"fmt"
	"sync"

	"github.com/stockfold/stockfold/services/commands"
)

var errClosed = fmt.Errorf("%w: the event store is closed", commands.ErrUnavailable)

// gate counts the calls under way, so that Close can wait for them.
type gate struct {
	mu      sync.Mutex
	calls   sync.WaitGroup
	closing chan struct{} // closed once no more calls are let in
	closed  bool
}

// enter lets a call in; leave must follow.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	g.calls.Add(1)
	return nil
}

func (g *gate) leave() { g.calls.Done() }

// close lets no more calls in. It is false when that was so already.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	close(g.closing)
	return true
}
