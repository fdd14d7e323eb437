package eventstoredb

import (
	"context"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// queue holds what a subscription has received and not handed out: at most queueEvents events and, beyond the first,
// queueBytes of their data.
type queue struct {
	mu      sync.Mutex
	records []aggregates.Record
	bytes   int
	through esdb.Position // everything up to here was pushed
	moved   bool          // since the last take
	pushed  time.Time     // the last record
	ready   chan struct{} // has a token when there is something to take
	room    chan struct{} // and when there is room again
}

func newQueue(after uint64) *queue {
	return &queue{through: esdb.Position{Commit: after, Prepare: after}, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// push adds a record, and moves on to its position. It waits for room, or for ctx's end.
func (q *queue) push(ctx context.Context, r aggregates.Record, at esdb.Position) error {
	for {
		if q.tryPush(r, at) {
			return nil
		}
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *queue) tryPush(r aggregates.Record, at esdb.Position) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.records) == queueEvents || len(q.records) > 0 && q.bytes+len(r.Data) > queueBytes {
		return false
	}
	q.records = append(q.records, r)
	q.bytes += len(r.Data)
	q.pushed = time.Now()
	q.move(at)
	return true
}

// fed tells whether a record came within a while.
func (q *queue) fed(within time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Since(q.pushed) < within
}

// pass moves on to a position without an event.
func (q *queue) pass(at esdb.Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if at.Commit > q.through.Commit {
		q.move(at)
	}
}

// passFrom moves on to a position when nothing was pushed since another.
func (q *queue) passFrom(before, at esdb.Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.through == before && at.Commit > before.Commit {
		q.move(at)
	}
}

func (q *queue) move(at esdb.Position) {
	q.through, q.moved = at, true
	signal(q.ready)
}

// at is the position up to which everything was pushed.
func (q *queue) at() esdb.Position {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.through
}

// take gives everything that waits; ok is false when there is nothing.
func (q *queue) take() (b projections.Batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.moved {
		return b, false
	}
	b = projections.Batch{Records: q.records, Through: q.through.Commit}
	q.records, q.bytes, q.moved = nil, 0, false
	signal(q.room)
	return b, true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
