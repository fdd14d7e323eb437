package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// run serves a mailbox until nothing waits in it.
func (x *Streams[S]) run(sh *shard[S], b *mailbox[S]) {
	defer x.running.Done()
	for {
		batch := sh.take(x, b)
		if batch == nil {
			return
		}
		x.stats.batches.Add(1)
		x.stats.commands.Add(uint64(len(batch)))
		for rest := batch; len(rest) > 0; {
			n := x.serve(b, rest)
			x.answer(b, rest[:n])
			rest = rest[n:]
		}
		x.account(b)
		clear(batch)
		b.spare = batch[:0]
	}
}

// serve decides a batch, or the first part of it, makes it durable and says how many tasks it settled. Every one
// of those has its result or error then.
func (x *Streams[S]) serve(b *mailbox[S], tasks []*task[S]) int {
	fresh := b.state == nil
	for range maxAttempts {
		if err := x.load(b); err != nil {
			return fail(tasks, fmt.Errorf("load %s: %w", b.stream, err))
		}
		settled, again := x.settle(x.runners.patience.begin(), b, tasks, fresh)
		if !again {
			return settled
		}
		fresh = true
	}
	return fail(tasks, fmt.Errorf("%w: %s, %d attempts", ErrContended, b.stream, maxAttempts))
}

// settle decides tasks on a warm state and appends what follows. fresh tells that the state was read after the tasks came:
// what records nothing needs no later one. again tells that others wrote in between and nothing is settled; the state is
// fresh then, or cold.
func (x *Streams[S]) settle(ctx context.Context, b *mailbox[S], tasks []*task[S], fresh bool) (settled int, again bool) {
	settled, events, err := x.decide(ctx, b, tasks)
	if err != nil {
		x.forget(b)
		return fail(tasks[:settled], err), false
	}
	if len(events) == 0 && fresh {
		return settled, false
	}
	if len(events) == 0 {
		changed, err := x.refresh(ctx, b)
		if err != nil {
			x.forget(b)
			return fail(tasks[:settled], fmt.Errorf("read %s: %w", b.stream, err)), false
		}
		return settled, changed
	}
	appended, err := x.append(ctx, b, events)
	var conflict *ConflictError
	switch {
	case err == nil:
		b.next += uint64(len(events))
		b.position, b.seal = appended.Position, b.sealing
		x.stats.events.Add(uint64(len(events)))
		x.snapshot(ctx, b, len(events))
		return settled, false
	case errors.As(err, &conflict):
		x.stats.conflicts.Add(1)
		x.forget(b)
		return 0, true
	}
	x.forget(b)
	return fail(tasks[:settled], fmt.Errorf("append to %s: %w", b.stream, err)), false
}

// decide runs the decisions of tasks in order, each on the state that the ones before it left, until all are
// decided, the batch is large enough, or one needs the stream's past while there is something to append before it.
func (x *Streams[S]) decide(ctx context.Context, b *mailbox[S], tasks []*task[S]) (int, []aggregates.NewEvent, error) {
	now := x.now(b)
	events := make([]aggregates.NewEvent, 0, len(tasks)+4)
	bytes := make([]byte, 0, 200*(len(tasks)+1))
	b.sealing = b.seal
	for i, t := range tasks {
		if t.err = nil; t.ctx != nil && t.ctx.Err() != nil {
			t.recorded, t.err = 0, t.ctx.Err()
			continue
		}
		m := t.meta
		m.RecordedAt = now
		if m.OccurredAt == 0 {
			m.OccurredAt = now
		}
		decided, err := decide(t.in, b.state, m, now)
		for range maxLearn {
			l, ok := t.in.(Learner)
			if !ok || err == nil || !l.Wants(err) {
				break
			}
			if len(events) > 0 {
				return i, events, nil // what is decided becomes part of the past first
			}
			if err := x.learn(ctx, b, l); err != nil {
				return i + 1, nil, fmt.Errorf("read the past of %s: %w", b.stream, err)
			}
			decided, err = decide(t.in, b.state, m, now)
		}
		t.recorded, t.err = len(decided), err
		if err != nil {
			t.recorded = 0
			continue
		}
		for n, e := range decided {
			at := len(bytes)
			if bytes, err = codec.Encode(codec.AppendSealRoom(bytes), e, &m); err != nil {
				return i + 1, nil, err
			}
			data := bytes[at:len(bytes):len(bytes)]
			events = append(events, aggregates.NewEvent{
				ID: aggregates.NewEventID(b.stream, m.IdempotencyKey, n, data[codec.SealBytes:]), Type: e.EventType(), Data: data,
			})
			last := len(events) - 1
			b.sealing = codec.PutSeal(b.sealing, b.stream, b.next+uint64(last), &events[last])
			x.kind.Evolve(b.state, e, m)
		}
		if len(bytes) > maxBatchBytes {
			return i + 1, events, nil
		}
	}
	return len(tasks), events, nil
}

// now is the time of a decision: the clock's, but not before what the stream recorded last, by another replica or before
// the clock was set back. A stream that is ahead by more than maxBehind was written under a wrong clock, and is not followed.
func (x *Streams[S]) now(b *mailbox[S]) aggregates.Instant {
	now := x.opts.Now()
	if x.kind.Latest != nil {
		if latest := x.kind.Latest(b.state); latest > now && latest <= now.Add(maxBehind) {
			return latest
		}
	}
	return now
}

// decide runs one decision. A panic in it is a defect of ours that must not take other streams down: it becomes
// the error of this command alone, since decisions change nothing.
func decide[S any](in Intention[S], s *S, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("decision panicked", "intention", fmt.Sprintf("%T", in), "key", m.IdempotencyKey, "panic", p, "stack", string(debug.Stack()))
			events, err = nil, fmt.Errorf("decision %T failed: %v", in, p)
		}
	}()
	return in.Decide(s, m, now)
}

// append writes a batch, and writes it again under the same ids while its outcome is unknown.
func (x *Streams[S]) append(ctx context.Context, b *mailbox[S], events []aggregates.NewEvent) (Appended, error) {
	for repeat := 0; ; repeat++ {
		appended, err := x.store.Append(ctx, b.stream, b.next, events)
		if err == nil || !errors.Is(err, ErrUnknownOutcome) || repeat == maxRepeats || ctx.Err() != nil {
			return appended, err
		}
		x.stats.repeats.Add(1)
	}
}

// answer gives every task its outcome.
func (x *Streams[S]) answer(b *mailbox[S], tasks []*task[S]) {
	x.waiting.Add(-int64(len(tasks)))
	for _, t := range tasks {
		if t.err != nil {
			t.done(Outcome{}, t.err)
			continue
		}
		t.done(Outcome{Position: b.position, Recorded: t.recorded}, nil)
	}
}

func fail[S any](tasks []*task[S], err error) int {
	for _, t := range tasks {
		t.recorded, t.err = 0, err
	}
	return len(tasks)
}
