package ingest_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// memLog is a message log in memory, of one topic, all of whose partitions go to whoever runs.
type memLog struct {
	topic string

	mu      sync.Mutex
	id      string
	parts   []memPart
	more    chan struct{} // closed when there is something new
	commits map[int32]int64
	fails   error // what Fetch and ingest.Bounds return
	fetched int64 // messages handed out
	limit   int   // messages of one fetch; 0: all
	behind  int64 // by how much Bounds understates the end
}

type memPart struct {
	start    int64
	messages []ingest.Message
}

func newLog(topic string, partitions int) *memLog {
	return &memLog{topic: topic, id: "log-1", parts: make([]memPart, partitions), more: make(chan struct{}), commits: map[int32]int64{}}
}

func (l *memLog) changed() {
	close(l.more)
	l.more = make(chan struct{})
}

// append adds messages to a partition.
func (l *memLog) append(partition int32, messages ...ingest.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.parts[partition]
	for _, m := range messages {
		m.Topic, m.Partition, m.Offset = l.topic, partition, p.start+int64(len(p.messages))
		if m.Time == 0 {
			m.Time = aggregates.At(today) + aggregates.Instant(m.Offset)*1000
		}
		p.messages = append(p.messages, m)
	}
	l.changed()
}

// deleteBefore forgets a partition's messages before an offset.
func (l *memLog) deleteBefore(partition int32, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.parts[partition]
	p.messages = p.messages[offset-p.start:]
	p.start = offset
	l.changed()
}

// skip makes a partition's log go on at an offset, as if there had been messages up to there and all had been deleted.
func (l *memLog) skip(partition int32, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[partition] = memPart{start: offset}
	l.changed()
}

// cut forgets a partition's messages from an offset on.
func (l *memLog) cut(partition int32, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.parts[partition]
	p.messages = p.messages[:offset-p.start]
	l.changed()
}

// replace makes it another log under the same name.
func (l *memLog) replace(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id = id
	clear(l.parts)
	l.changed()
}

// handedOut counts the messages that were fetched.
func (l *memLog) handedOut() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fetched
}

func (l *memLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = err
	l.changed()
}

func (l *memLog) Run(ctx context.Context, handle func(context.Context, ingest.Partition), _ func(error)) error {
	var running sync.WaitGroup
	for i := range l.parts {
		running.Go(func() { handle(ctx, &memPartition{l, int32(i)}) })
	}
	running.Wait()
	return ctx.Err()
}

type memPartition struct {
	log *memLog
	id  int32
}

func (p *memPartition) Topic() string { return p.log.topic }
func (p *memPartition) ID() int32     { return p.id }

func (p *memPartition) Bounds(context.Context) (ingest.Bounds, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	x := &p.log.parts[p.id]
	return ingest.Bounds{LogID: p.log.id, Start: x.start, End: x.start + int64(len(x.messages)) - p.log.behind}, p.log.fails
}

func (p *memPartition) Fetch(ctx context.Context, offset int64) (ingest.Fetched, error) {
	for {
		f, more, err := p.try(offset)
		if err != nil || len(f.Messages) > 0 {
			return f, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ingest.Fetched{}, ctx.Err()
		}
	}
}

func (p *memPartition) try(offset int64) (ingest.Fetched, chan struct{}, error) {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &l.parts[p.id]
	end := x.start + int64(len(x.messages))
	if l.fails != nil {
		return ingest.Fetched{}, nil, l.fails
	}
	if offset < x.start || offset > end {
		return ingest.Fetched{}, nil, fmt.Errorf("%w: %d", ingest.ErrOffsetOutOfRange, offset)
	}
	got := x.messages[offset-x.start:]
	if l.limit > 0 {
		got = got[:min(l.limit, len(got))]
	}
	l.fetched += int64(len(got))
	return ingest.Fetched{Messages: append([]ingest.Message(nil), got...), Next: offset + int64(len(got)), Start: x.start, End: end}, l.more, nil
}

func (p *memPartition) Commit(_ context.Context, next int64) error {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.log.commits[p.id] = next
	return nil
}
