package load

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Fact is one message to publish.
type Fact struct {
	Kind   string // "movement", "sale", "order" or "policy"
	Data   []byte // the message of the contract as JSON
	Source string
	ID     string // a new one when empty
	At     time.Time

	Type, Key, Sequence string // of a message about rules: its CloudEvent's type, what it is about, and its source's number of it
}

// PublishOne publishes one fact as a CloudEvent in binary mode, and says where it lies.
func PublishOne(ctx context.Context, to Brokers, f Fact) (string, error) {
	m, err := f.message()
	if err != nil {
		return "", err
	}
	p := newPublisher(to)
	defer p.close()
	if err := p.add(ctx, m); err != nil {
		return "", err
	}
	if err := p.flush(ctx); err != nil {
		return "", err
	}
	for at, span := range p.where() {
		return fmt.Sprintf("published to %s, partition %d, offset %d, as %s", at.topic, at.number, span.first, headerValue(m, "ce_id")), nil
	}
	return "", fmt.Errorf("the brokers did not acknowledge the message")
}

func (f Fact) message() (kafka.Message, error) {
	if f.ID == "" {
		f.ID = uuid.NewString()
	}
	m := kafka.Message{Value: f.Data}
	switch f.Kind {
	case "movement":
		var x pb.Movement
		if err := protojson.Unmarshal(f.Data, &x); err != nil {
			return m, fmt.Errorf("data is not a Movement in JSON: %w", err)
		}
		m.Topic, m.Key, m.Headers = MovementsTopic, []byte(x.Sku), cloudEvent(movementType, f.Source, f.ID, f.At)
	case "sale":
		var x pb.Sale
		if err := protojson.Unmarshal(f.Data, &x); err != nil {
			return m, fmt.Errorf("data is not a Sale in JSON: %w", err)
		}
		m.Topic, m.Key, m.Headers = SalesTopic, []byte(x.Location), cloudEvent(saleType, f.Source, f.ID, f.At)
	case "order":
		var x pb.OrderMessage
		if err := protojson.Unmarshal(f.Data, &x); err != nil {
			return m, fmt.Errorf("data is not an OrderMessage in JSON: %w", err)
		}
		m.Topic, m.Key, m.Headers = OrdersTopic, []byte(x.OrderId), cloudEvent(orderType, f.Source, f.ID, f.At)
	case "policy":
		m.Topic, m.Key, m.Headers = PolicyTopic, []byte(f.Key), cloudEvent(f.Type, f.Source, f.ID, f.At)
	default:
		return m, fmt.Errorf("kind %q must be movement, sale, order or policy", f.Kind)
	}
	if f.Sequence != "" {
		m.Headers = append(m.Headers, kafka.Header{Key: "ce_sequence", Value: []byte(f.Sequence)})
	}
	return m, nil
}

func headerValue(m kafka.Message, key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
