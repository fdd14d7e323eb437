package pebble

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// group is what goes to the log in one batch.
type group struct {
	number   uint64
	batch    *pebbledb.Batch
	requests []*request // to be answered once the batch, and all before it, are durable
	events   int
	bytes    int
	sync     bool   // the log must be synced for it
	end      uint64 // position of the last event up to and including this group
	closed   bool   // takes no more requests
}

func (g *group) full() bool {
	return g.closed || g.events >= maxGroupEvents || g.bytes >= maxGroupBytes || len(g.requests) >= maxWaiting
}

func (g *group) reset() {
	clear(g.requests)
	*g = group{requests: g.requests[:0]}
}

// committer orders all writes. Everything here belongs to its one goroutine.
type committer struct {
	*Store
	last    uint64   // position of the last event given to Pebble
	groups  uint64   // number of the group being gathered
	carried *request // for the next group
}

// run gathers groups until the queue is closed.
func (c *committer) run() {
	finished := false
	defer func() {
		if p := recover(); !finished {
			c.failure.set(fmt.Errorf("commit: %v", p))
			c.log.Error("committer ended", "panic", p, "stack", string(debug.Stack()))
		}
		close(c.applied)
	}()
	for {
		g := c.freeGroup()
		if g == nil {
			break
		}
		if !c.gather(g) {
			break
		}
		c.apply(g)
		c.applied <- g
	}
	finished = true
}

// freeGroup waits until fewer than maxInFlight groups are on their way; nil means that the store failed.
func (c *committer) freeGroup() *group {
	select {
	case g := <-c.free:
		return g
	case <-c.failure.down:
		return nil
	}
}

// gather waits for a first request and takes with it what else waits. It is false when the queue is closed.
func (c *committer) gather(g *group) bool {
	r := c.carried
	c.carried = nil
	if r == nil {
		select {
		case r = <-c.queue:
		case <-c.failure.down:
		}
		if r == nil {
			return false
		}
	}
	c.groups++
	g.number, g.batch = c.groups, c.db.NewBatch()
	full := c.disk.check()
	c.add(g, r, full)
	for !g.full() {
		select {
		case r := <-c.queue:
			if r == nil {
				return true // closed; the next gather finds that, too
			}
			c.add(g, r, full)
		default:
			return true
		}
	}
	return true
}

// add puts a request into the group; full says why nothing may be written.
func (c *committer) add(g *group, r *request, full error) {
	if r.state.Load() != taken && !r.state.CompareAndSwap(waiting, taken) {
		return
	}
	g.requests = append(g.requests, r)
	switch {
	case full != nil:
		r.err = full
	case r.put != nil:
		r.err = r.put(g.batch)
		g.bytes += r.size
		g.sync = g.sync || !r.lazy
	default:
		c.append(g, r)
	}
}

func (c *committer) append(g *group, r *request) {
	h, err := c.head(r.stream)
	switch {
	case err != nil:
		r.err = err
	case h.next == r.next:
		c.place(g, r)
	case h.next > r.next && h.group == g.number:
		// It may repeat what this very group appends, which is readable once the group is with Pebble.
		g.requests = g.requests[:len(g.requests)-1]
		g.closed = true
		c.carried = r
	default:
		r.position, r.err = c.settle(r, h.next)
	}
}

// head returns what is known of a stream, from memory or from its last run.
func (c *committer) head(stream string) (head, error) {
	if h, ok := c.heads.get(stream); ok {
		return h, nil
	}
	last, err := c.lastRun(stream)
	if err != nil {
		return head{}, err
	}
	h := head{next: last.next()}
	c.heads.put(stream, h)
	return h, nil
}

// place gives the events their positions and writes them into the batch.
func (c *committer) place(g *group, r *request) {
	first, rest := c.last+1, r.frames
	for i := range r.records {
		e := &r.records[i]
		c.last++
		e.Position = c.last
		size := frameBytes(r.stream, e.Revision, &e.NewEvent)
		op := g.batch.SetDeferred(eventKeyBytes, size)
		appendEventKey(op.Key[:0], e.Position)
		copy(op.Value, rest[:size])
		c.finish(op)
		rest = rest[size:]
	}
	count := uint64(len(r.records))
	op := g.batch.SetDeferred(len(r.prefix)+8, uvarintBytes(first)+uvarintBytes(count))
	appendRunKey(op.Key[:0], r.prefix, r.next)
	appendRunValue(op.Value[:0], first, count)
	c.finish(op)
	c.heads.put(r.stream, head{next: r.next + count, group: g.number})
	r.position, r.appended = c.last, true
	g.events += len(r.records)
	g.bytes += len(r.frames)
	g.sync = true
}

// finish ends an operation of a batch without an index, which cannot fail.
func (c *committer) finish(op *pebbledb.DeferredBatchOp) {
	if err := op.Finish(); err != nil {
		panic(err)
	}
}

// settle answers an append that is not at the stream's end: the same append was made before, or it is in conflict.
func (c *committer) settle(r *request, actual uint64) (uint64, error) {
	var position uint64
	same := 0
	if actual >= r.next+uint64(len(r.records)) {
		_, _, err := c.readStream(context.Background(), r.stream, r.next, math.MaxUint64, func(e aggregates.Record) bool {
			if e.ID != r.records[same].ID {
				return false
			}
			position = e.Position
			same++
			return same < len(r.records)
		})
		if err != nil {
			return 0, err
		}
	}
	if same == len(r.records) {
		c.stats.repeats.Add(1)
		return position, nil
	}
	c.stats.conflicts.Add(1)
	return 0, &commands.ConflictError{Stream: r.stream, Expected: r.next, Actual: actual}
}

// apply hands the group to Pebble: readable at once, durable once its sync is over.
func (c *committer) apply(g *group) {
	g.end = c.last
	var err error
	switch {
	case g.batch.Empty():
	case g.sync:
		err = c.db.ApplyNoSyncWait(g.batch, pebbledb.Sync)
	default:
		err = c.db.Apply(g.batch, pebbledb.NoSync)
	}
	if err != nil {
		panic(err)
	}
}
