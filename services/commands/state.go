package commands

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

const (
	snapshotEvery = 64      // events between snapshots, at least
	snapshotBytes = 64      // bytes of state that one event between snapshots stands for: large states are saved less often
	maxRetiring   = 256     // states saved at once before they go
	retiringPart  = 8       // of MaxMemory, that states saved at once before they go may take beside it, if they are several
	retireBytes   = 2 << 10 // bytes of state that cost as much to save as an event to fold again
	boxSize       = 512     // estimated bytes of a mailbox beside its state
)

// load makes a cold mailbox warm: from its snapshot, when there is one that this version can read, and the events
// since.
func (x *Streams[S]) load(b *mailbox[S]) error {
	if b.state != nil {
		return nil
	}
	x.loading <- struct{}{}
	defer func() { <-x.loading }()
	ctx := x.runners.loading.begin()
	x.stats.loads.Add(1)
	b.state, b.next, b.position, b.seal, b.unsaved = new(S), 0, 0, codec.Seal{}, 0
	if x.kind.Schema != "" {
		if err := x.restore(ctx, b); err != nil {
			b.state = nil
			return err
		}
	}
	if _, err := x.catchUp(ctx, b); err != nil {
		b.state = nil
		return err
	}
	return nil
}

// restore begins with the snapshot. One that cannot be read is passed over: it is only a cache.
func (x *Streams[S]) restore(ctx context.Context, b *mailbox[S]) error {
	s, ok, err := x.store.LoadSnapshot(ctx, b.stream, x.kind.Schema+sealSchema)
	if err != nil || !ok {
		return err
	}
	data, seal, err := cutSeal(s.Data)
	if err == nil {
		err = x.kind.Unmarshal(b.state, data)
	}
	if err != nil {
		slog.Warn("snapshot is damaged, folding the whole stream instead", "stream", b.stream, "err", err)
		b.state = new(S)
		return nil
	}
	b.next, b.position, b.seal = s.Next, s.Position, seal
	return nil
}

// sealSchema, in the name of a schema, says that the seal of the stream's last event stands behind the state.
const sealSchema = "+seal/1"

func cutSeal(b []byte) (state []byte, seal codec.Seal, err error) {
	at := len(b) - len(seal)
	if at < 0 {
		return nil, seal, fmt.Errorf("%d bytes hold no seal", len(b))
	}
	return b[:at], codec.Seal(b[at:]), nil
}

// catchUp folds what the stream has beyond the state, and says whether that was anything.
func (x *Streams[S]) catchUp(ctx context.Context, b *mailbox[S]) (bool, error) {
	before := b.next
	var bad error
	err := x.store.ReadStream(ctx, b.stream, b.next, func(r aggregates.Record) bool {
		if r.Revision != b.next {
			bad = fmt.Errorf("stream %q: event %d follows %d events", b.stream, r.Revision, b.next)
			return false
		}
		e, m, err := codec.Decode(r)
		if err != nil {
			bad = err
			return false
		}
		x.kind.Evolve(b.state, e, m)
		b.seal = codec.FollowSeal(b.seal, &r)
		b.next, b.position = r.Revision+1, r.Position
		b.unsaved++
		return true
	})
	if err == nil {
		err = bad
	}
	return b.next != before, err
}

// refresh makes sure that the state is the stream's latest revision, and says whether it was not.
func (x *Streams[S]) refresh(ctx context.Context, b *mailbox[S]) (bool, error) {
	if x.opts.Exclusive {
		return false, nil
	}
	return x.catchUp(ctx, b)
}

// learn hands the whole stream to an intention.
func (x *Streams[S]) learn(ctx context.Context, b *mailbox[S], l Learner) error {
	x.stats.learned.Add(1)
	var bad error
	err := x.store.ReadStream(ctx, b.stream, 0, func(r aggregates.Record) bool {
		if r.Revision >= b.next {
			return false
		}
		e, m, err := codec.Decode(r)
		if err != nil {
			bad = err
			return false
		}
		l.Learn(e, r.Revision, m)
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

// snapshot saves the state when enough has happened since the last time.
func (x *Streams[S]) snapshot(ctx context.Context, b *mailbox[S], events int) {
	if b.unsaved += events; x.kind.Schema == "" || b.unsaved < max(snapshotEvery, int(b.size)/snapshotBytes) {
		return
	}
	x.save(ctx, b)
}

// saveAll saves the warm states, so that the next start finds them at one look each: many at once, which the store puts
// together. It takes at most half of what ctx leaves, because others stop after this.
func (x *Streams[S]) saveAll(ctx context.Context) {
	if x.kind.Schema == "" {
		return
	}
	if end, ok := ctx.Deadline(); ok {
		half, cancel := context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
		ctx = half
	}
	var savers sync.WaitGroup
	for i := range x.shards {
		savers.Go(func() {
			for e := x.shards[i].idle.Back(); e != nil && ctx.Err() == nil; e = e.Prev() {
				if b := e.Value.(*mailbox[S]); b.unsaved > 0 {
					x.save(ctx, b)
				}
			}
		})
	}
	savers.Wait()
	if err := ctx.Err(); err != nil {
		slog.Info("stopping before every state is saved, the next start reads their events", "kind", x.kind.Schema, "err", err)
	}
}

// mayRetire tells whether a state is worth being saved before it goes, and counts it among those that are.
func (x *Streams[S]) mayRetire(b *mailbox[S], size int64) bool {
	if x.kind.Schema == "" || b.unsaved == 0 || int64(b.unsaved)*retireBytes < size {
		return false
	}
	states, bytes := x.retiring.Add(1), x.retiringBytes.Add(size)
	if states > maxRetiring || states > 1 && bytes > x.opts.MaxMemory/retiringPart {
		x.retired(size)
		return false
	}
	return true
}

// retired counts a state among those being saved no more.
func (x *Streams[S]) retired(size int64) {
	x.retiring.Add(-1)
	x.retiringBytes.Add(-size)
}

// retire saves the state of a mailbox that is to go, and serves it on when something came meanwhile.
func (x *Streams[S]) retire(sh *shard[S], b *mailbox[S], size int64) {
	x.save(x.runners.patience.begin(), b)
	x.retired(size)
	if sh.retire(x, b) {
		x.running.Done()
		return
	}
	x.run(sh, b)
}

// save saves a state. A snapshot that cannot be saved costs time at the next start, nothing else.
func (x *Streams[S]) save(ctx context.Context, b *mailbox[S]) {
	b.unsaved = 0
	data, err := x.kind.Marshal(b.state)
	if err == nil {
		data = append(data, b.seal[:]...)
		err = x.store.SaveSnapshot(ctx, b.stream, x.kind.Schema+sealSchema, Snapshot{Next: b.next, Position: b.position, Data: data})
	}
	if err != nil {
		if ctx.Err() == nil {
			slog.Warn("snapshot not saved", "stream", b.stream, "err", err)
		}
		return
	}
	x.stats.snapshots.Add(1)
}

// forget throws a state away: what it holds may not have become durable.
func (x *Streams[S]) forget(b *mailbox[S]) {
	b.state = nil
	x.memory.Add(-b.size)
	b.size = 0
}

// account brings the counted memory of a mailbox up to date.
func (x *Streams[S]) account(b *mailbox[S]) {
	if b.state == nil {
		return
	}
	size := int64(boxSize)
	if x.kind.Size != nil {
		size += int64(x.kind.Size(b.state))
	}
	x.memory.Add(size - b.size)
	b.size = size
}
