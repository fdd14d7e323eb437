package ingest

import (
	"strings"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Proto is a dead letter as the contract writes it. What came in may be anything; texts must be UTF-8.
func (l *DeadLetter) Proto() *pb.DeadLetter {
	m := &pb.DeadLetter{
		DeadLetterId: l.ID, State: stateProto(l.State), Reason: l.Reason, Message: utf8Text(l.Message), Topic: utf8Text(l.Topic),
		Partition: l.Partition, Offset: l.Offset, Key: l.Key, Value: l.Value,
		ReceivedAt: codec.Timestamp(l.ReceivedAt), LastTriedAt: codec.Timestamp(l.LastTriedAt),
		Attempts: int32(l.Attempts), Note: utf8Text(l.Note), Location: utf8Text(l.Location),
	}
	for _, h := range l.Headers {
		m.Headers = append(m.Headers, &pb.Header{Key: utf8Text(h.Key), Value: h.Value})
	}
	return m
}

func utf8Text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func stateProto(s State) pb.DeadLetterState {
	switch s {
	case Open:
		return pb.DeadLetterState_DEAD_LETTER_STATE_OPEN
	case Replayed:
		return pb.DeadLetterState_DEAD_LETTER_STATE_REPLAYED
	case Discarded:
		return pb.DeadLetterState_DEAD_LETTER_STATE_DISCARDED
	}
	return pb.DeadLetterState_DEAD_LETTER_STATE_UNSPECIFIED
}
