// Package codec turns events of the domain into their canonical stored form and back: the protobuf message
// stockfold.inventory.v1.Event. The stored bytes leave out what the record itself holds (id, type, stream,
// revision, position). Fields unknown to this version are skipped on reading, so that a newer writer and an older
// reader may share one store; a type unknown to this version is an error, never silently passed.
package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// UnknownTypeError says that an event's type is not known to this version of the program.
type UnknownTypeError struct {
	Stream   string
	Revision uint64
	Type     string
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("event %d of stream %q has type %q, which this version does not know; run a version that does",
		e.Revision, e.Stream, e.Type)
}

// Encode appends the stored form of an event to dst.
func Encode(dst []byte, e aggregates.Event, m *aggregates.Metadata) ([]byte, error) {
	x := takeEnvelope()
	defer x.release()
	p := &x.message
	p.OccurredAt, p.RecordedAt = setTimestamp(&x.occurred, m.OccurredAt), setTimestamp(&x.recorded, m.RecordedAt)
	p.Source = toSource(&m.Source)
	p.CorrelationId, p.CausationId, p.Actor = m.CorrelationID, m.CausationID, m.Actor
	p.IdempotencyKey, p.Fingerprint = m.IdempotencyKey, m.Fingerprint
	if err := setPayload(p, e); err != nil {
		return dst, err
	}
	p.Format = uint32(len(upcasts[e.EventType()]))
	size := p.SizeVT()
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	if _, err := p.MarshalToSizedBufferVT(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	return dst, nil
}

// Decode reads a record's event and metadata. What it returns shares no memory with the record.
func Decode(r aggregates.Record) (aggregates.Event, aggregates.Metadata, error) {
	x := takeEnvelope()
	defer x.release()
	p := &x.message
	p.OccurredAt, p.RecordedAt, p.Source = &x.occurred, &x.recorded, &x.source
	if err := p.UnmarshalVT(cut(r.Data)); err != nil {
		return nil, aggregates.Metadata{}, fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	e, err := fact(&r, p)
	if err != nil {
		return nil, aggregates.Metadata{}, err
	}
	return e, metadata(p), nil
}

// DecodeFact reads a record's event, and of its metadata only when it occurred and was recorded: whether the rest can be read it does not
// find out. What it returns shares no memory with the record.
func DecodeFact(r *aggregates.Record) (e aggregates.Event, occurred, recorded aggregates.Instant, err error) {
	x := takeEnvelope()
	defer x.release()
	p := &x.message
	p.OccurredAt, p.RecordedAt, p.Source = &x.occurred, &x.recorded, &x.source
	before, after := withoutOrigin(cut(r.Data))
	if err = p.UnmarshalVT(before); err == nil {
		err = p.UnmarshalVT(after)
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	if e, err = fact(r, p); err != nil {
		return nil, 0, 0, err
	}
	return e, fromTimestamp(p.OccurredAt), fromTimestamp(p.RecordedAt), nil
}

// Where an event came from, who caused it and under which key: fields that stand together in what is written here.
const firstOfOrigin, lastOfOrigin = 8, 13

// withoutOrigin returns what stands before and behind the fields that tell where an event came from. Bytes that it does not
// understand stay, for whoever reads them to refuse.
func withoutOrigin(b []byte) (before, after []byte) {
	from := -1
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeTag(b[at:])
		switch of := number >= firstOfOrigin && number <= lastOfOrigin; {
		case n < 0:
			return b, nil
		case from < 0 && of:
			from = at
		case from >= 0 && !of:
			return b[:from], b[at:]
		}
		size := protowire.ConsumeFieldValue(number, kind, b[at+n:])
		if size < 0 {
			return b, nil
		}
		at += n + size
	}
	if from < 0 {
		return b, nil
	}
	return b[:from], nil
}

// fact is the event in a message, brought to the newest format.
func fact(r *aggregates.Record, p *inventoryv1.Event) (aggregates.Event, error) {
	if err := modern(r.Type, p); err != nil {
		return nil, fmt.Errorf("event %d of stream %q: %w", r.Revision, r.Stream, err)
	}
	e := payload(p)
	if e == nil || e.EventType() != r.Type {
		return nil, &UnknownTypeError{Stream: r.Stream, Revision: r.Revision, Type: r.Type}
	}
	return e, nil
}

// Proto reads a record as the canonical message with every field filled, for people and other programs. A type
// that this version does not know still has its metadata.
func Proto(r aggregates.Record) (*inventoryv1.Event, error) {
	p := &inventoryv1.Event{}
	_, data, condensed := CutCondensed(r.Data)
	if err := p.UnmarshalVT(data); err != nil {
		return nil, fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	p.Condensed = condensed
	id := r.ID
	p.Id, p.EventId = id[:], id.String()
	p.Type, p.Stream, p.Revision, p.Position = r.Type, r.Stream, r.Revision, r.Position
	return p, nil
}

func metadata(p *inventoryv1.Event) aggregates.Metadata {
	m := aggregates.Metadata{
		OccurredAt:     fromTimestamp(p.OccurredAt),
		RecordedAt:     fromTimestamp(p.RecordedAt),
		CorrelationID:  p.CorrelationId,
		CausationID:    p.CausationId,
		Actor:          p.Actor,
		IdempotencyKey: p.IdempotencyKey,
		Fingerprint:    p.Fingerprint,
	}
	if s := p.Source; s != nil {
		m.Source = aggregates.Source{
			System: s.System, Document: s.Document, Line: s.Line, Sequence: s.Sequence, MessageID: s.MessageId,
			Topic: s.Topic, Partition: s.Partition, Offset: s.Offset, PartitionKey: s.PartitionKey,
		}
	}
	return m
}

func toSource(s *aggregates.Source) *inventoryv1.Source {
	if *s == (aggregates.Source{}) {
		return nil
	}
	return &inventoryv1.Source{
		System: s.System, Document: s.Document, Line: s.Line, Sequence: s.Sequence, MessageId: s.MessageID,
		Topic: s.Topic, Partition: s.Partition, Offset: s.Offset,
		PartitionKey: s.PartitionKey,
	}
}

func toTimestamp(i aggregates.Instant) *timestamppb.Timestamp {
	if i == 0 {
		return nil
	}
	return setTimestamp(&timestamppb.Timestamp{}, i)
}

// setTimestamp sets a timestamp and returns it, nil for the zero instant.
func setTimestamp(t *timestamppb.Timestamp, i aggregates.Instant) *timestamppb.Timestamp {
	if i == 0 {
		return nil
	}
	seconds, micros := int64(i/aggregates.Second), int64(i%aggregates.Second)
	if micros < 0 {
		seconds, micros = seconds-1, micros+int64(aggregates.Second)
	}
	t.Seconds, t.Nanos = seconds, int32(micros*1000)
	return t
}

func fromTimestamp(t *timestamppb.Timestamp) aggregates.Instant {
	if t == nil {
		return 0
	}
	return aggregates.Instant(t.Seconds)*aggregates.Second + aggregates.Instant(t.Nanos/1000)
}
