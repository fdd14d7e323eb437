package pebble

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// States of a request. A caller whose context ends may drop it as long as the committer has not taken it.
const (
	waiting int32 = iota
	taken
	dropped
)

// request is one write on its way through the committer: an append, or something else to put into a batch.
type request struct {
	// an append
	stream  string
	next    uint64
	prefix  []byte              // of the stream's index keys
	frames  []byte              // the events as stored, one after the other
	records []aggregates.Record // the same events as they are handed out; the committer fills in the positions

	// anything else
	put  func(*pebbledb.Batch) error
	size int
	lazy bool // may be lost in a crash

	state atomic.Int32
	done  chan struct{} // receives once the outcome is set
	// outcome
	position uint64
	err      error
	appended bool
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

func newRequest() *request { return requests.Get().(*request) }

// outcome takes the outcome of an answered request, which is not to be used after that. Its records live on in the
// tail.
func (r *request) outcome() (uint64, error) {
	position, err := r.position, r.err
	*r = request{done: r.done}
	requests.Put(r)
	return position, err
}

// submit queues a request and waits for its outcome. An append that was taken when ctx ends has an unknown outcome;
// anything else is waited for, since its bytes are the caller's.
func (s *Store) submit(ctx context.Context, r *request) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.failure.down:
		return 0, s.failure.get()
	}
	select {
	case <-r.done:
		return r.outcome()
	case <-s.failure.down:
		return s.abandon(r)
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, dropped) {
		return 0, ctx.Err()
	}
	if r.put == nil {
		return 0, fmt.Errorf("%w: %w", commands.ErrUnknownOutcome, ctx.Err())
	}
	select {
	case <-r.done:
		return r.outcome()
	case <-s.failure.down:
		return s.abandon(r)
	}
}

// abandon gives up a request after the store failed.
func (s *Store) abandon(r *request) (uint64, error) {
	select {
	case <-r.done:
		return r.outcome()
	default:
	}
	if r.state.CompareAndSwap(waiting, dropped) {
		return 0, s.failure.get()
	}
	return 0, s.failure.unknown()
}
