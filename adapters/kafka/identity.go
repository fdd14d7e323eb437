package kafka

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// identity asks brokers for the ids of topics. A topic that is deleted and created again has another id, which is the
// only sure way to know it from the one before; kafka-go's metadata requests are too old to carry ids, so this one
// request goes through franz-go.
type identity struct{ client *kgo.Client }

// idsSince is the version of the metadata request from which brokers tell ids (Kafka 2.8).
const idsSince = 10

func newIdentity(c *Config) (*identity, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID(c.clientID()), kgo.DialTimeout(dialTimeout),
		kgo.RetryTimeout(requestTimeout), kgo.RequestTimeoutOverhead(requestTimeout),
	}
	if c.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(c.TLS))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("client of Kafka: %w", err)
	}
	return &identity{client: client}, nil
}

// topic returns the id of a topic as text, "" when the broker does not tell.
func (x *identity) topic(ctx context.Context, name string) (string, error) {
	r := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(name)
	r.Topics = append(r.Topics, t)
	answer, err := r.RequestWith(ctx, x.client)
	if err != nil {
		return "", fmt.Errorf("identity of topic %q: %w", name, err)
	}
	if answer.Version < idsSince {
		return "", nil
	}
	for _, t := range answer.Topics {
		if t.Topic == nil || *t.Topic != name {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil { // of a topic that is just being made anew, too: not to be taken for the old one
			return "", fmt.Errorf("identity of topic %q: %w", name, err)
		}
		if t.TopicID != [16]byte{} {
			return hex.EncodeToString(t.TopicID[:]), nil
		}
	}
	return "", nil
}

func (x *identity) close() { x.client.Close() }
