package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"github.com/stockfold/stockfold/services/ingest"
)

// Times of the consumer group. A process that dies is noticed after sessionTimeout, the least that brokers
// allow unless told otherwise: its partitions are taken over well within 10 s. One that takes part in a rebalance
// has as long to finish what it began, since it sends no heartbeats meanwhile.
const (
	heartbeatInterval = time.Second
	sessionTimeout    = 6 * time.Second
	rebalanceTimeout  = 15 * time.Second
	joinBackoff       = 300 * time.Millisecond
	groupTimeout      = 4 * time.Second // of a request to the group's coordinator, beside what joining waits for
	watchInterval     = 5 * time.Second // for topics that get more partitions
)

// maxPassing is how many tries in a row a group may refuse in passing before that is trouble.
const maxPassing = 10

// Consumer reads topics as one of a group.
type Consumer struct {
	config Config
	group  string
	topics []string

	transport *kafka.Transport
	client    *kafka.Client
	identity  *identity
}

var _ ingest.Consumer = (*Consumer)(nil)

// NewConsumer returns a consumer of topics in a group. It does not connect yet. Close it.
func NewConsumer(c Config, group string, topics ...string) (*Consumer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if group == "" || len(topics) == 0 {
		return nil, errors.New("a Kafka consumer needs a group and at least one topic")
	}
	x := &Consumer{config: c, group: group, topics: topics, transport: c.Transport()}
	x.client = c.client(x.transport)
	var err error
	x.identity, err = newIdentity(&c)
	return x, err
}

// Close closes the connections. Call it after Run has returned.
func (x *Consumer) Close() error {
	x.identity.close()
	x.transport.CloseIdleConnections()
	return nil
}

// Run takes part in the group until ctx ends; see ingest.Consumer.
func (x *Consumer) Run(ctx context.Context, handle func(context.Context, ingest.Partition), trouble func(error)) error {
	known, err := x.partitions(ctx)
	if err != nil {
		known = map[string]int{} // everything is new then, and assigned twice
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: x.group, Brokers: x.config.Brokers, Dialer: x.config.dialer(), Topics: x.topics,
		HeartbeatInterval: heartbeatInterval, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: joinBackoff, Timeout: groupTimeout,
		GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}},
	})
	if err != nil {
		return fmt.Errorf("consumer group %q: %w", x.group, err)
	}
	defer group.Close() // ends the generation, waits for its partitions, and leaves the group
	for tries := 1; ; tries++ {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && passing(err) && tries <= maxPassing:
			continue
		case err != nil:
			trouble(fmt.Errorf("consumer group %q: %w", x.group, explain(err)))
			continue
		}
		tries = 0
		trouble(absent(known))
		x.start(ctx, generation, known, handle)
	}
}

// start hands out the partitions of a generation. The generation ends, and is waited for, before there is another one.
func (x *Consumer) start(ctx context.Context, g *kafka.Generation, known map[string]int, handle func(context.Context, ingest.Partition)) {
	for topic, assigned := range g.Assignments {
		for _, a := range assigned {
			p := &partition{consumer: x, generation: g, topic: topic, id: int32(a.ID)}
			g.Start(func(generation context.Context) {
				ctx, cancel := whileBoth(ctx, generation)
				defer cancel()
				handle(ctx, p)
				<-generation.Done() // a partition that is done before its time must not end the others
			})
		}
	}
	g.Start(func(generation context.Context) { x.watch(generation, known) })
}

// absent is the trouble that a topic is not there; nil when all are. It does not hinder the others.
func absent(known map[string]int) error {
	var missing []string
	for topic, partitions := range known {
		if partitions == 0 {
			missing = append(missing, topic)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("topics are missing: create %s, and reading begins by itself", strings.Join(missing, ", "))
}

// whileBoth ends when either ends.
func whileBoth(ctx, generation context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(generation, cancel)
	return both, func() {
		stop()
		cancel()
	}
}

// watch ends the generation when a topic has another number of partitions than was known before the group was joined,
// so that they are assigned anew. The group library's own watch starts generation after generation, without a pause,
// when a topic does not exist.
func (x *Consumer) watch(ctx context.Context, known map[string]int) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		if now, err := x.partitions(ctx); err == nil && !maps.Equal(now, known) {
			maps.Copy(known, now)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// partitions counts the partitions of each topic; a topic that does not exist has none.
func (x *Consumer) partitions(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	m, err := x.client.Metadata(ctx, &kafka.MetadataRequest{Topics: x.topics})
	if err != nil {
		return nil, fmt.Errorf("metadata of %v: %w", x.topics, err)
	}
	n := make(map[string]int, len(m.Topics))
	for _, t := range m.Topics {
		if t.Error != nil && !errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("metadata of topic %q: %w", t.Name, t.Error)
		}
		n[t.Name] = len(t.Partitions)
	}
	return n, nil
}
