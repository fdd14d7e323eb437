package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/stockfold/stockfold/services/ingest"
)

// How messages are fetched: at once when there is one, and many at a time when there are many.
const (
	fetchWait     = 500 * time.Millisecond // a fetch without messages takes so long
	fetchMinBytes = 1
	fetchMaxBytes = 1 << 20 // of one fetch; a larger message still comes, alone
)

// partition is an assigned partition.
type partition struct {
	consumer   *Consumer
	generation *kafka.Generation
	topic      string
	id         int32
}

var _ ingest.Partition = (*partition)(nil)

// Partition is a partition to be looked at, outside of the group: it is assigned to nobody by this, and Commit is not
// for it.
func (x *Consumer) Partition(topic string, id int32) ingest.Partition {
	return &partition{consumer: x, topic: topic, id: id}
}

func (p *partition) Topic() string { return p.topic }
func (p *partition) ID() int32     { return p.id }

// Bounds asks for the identity and the ends of the log.
func (p *partition) Bounds(ctx context.Context) (ingest.Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	id, err := p.consumer.identity.topic(ctx, p.topic)
	if err != nil {
		return ingest.Bounds{}, err
	}
	answer, err := p.consumer.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{
			p.topic: {kafka.FirstOffsetOf(int(p.id)), kafka.LastOffsetOf(int(p.id))},
		},
	})
	if err != nil {
		return ingest.Bounds{}, fmt.Errorf("offsets of %s[%d]: %w", p.topic, p.id, err)
	}
	for _, o := range answer.Topics[p.topic] {
		if o.Partition != int(p.id) {
			continue
		}
		if o.Error != nil {
			return ingest.Bounds{}, fmt.Errorf("offsets of %s[%d]: %w", p.topic, p.id, o.Error)
		}
		return ingest.Bounds{LogID: id, Start: o.FirstOffset, End: o.LastOffset}, nil
	}
	return ingest.Bounds{}, fmt.Errorf("offsets of %s[%d]: the broker says nothing of it", p.topic, p.id)
}

// Fetch reads committed messages from an offset on.
func (p *partition) Fetch(ctx context.Context, offset int64) (ingest.Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait+requestTimeout)
	defer cancel()
	answer, err := p.consumer.transport.RoundTrip(ctx, p.consumer.config.addr(), &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: fetchMinBytes, MaxBytes: fetchMaxBytes,
		IsolationLevel: int8(kafka.ReadCommitted), SessionID: 0, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: p.topic, Partitions: []fetch.RequestPartition{{
			Partition: p.id, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: fetchMaxBytes,
		}}}},
	})
	if err != nil {
		return ingest.Fetched{}, fmt.Errorf("fetch %s[%d]: %w", p.topic, p.id, err)
	}
	r := answer.(*fetch.Response)
	if r.ErrorCode != 0 {
		return ingest.Fetched{}, fmt.Errorf("fetch %s[%d]: %w", p.topic, p.id, kafka.Error(r.ErrorCode))
	}
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return ingest.Fetched{}, fmt.Errorf("fetch %s[%d]: the broker says nothing of it", p.topic, p.id)
	}
	return p.read(&r.Topics[0].Partitions[0], offset)
}

func (p *partition) read(r *fetch.ResponsePartition, offset int64) (ingest.Fetched, error) {
	f := ingest.Fetched{Next: offset, Start: r.LogStartOffset, End: r.HighWatermark}
	switch code := kafka.Error(r.ErrorCode); {
	case errors.Is(code, kafka.OffsetOutOfRange):
		return f, fmt.Errorf("fetch %s[%d]: %w", p.topic, p.id, ingest.ErrOffsetOutOfRange)
	case r.ErrorCode != 0:
		return f, fmt.Errorf("fetch %s[%d]: %w", p.topic, p.id, code)
	}
	return f, readRecords(r, &f, p.topic, p.id)
}

// Commit tells the group how far the service came. A member that lost the partition is refused.
func (p *partition) Commit(ctx context.Context, next int64) error {
	g := p.generation
	answer, err := p.consumer.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: g.GroupID, GenerationID: int(g.ID), MemberID: g.MemberID,
		Topics: map[string][]kafka.OffsetCommit{p.topic: {{Partition: int(p.id), Offset: next}}},
	})
	if err != nil {
		return fmt.Errorf("commit %s[%d]: %w", p.topic, p.id, err)
	}
	for _, at := range answer.Topics[p.topic] {
		if at.Error != nil {
			return fmt.Errorf("commit %s[%d]: %w", p.topic, p.id, at.Error)
		}
	}
	return nil
}
