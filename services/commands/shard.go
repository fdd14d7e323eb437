package commands

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/stockfold/stockfold/proto/codec"
)

// mailbox is one stream's queue and, while it is warm, its state. The queue and running belong to the shard's
// lock; the rest to the goroutine that runs the mailbox, of which there is at most one.
type mailbox[S any] struct {
	id      string
	stream  string
	queue   []*task[S]
	running bool
	place   *list.Element // in the shard's idle list; nil while running

	state    *S         // nil when cold
	next     uint64     // events in the stream
	position uint64     // of the last of them
	seal     codec.Seal // of the last of them; zeros when there is none
	sealing  codec.Seal // of the last event of the batch under way
	unsaved  int        // events since the last snapshot
	size     int64      // counted in Streams.memory
	spare    []*task[S]
}

// shard holds a part of the mailboxes: those running, and the idle ones that are warm, least recently used first
// to go.
type shard[S any] struct {
	mu    sync.Mutex
	boxes map[string]*mailbox[S]
	idle  list.List
}

func (x *Streams[S]) shard(id string) *shard[S] {
	return &x.shards[maphash.String(x.seed, id)%shardCount]
}

// enqueue puts a task into the mailbox of an id and starts the mailbox when it was idle.
func (sh *shard[S]) enqueue(x *Streams[S], id string, t *task[S]) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if x.closed.Load() {
		return ErrClosed
	}
	b := sh.boxes[id]
	if b == nil {
		b = &mailbox[S]{id: id, stream: x.kind.Prefix + id}
		sh.boxes[id] = b
	}
	if len(b.queue) >= x.opts.MaxWaitingPerStream {
		return fmt.Errorf("%w: %d for %s", ErrOverloaded, x.opts.MaxWaitingPerStream, b.stream)
	}
	b.queue = append(b.queue, t)
	if !b.running {
		b.running = true
		if b.place != nil {
			sh.idle.Remove(b.place)
			b.place = nil
		}
		x.running.Add(1)
		x.runners.start(func() { x.run(sh, b) })
	}
	return nil
}

// take hands out the tasks that wait, at most maxBatch; none means that the mailbox has become idle.
func (sh *shard[S]) take(x *Streams[S], b *mailbox[S]) []*task[S] {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(b.queue) == 0 {
		b.running = false
		if b.state == nil {
			delete(sh.boxes, b.id)
			return nil
		}
		b.queue, b.spare = nil, nil
		b.place = sh.idle.PushBack(b)
		sh.evict(x)
		return nil
	}
	if len(b.queue) <= maxBatch {
		batch := b.queue
		b.queue, b.spare = b.spare[:0], nil
		return batch
	}
	batch := append(b.spare[:0], b.queue[:maxBatch]...)
	b.spare = nil
	rest := copy(b.queue, b.queue[maxBatch:])
	clear(b.queue[rest:])
	b.queue = b.queue[:rest]
	return batch
}

// evict drops the states of idle mailboxes, least recently used first, until memory is within its bound. The one
// used last stays. A state that the next load would have to fold from events, each of them somewhere else on disk, is saved
// before it goes, unless that costs more than the events do, or too much is being saved already.
func (sh *shard[S]) evict(x *Streams[S]) {
	for x.memory.Load() > x.opts.MaxMemory && sh.idle.Len() > 1 {
		b := sh.idle.Remove(sh.idle.Front()).(*mailbox[S])
		b.place = nil
		size := b.size
		x.memory.Add(-size)
		b.size = 0
		if !x.mayRetire(b, size) {
			sh.drop(x, b)
			continue
		}
		b.running = true
		x.running.Add(1)
		x.runners.start(func() { x.retire(sh, b, size) })
	}
}

// drop forgets an idle mailbox.
func (sh *shard[S]) drop(x *Streams[S], b *mailbox[S]) {
	delete(sh.boxes, b.id)
	x.stats.evicted.Add(1)
}

// retire ends the mailbox of a state that was saved, unless something came meanwhile.
func (sh *shard[S]) retire(x *Streams[S], b *mailbox[S]) (retired bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(b.queue) > 0 {
		return false
	}
	b.running = false
	sh.drop(x, b)
	return true
}
