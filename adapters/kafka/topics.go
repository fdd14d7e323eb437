package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// Topic is one that the service needs.
type Topic struct {
	Name        string
	Partitions  int           // when it is created; DefaultPartitions when 0
	Replication int           // when it is created; the brokers' default when 0
	Retention   time.Duration // when it is created; the brokers' default when 0
}

// DefaultPartitions of a topic that the service creates.
const DefaultPartitions = 8

// EnsureTopics creates the topics that are missing. Where the service may not create topics it says so and goes on: an
// operator creates them, and reading begins then. An error means that the brokers could not be asked; try again.
func EnsureTopics(ctx context.Context, c Config, topics ...Topic) error {
	if err := c.check(); err != nil {
		return err
	}
	t := c.transport()
	defer t.CloseIdleConnections()
	client := c.client(t)
	missing, err := missingTopics(ctx, client, topics)
	if err != nil || len(missing) == 0 {
		return err
	}
	request := &kafka.CreateTopicsRequest{}
	for _, topic := range missing {
		request.Topics = append(request.Topics, topic.config())
	}
	answer, err := client.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for name, err := range answer.Errors {
		switch {
		case err == nil:
			slog.Info("topic created", "topic", name)
		case errors.Is(err, kafka.TopicAlreadyExists):
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed),
			errors.Is(err, kafka.PolicyViolation):
			slog.Warn("topic is missing and may not be created; create it", "topic", name, "error", err)
		default:
			return fmt.Errorf("create topic %q: %w", name, err)
		}
	}
	return nil
}

func missingTopics(ctx context.Context, client *kafka.Client, topics []Topic) ([]Topic, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", err)
	}
	there := map[string]bool{}
	for _, t := range m.Topics {
		if t.Error == nil {
			there[t.Name] = true
		}
	}
	var missing []Topic
	for _, t := range topics {
		if !there[t.Name] {
			missing = append(missing, t)
		}
	}
	return missing, nil
}

func (t *Topic) config() kafka.TopicConfig {
	c := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replication}
	if t.Partitions == 0 {
		c.NumPartitions = DefaultPartitions
	}
	if t.Replication == 0 {
		c.ReplicationFactor = -1
	}
	if t.Retention > 0 {
		c.ConfigEntries = []kafka.ConfigEntry{
			{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(t.Retention.Milliseconds(), 10)},
		}
	}
	return c
}
