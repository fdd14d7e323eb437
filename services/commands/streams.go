package commands

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// Intention is what somebody wants of one stream. Decide must not change the state; it returns the events to
// record, none when there is nothing to do, and keeps its own result in its own fields: they are valid once the
// outcome is known to be good. Decide may be called more than once, on newer states each time.
type Intention[S any] interface {
	Decide(s *S, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error)
}

// Learner is an Intention whose decision may need the stream's past. When Decide returns an error for which
// Wants is true, every event of the stream is handed to Learn, in order, and Decide is called again; a few times at
// most.
type Learner interface {
	Wants(err error) bool
	Learn(e aggregates.Event, revision uint64, m aggregates.Metadata)
}

// Outcome of a command that succeeded.
type Outcome struct {
	Position uint64 // a read that includes it sees what the command recorded, now or the first time
	Recorded int    // events recorded now; 0 for a retry
}

// Errors of Do and Submit beside those of the decision and of the store.
var (
	// ErrOverloaded says that too much is waiting for this stream or altogether. Nothing was done.
	ErrOverloaded = errors.New("too many commands are waiting")
	// ErrClosed says that the service is stopping. Nothing was done.
	ErrClosed = errors.New("service is stopping")
	// ErrContended says that other writers kept changing the stream. Nothing was done.
	ErrContended = errors.New("stream is changed by others too often")
)

// Doer is the part of Streams that services call.
type Doer[S any] interface {
	Do(ctx context.Context, id string, m aggregates.Metadata, in Intention[S]) (Outcome, error)
	Submit(id string, m aggregates.Metadata, in Intention[S], done func(Outcome, error)) error
}

// Kind tells how streams of one aggregate are named, folded and kept.
type Kind[S any] struct {
	Prefix string // of the stream's name, before the id
	Evolve func(*S, aggregates.Event, aggregates.Metadata)

	// Schema names the snapshot's format; empty when states are not snapshot.
	Schema    string
	Marshal   func(*S) ([]byte, error)
	Unmarshal func(*S, []byte) error
	// Size estimates a state's memory in bytes; nil counts a constant.
	Size func(*S) int
	// Latest tells when the newest event was recorded; nil when it makes no difference to decisions.
	Latest func(*S) aggregates.Instant
}

// Options bound what Streams uses. Zero fields take the defaults named below.
type Options struct {
	Now func() aggregates.Instant // the clock; the system's by default
	// Exclusive says that nobody else writes these streams: what is in memory is the latest revision.
	Exclusive bool
	// MaxWaiting bounds the commands waiting altogether, MaxWaitingPerStream those of one stream.
	MaxWaiting          int
	MaxWaitingPerStream int
	// MaxMemory bounds the estimated bytes of states kept in memory.
	MaxMemory int64
}

// Defaults and bounds.
const (
	DefaultMaxWaiting          = 32_768
	DefaultMaxWaitingPerStream = 16_384
	DefaultMaxMemory           = 160 << 20

	maxBatch      = 4096             // commands decided and appended at once
	maxBatchBytes = 1 << 20          // of encoded events, after which a batch is closed
	maxAttempts   = 8                // decisions of one batch under conflicts
	maxLoading    = 8                // cold states folded at once: more only fight for the store's cache
	maxLearn      = 3                // readings of the past for one decision
	maxBehind     = 5 * time.Minute  // by which a clock is behind the stream's latest event and the stream's time goes on
	maxRepeats    = 5                // appends of one batch under unknown outcomes
	appendTimeout = 10 * time.Second // at least, of one append, whoever waits for it
	loadTimeout   = 30 * time.Second // at least, of folding one cold state
	shardCount    = 64
)

// Streams runs commands against the streams of one aggregate. It is safe for concurrent use.
type Streams[S any] struct {
	store Store
	kind  Kind[S]
	opts  Options

	seed          maphash.Seed
	shards        [shardCount]shard[S]
	waiting       atomic.Int64
	memory        atomic.Int64
	retiring      atomic.Int64 // mailboxes being saved before they go
	retiringBytes atomic.Int64 // of their states
	closed        atomic.Bool
	running       sync.WaitGroup
	runners       runners
	calls         sync.Pool     // of *call[S]
	loading       chan struct{} // has a place for each of maxLoading
	ended         sync.Once
	stats         counters
}

