package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Settings of the Kafka clients.
const (
	kafkaTimeout   = 30 * time.Second
	publishBatch   = 1_000 // messages
	publishLinger  = 2 * time.Millisecond
	readMaxBytes   = 8 << 20
	readMaxWait    = 100 * time.Millisecond
	readQueue      = 1_000 // messages that the reader keeps ready
	topicTries     = 100   // of looking for the topic while the broker starts
	topicTriesEach = 50 * time.Millisecond
)

// span is a run of offsets of one partition.
type span struct {
	partition   int
	from, until int64
}

// ends returns the end of every partition of the sales topic, as spans of no messages.
func ends(ctx context.Context, broker string) ([]span, error) {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: kafkaTimeout, Transport: transport}
	partitions, err := salesPartitions(ctx, client)
	if err != nil {
		return nil, err
	}
	ask := make([]kafka.OffsetRequest, len(partitions))
	for i, p := range partitions {
		ask[i] = kafka.LastOffsetOf(p.ID)
	}
	reply, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{salesTopic: ask}})
	if err != nil {
		return nil, fmt.Errorf("list offsets of %s: %w", salesTopic, err)
	}
	var spans []span
	for _, p := range reply.Topics[salesTopic] {
		if p.Error != nil {
			return nil, fmt.Errorf("list offsets of %s, partition %d: %w", salesTopic, p.Partition, p.Error)
		}
		spans = append(spans, span{p.Partition, p.LastOffset, p.LastOffset})
	}
	return spans, nil
}

// salesPartitions finds the topic, which a broker that has just started may not know yet.
func salesPartitions(ctx context.Context, client *kafka.Client) ([]kafka.Partition, error) {
	ticks := time.NewTicker(topicTriesEach)
	defer ticks.Stop()
	var last error
	for range topicTries {
		reply, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{salesTopic}})
		if last = err; err == nil && len(reply.Topics) == 1 {
			if last = reply.Topics[0].Error; last == nil && len(reply.Topics[0].Partitions) > 0 {
				return reply.Topics[0].Partitions, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticks.C:
		}
	}
	return nil, fmt.Errorf("topic %s is not there: %w", salesTopic, last)
}

// publish writes messages to the sales topic, acknowledged, and returns which offsets they took.
func publish(ctx context.Context, broker string, all []kafka.Message) ([]span, error) {
	spans, err := ends(ctx, broker)
	if err != nil {
		return nil, err
	}
	w := &kafka.Writer{Addr: kafka.TCP(broker), Topic: salesTopic, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchSize: publishBatch, BatchTimeout: publishLinger}
	if err := errors.Join(w.WriteMessages(ctx, all...), w.Close()); err != nil {
		return nil, fmt.Errorf("publish %d sales: %w", len(all), err)
	}
	after, err := ends(ctx, broker)
	if err != nil {
		return nil, err
	}
	published := int64(0)
	for i := range spans {
		for _, a := range after {
			if a.partition == spans[i].partition {
				spans[i].until = a.until
			}
		}
		published += spans[i].until - spans[i].from
	}
	if published != int64(len(all)) {
		return nil, fmt.Errorf("published %d sales, the topic grew by %d", len(all), published)
	}
	return spans, nil
}

// readAndDiscard reads the spans with kafka-go, all partitions at once, and returns how long that took.
func readAndDiscard(ctx context.Context, broker string, spans []span) (time.Duration, error) {
	from := time.Now()
	err := parallel(ctx, len(spans), func(ctx context.Context, i int) error {
		s := spans[i]
		if s.from == s.until {
			return nil
		}
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: salesTopic, Partition: s.partition,
			MinBytes: 1, MaxBytes: readMaxBytes, MaxWait: readMaxWait, QueueCapacity: readQueue})
		defer r.Close()
		if err := r.SetOffset(s.from); err != nil {
			return fmt.Errorf("read %s, partition %d: %w", salesTopic, s.partition, err)
		}
		for next := s.from; next < s.until; {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				return fmt.Errorf("read %s, partition %d: %w", salesTopic, s.partition, err)
			}
			next = m.Offset + 1
		}
		return nil
	})
	return time.Since(from), err
}
