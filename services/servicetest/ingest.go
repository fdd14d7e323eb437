package servicetest

import (
	"context"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// Ingest takes messages in as the first ones of a topic's first partition, from offset on, and returns once all are durable, as
// events or as dead letters.
func (w *World) Ingest(topic string, offset int64, messages ...ingest.Message) {
	w.t.Helper()
	for i := range messages {
		m := &messages[i]
		m.Topic, m.Offset, m.Time = topic, offset+int64(i), w.Now()
	}
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	end := offset + int64(len(messages))
	log := &fixedLog{topic: topic, start: offset, messages: messages}
	offsets := &settled{Offsets: w.Store, end: end, done: cancel}
	s := ingest.New(ingest.Config{Consumer: log, Recorder: w.Recorder, Orders: w.Orders, Policies: w.Policy, Snapshots: w.Reconcile, Desk: w.Desk, Offsets: offsets, Now: w.Now, Log: w.Log})
	_ = s.Run(ctx)
	if p, _, err := w.Store.LoadOffset(w.ctx, topic, 0); err != nil || p.Next != end {
		w.t.Fatalf("%s came to %d of %d, %v", topic, p.Next, end, err)
	}
}

// settled calls done once a partition's progress is saved up to an end.
type settled struct {
	ingest.Offsets
	end  int64
	done func()
}

func (s *settled) SaveOffset(ctx context.Context, topic string, partition int32, p ingest.Progress) error {
	err := s.Offsets.SaveOffset(ctx, topic, partition, p)
	if err == nil && p.Next == s.end {
		s.done()
	}
	return err
}

// fixedLog is a message log of one partition that holds some messages.
type fixedLog struct {
	topic    string
	start    int64
	messages []ingest.Message
}

func (l *fixedLog) Run(ctx context.Context, handle func(context.Context, ingest.Partition), _ func(error)) error {
	handle(ctx, l)
	return ctx.Err()
}

func (l *fixedLog) Topic() string { return l.topic }
func (l *fixedLog) ID() int32     { return 0 }

func (l *fixedLog) Bounds(context.Context) (ingest.Bounds, error) {
	return ingest.Bounds{LogID: "fixed", Start: 0, End: l.start + int64(len(l.messages))}, nil
}

func (l *fixedLog) Fetch(ctx context.Context, offset int64) (ingest.Fetched, error) {
	end := l.start + int64(len(l.messages))
	if offset < end {
		from := max(offset, l.start)
		return ingest.Fetched{Messages: l.messages[from-l.start:], Next: end, End: end}, nil
	}
	<-ctx.Done()
	return ingest.Fetched{}, ctx.Err()
}

func (l *fixedLog) Commit(context.Context, int64) error { return nil }

// Event is a message with a CloudEvent in it, of a source that numbers what it sends unless the sequence is empty.
func Event(kind, id, source, sequence, key string, at aggregates.Instant, data string) ingest.Message {
	m := ingest.Message{Key: []byte(key), Value: []byte(data)}
	for _, h := range [][2]string{{"ce_specversion", "1.0"}, {"ce_id", id}, {"ce_source", source}, {"ce_type", kind},
		{"ce_time", at.Time().Format(time.RFC3339Nano)}, {"ce_sequence", sequence}, {"content-type", "application/json"}} {
		if h[1] != "" {
			m.Headers = append(m.Headers, ingest.Header{Key: h[0], Value: []byte(h[1])})
		}
	}
	return m
}

// Counted is a message with a count at "berlin".
func Counted(id, source, sequence, sku string, at aggregates.Instant, quantity int64) ingest.Message {
	return Event(ingest.TypeMovement, id, source, sequence, "", at, fmt.Sprintf(`{"sku":%q,"location":"berlin","quantity":%d,"counted":{}}`, sku, quantity))
}
