package history

import (
	"strings"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// causeMessage is a cause as the contract writes it, nil for none.
func causeMessage(c *stock.Cause) *pb.Cause {
	if c == nil {
		return nil
	}
	m := &c.Metadata
	occurred := m.OccurredAt
	if occurred == 0 {
		occurred = m.RecordedAt
	}
	return &pb.Cause{
		EventId: c.Record.ID.String(), Type: c.Record.Type, Revision: c.Record.Revision, Position: c.Record.Position,
		OccurredAt: codec.Timestamp(occurred), RecordedAt: codec.Timestamp(m.RecordedAt), DelayMs: int64(m.RecordedAt-occurred) / 1000,
		Source: codec.Source(m), Actor: m.Actor, Effect: c.Effect,
	}
}

func causeMessages(list []stock.Cause) (messages []*pb.Cause) {
	for i := range list {
		messages = append(messages, causeMessage(&list[i]))
	}
	return messages
}

// text makes UTF-8 of what came from outside.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
