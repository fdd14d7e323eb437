package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"github.com/stockfold/stockfold/services/publication"
)

// How messages are written: a batch goes out when it is full, or a few milliseconds after its first message.
const (
	writeBatchTime  = 3 * time.Millisecond
	writeBatchSize  = 128       // the writer makes room for so many in every batch, however few it gets
	writeBatchBytes = 900 << 10 // brokers take batches of about 1 MiB by default
	writeAttempts   = 5
	writeTimeout    = 10 * time.Second
)

// Message is a message to be published.
type Message = publication.Message

// Producer publishes messages. It is safe for concurrent use.
type Producer struct {
	transport *kafka.Transport
	writer    *kafka.Writer
}

var _ publication.Producer = (*Producer)(nil)

// NewProducer returns a producer. It does not connect yet. Close it.
func NewProducer(c Config) (*Producer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := c.Transport()
	return &Producer{transport: t, writer: &kafka.Writer{
		Addr: c.addr(), Transport: t, Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: writeBatchTime, BatchSize: writeBatchSize, BatchBytes: writeBatchBytes,
		MaxAttempts: writeAttempts, WriteTimeout: writeTimeout, ReadTimeout: writeTimeout,
		Completion:      place,
		WriteBackoffMin: 20 * time.Millisecond, WriteBackoffMax: time.Second,
	}}, nil
}

// Publish writes messages and returns once all in-sync replicas have them. Messages of one key go to one partition, as
// Java clients choose it, and keep their order. After an error some of them may have been written.
func (p *Producer) Publish(ctx context.Context, messages []Message) error {
	batch := make([]kafka.Message, len(messages))
	for i := range messages {
		m := &messages[i]
		batch[i] = kafka.Message{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: headers(m.Headers), WriterData: m}
	}
	err := p.writer.WriteMessages(ctx, batch...)
	var many kafka.WriteErrors
	if errors.As(err, &many) {
		for _, one := range many {
			if one != nil {
				return fmt.Errorf("%d of %d messages not written, the first: %w", many.Count(), len(messages), one)
			}
		}
	}
	return err
}

// place says in each message where it is. It is called before WriteMessages returns.
func place(written []kafka.Message, err error) {
	if err != nil {
		return
	}
	for i := range written {
		if m, ok := written[i].WriterData.(*Message); ok {
			m.Partition, m.Offset = int32(written[i].Partition), written[i].Offset
		}
	}
}

func headers(list []publication.Header) []kafka.Header {
	if len(list) == 0 {
		return nil
	}
	out := make([]kafka.Header, len(list))
	for i, h := range list {
		out[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return out
}

// Close writes what is waiting and closes the connections.
func (p *Producer) Close() error {
	err := p.writer.Close()
	p.transport.CloseIdleConnections()
	return err
}
