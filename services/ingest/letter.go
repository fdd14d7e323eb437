package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stock"
)

// letterID is 11 hexadecimal digits of milliseconds, so that ids are in order of time, and 16 that follow from what the
// letter is about, so that the same message gives the same id.
func letterID(at aggregates.Instant, about ...string) string {
	ms := min(max(int64(at)/1000, 0), 1<<44-1)
	return fmt.Sprintf("%011x-%016x", ms, aggregates.Fingerprint(about...))
}

// maxKeptBytes is the largest message that is kept whole in a dead letter.
const maxKeptBytes = 8 << 20

// letterOf is the dead letter of a message. One that is too large to keep stays where it came from; the letter says so.
func letterOf(m *Message, epoch int64, r *stock.Rejection) DeadLetter {
	topic := originTopic(m.Topic, epoch)
	l := DeadLetter{
		ID:     letterID(m.Time, topic, strconv.Itoa(int(m.Partition)), strconv.FormatInt(m.Offset, 10)),
		Reason: r.Reason, Message: r.Message, Location: r.Location,
		Topic: topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Headers: m.Headers, Value: m.Value,
	}
	if n := m.size(); n > maxKeptBytes {
		l.Key, l.Headers, l.Value = nil, nil, nil
		l.Message += fmt.Sprintf(" (the message has %d bytes, too many to keep here; find it in its topic)", n)
	}
	return l
}

// message is what came in, to be tried again.
func (l *DeadLetter) message() *Message {
	return &Message{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Key: l.Key, Value: l.Value, Headers: l.Headers}
}

// KeepMovement keeps a movement that came by RPC and cannot be applied, and returns the id of its dead letter.
func (d *DeadLetterDesk) KeepMovement(ctx context.Context, m *pb.Movement, r *stock.Rejection) (string, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("movement %q of source %q: %w", m.MovementId, m.Source, err)
	}
	var value bytes.Buffer
	if err := json.Compact(&value, text); err != nil { // the library varies its spaces on purpose
		return "", fmt.Errorf("movement %q of source %q: %w", m.MovementId, m.Source, err)
	}
	contents, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("movement %q of source %q: %w", m.MovementId, m.Source, err)
	}
	letter := DeadLetter{
		ID:     letterID(aggregates.At(m.OccurredAt.AsTime()), TopicRPC, string(contents)),
		Reason: r.Reason, Message: r.Message, Location: r.Location,
		Topic: TopicRPC, Key: []byte(m.Sku), Value: value.Bytes(),
		Headers: []Header{{Key: headerContent, Value: []byte(jsonType)}},
	}
	return letter.ID, d.keep(ctx, letter)
}

var _ stock.Rejects = (*DeadLetterDesk)(nil)

// Names tells whether a letter is about a SKU: it is its key, or a text in its message, as JSON writes texts.
func (l *DeadLetter) Names(sku string) bool {
	quoted, err := json.Marshal(sku)
	return string(l.Key) == sku || err == nil && bytes.Contains(l.Value, quoted) || bytes.Contains(l.Value, []byte(`"`+sku+`"`))
}

// CameAs tells whether a letter's message has this id, as its source gave it, in the attributes beside its data. An id within the data is
// found by Names.
func (l *DeadLetter) CameAs(id string) bool {
	return slices.ContainsFunc(l.Headers, func(h Header) bool { return h.Key == headerPrefix+"id" && string(h.Value) == id })
}
