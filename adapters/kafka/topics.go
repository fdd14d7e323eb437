package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// Topic is one that the service needs.
type Topic struct {
	Name        string
	Partitions  int           // when it is created; DefaultPartitions when 0
	Replication int           // when it is created; as many as the cluster allows, up to DefaultReplication, when 0
	Retention   time.Duration // when it is created; the brokers' default when 0
}

// Of a topic that the service creates.
const (
	DefaultPartitions  = 8
	DefaultReplication = 3
)

// appearTimeout bounds waiting for topics that were created to be known to the broker that is asked.
const appearTimeout = 5 * time.Second

// EnsureTopics creates the topics that are missing: their messages are kept for a time and never compacted, on as many
// brokers as there are, up to three, and are acknowledged once all of these but one have them. Where the service may not
// create topics it says so and goes on: an operator creates them, and reading begins then. An error means that the brokers could
// not be asked, or cannot create them yet; try again.
func EnsureTopics(ctx context.Context, c Config, topics ...Topic) error {
	if err := c.check(); err != nil {
		return err
	}
	t := c.Transport()
	defer t.CloseIdleConnections()
	client := c.client(t)
	missing, err := missingTopics(ctx, client, topics)
	if err != nil || len(missing) == 0 {
		return err
	}
	replication, err := replicationOf(ctx, client)
	if err != nil {
		return err
	}
	request := &kafka.CreateTopicsRequest{}
	for i := range missing {
		missing[i].setDefaults(replication)
		request.Topics = append(request.Topics, missing[i].config())
	}
	answer, err := client.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	created := missing[:0]
	for _, topic := range missing {
		switch err := answer.Errors[topic.Name]; {
		case err == nil:
			c.log().Info("topic created", topic.attrs()...)
			created = append(created, topic)
		case errors.Is(err, kafka.TopicAlreadyExists):
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed),
			errors.Is(err, kafka.PolicyViolation):
			c.log().Warn("topic is missing and this user may not create it (or may not see it); create it, and reading begins by itself",
				append(topic.attrs(), "error", err)...)
		default:
			return fmt.Errorf("create topic %q with %d replicas: %w", topic.Name, topic.Replication, err)
		}
	}
	return awaitTopics(ctx, client, created)
}

// replicationOf is on how many brokers a new topic is best kept: as the brokers have it by default when that is more
// than one, and else as many as there are, up to DefaultReplication.
func replicationOf(ctx context.Context, client *kafka.Client) (int, error) {
	m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{}})
	if err != nil {
		return 0, fmt.Errorf("look up brokers: %w", err)
	}
	if len(m.Brokers) == 0 {
		return 0, errors.New("look up brokers: the cluster names none")
	}
	const setting = "default.replication.factor"
	answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(m.Brokers[0].ID), ConfigNames: []string{setting},
	}}})
	if err == nil { // who may not ask for it does without
		for _, r := range answer.Resources {
			for _, e := range r.ConfigEntries {
				if n, err := strconv.Atoi(e.ConfigValue); err == nil && e.ConfigName == setting && n > 1 {
					return n, nil
				}
			}
		}
	}
	return min(len(m.Brokers), DefaultReplication), nil
}

// awaitTopics waits until topics that were just created are known, so that whoever uses them next finds them. If they
// are not, that is found out there.
func awaitTopics(ctx context.Context, client *kafka.Client, topics []Topic) error {
	limited, cancel := context.WithTimeout(ctx, appearTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if missing, err := missingTopics(limited, client, topics); err == nil && len(missing) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-limited.Done():
			return ctx.Err()
		}
	}
}

func missingTopics(ctx context.Context, client *kafka.Client, topics []Topic) ([]Topic, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", explain(err))
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

func (t *Topic) setDefaults(replication int) {
	if t.Partitions == 0 {
		t.Partitions = DefaultPartitions
	}
	if t.Replication == 0 {
		t.Replication = replication
	}
}

// insync is how many brokers must have a message before it is acknowledged: one may be away.
func (t *Topic) insync() int { return max(1, min(t.Replication-1, 2)) }

func (t *Topic) config() kafka.TopicConfig {
	c := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replication,
		ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "cleanup.policy", ConfigValue: "delete"}, // every message counts, not only the last of a key
			{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(t.insync())},
		}}
	if t.Retention > 0 {
		c.ConfigEntries = append(c.ConfigEntries,
			kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(t.Retention.Milliseconds(), 10)})
	}
	return c
}

// attrs tell in the log what a topic is, or is to be, like.
func (t *Topic) attrs() []any {
	attrs := []any{"topic", t.Name, "partitions", t.Partitions, "replicas", t.Replication, "min_insync_replicas", t.insync()}
	if t.Retention > 0 {
		attrs = append(attrs, "retention", t.Retention.String())
	}
	return attrs
}