// NewStreams returns Streams of one kind over a store.
func NewStreams[S any](store Store, kind Kind[S], opts Options) *Streams[S] {
	if opts.Now == nil {
		opts.Now = func() aggregates.Instant { return aggregates.At(time.Now()) }
	}
	if opts.MaxWaiting == 0 {
		opts.MaxWaiting = DefaultMaxWaiting
	}
	if opts.MaxWaitingPerStream == 0 {
		opts.MaxWaitingPerStream = DefaultMaxWaitingPerStream
	}
	if opts.MaxMemory == 0 {
		opts.MaxMemory = DefaultMaxMemory
	}
	x := &Streams[S]{store: store, kind: kind, opts: opts, seed: maphash.MakeSeed()}
	x.runners.init()
	x.calls.New = func() any { return newCall[S]() }
	x.loading = make(chan struct{}, maxLoading)
	for i := range x.shards {
		x.shards[i].boxes = make(map[string]*mailbox[S])
	}
	return x
}

// task is one command in a mailbox.
type task[S any] struct {
	ctx      context.Context // nil when the caller does not wait
	meta     aggregates.Metadata
	in       Intention[S]
	done     func(Outcome, error)
	recorded int
	err      error
}

// Submit queues a command and returns; done is called once, from the mailbox, and must not block. Commands of one
// id are decided in the order in which they were submitted. m.IdempotencyKey must be set: event ids follow from
// it. On an error nothing was queued and done is not called.
func (x *Streams[S]) Submit(id string, m aggregates.Metadata, in Intention[S], done func(Outcome, error)) error {
	return x.submit(id, &task[S]{meta: m, in: in, done: done})
}

// Do runs a command and waits for its outcome. When ctx ends first, the command is dropped if it was not decided
// yet; otherwise its outcome is not known to the caller, who may repeat it.
func (x *Streams[S]) Do(ctx context.Context, id string, m aggregates.Metadata, in Intention[S]) (Outcome, error) {
	c := x.calls.Get().(*call[S])
	c.task.ctx, c.task.meta, c.task.in = ctx, m, in
	if err := x.submit(id, &c.task); err != nil {
		return Outcome{}, err
	}
	select {
	case a := <-c.answers:
		c.task.ctx, c.task.in = nil, nil
		x.calls.Put(c)
		return a.out, a.err
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
}

// call is a command that somebody waits for. Once it is answered, the mailbox has no more use for it.
type call[S any] struct {
	task    task[S]
	answers chan answer
}

type answer struct {
	out Outcome
	err error
}

func newCall[S any]() *call[S] {
	c := &call[S]{answers: make(chan answer, 1)}
	c.task.done = func(o Outcome, err error) { c.answers <- answer{o, err} }
	return c
}

func (x *Streams[S]) submit(id string, t *task[S]) error {
	if t.meta.IdempotencyKey == "" {
		return fmt.Errorf("command for %s%s has no idempotency key", x.kind.Prefix, id)
	}
	if x.waiting.Add(1) > int64(x.opts.MaxWaiting) {
		x.waiting.Add(-1)
		x.stats.refused.Add(1)
		return fmt.Errorf("%w: %d altogether", ErrOverloaded, x.opts.MaxWaiting)
	}
	if err := x.shard(id).enqueue(x, id, t); err != nil {
		x.waiting.Add(-1)
		x.stats.refused.Add(1)
		return err
	}
	return nil
}

// Close refuses new commands and waits until those accepted are answered, or ctx ends.
func (x *Streams[S]) Close(ctx context.Context) error {
	x.closed.Store(true)
	for i := range x.shards { // whoever passed the check before has its mailbox running after this
		x.shards[i].mu.Lock()
		//lint:ignore SA2001 a barrier: nothing is to be done inside
		x.shards[i].mu.Unlock()
	}
	idle := make(chan struct{})
	go func() {
		x.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		x.ended.Do(func() {
			x.runners.close()
			x.saveAll(ctx)
		})
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d commands still waiting: %w", x.waiting.Load(), ctx.Err())
	}
}
