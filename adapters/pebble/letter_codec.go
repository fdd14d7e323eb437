package pebble

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
)

// letterVersion is the first byte of a stored dead letter. Then come the number of lines applied and the lines, and
// the message DeadLetter of the contract.
const letterVersion = 1

func encodeLetter(x *ingest.DeadLetter) ([]byte, error) {
	p := &inventoryv1.DeadLetter{
		DeadLetterId: x.ID, State: inventoryv1.DeadLetterState(x.State), Reason: x.Reason, Message: x.Message,
		Topic: x.Topic, Partition: x.Partition, Offset: x.Offset, Key: x.Key, Value: x.Value,
		ReceivedAt: toTimestamp(x.ReceivedAt), LastTriedAt: toTimestamp(x.LastTriedAt),
		Attempts: int32(min(x.Attempts, math.MaxInt32)), Note: x.Note, Location: x.Location,
	}
	for _, h := range x.Headers {
		p.Headers = append(p.Headers, &inventoryv1.Header{Key: h.Key, Value: h.Value})
	}
	size := p.SizeVT()
	if size > MaxValueBytes {
		return nil, fmt.Errorf("dead letter %s has %d bytes, at most %d are possible", x.ID, size, MaxValueBytes)
	}
	b := make([]byte, 0, size+8+5*len(x.Applied))
	b = binary.AppendUvarint(append(b, letterVersion), uint64(len(x.Applied)))
	for _, line := range x.Applied {
		b = binary.AppendVarint(b, int64(line))
	}
	message, err := p.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode dead letter %s: %w", x.ID, err)
	}
	return append(b, message...), nil
}

// decodeLetter reads a stored letter. It keeps b.
func decodeLetter(id string, b []byte) (ingest.DeadLetter, error) {
	applied, message, ok := cutApplied(b)
	if !ok {
		return ingest.DeadLetter{}, fmt.Errorf("dead letter %s is damaged or of a newer version (%d bytes)", id, len(b))
	}
	var p inventoryv1.DeadLetter
	if err := p.UnmarshalVT(message); err != nil {
		return ingest.DeadLetter{}, fmt.Errorf("dead letter %s is damaged: %w", id, err)
	}
	x := ingest.DeadLetter{
		ID: id, State: ingest.State(p.State), Reason: p.Reason, Message: p.Message,
		Topic: p.Topic, Partition: p.Partition, Offset: p.Offset, Key: p.Key, Value: p.Value,
		ReceivedAt: fromTimestamp(p.ReceivedAt), LastTriedAt: fromTimestamp(p.LastTriedAt),
		Attempts: int(p.Attempts), Note: p.Note, Location: p.Location, Applied: applied,
	}
	for _, h := range p.Headers {
		x.Headers = append(x.Headers, ingest.Header{Key: h.Key, Value: h.Value})
	}
	return x, nil
}

func cutApplied(b []byte) (applied []int32, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != letterVersion {
		return nil, nil, false
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > uint64(len(b)) {
		return nil, nil, false
	}
	b = b[1+n:]
	for range count {
		line, n := binary.Varint(b)
		if n <= 0 {
			return nil, nil, false
		}
		applied, b = append(applied, int32(line)), b[n:]
	}
	return applied, b, true
}

func toTimestamp(i aggregates.Instant) *timestamppb.Timestamp {
	if i == 0 {
		return nil
	}
	return timestamppb.New(i.Time())
}

func fromTimestamp(t *timestamppb.Timestamp) aggregates.Instant {
	if t == nil {
		return 0
	}
	return aggregates.At(t.AsTime())
}
