package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/stockfold/stockfold/adapters/broker"
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/services/expiry"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/periods"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/publication"
	"github.com/stockfold/stockfold/services/reallocation"
	"github.com/stockfold/stockfold/services/reconciliation"
	"github.com/stockfold/stockfold/services/stock"
)

// Pauses between tries to have the topics, doubled each time.
const (
	firstTopicsPause = 100 * time.Millisecond
	lastTopicsPause  = 5 * time.Second
)

// topicRetention is how long topics that the service creates keep messages: so long it may be down without losing any, and
// so long may whoever reads what it publishes.
const topicRetention = 14 * 24 * time.Hour

// work is what a node does by itself.
type work struct {
	kafka          kafka.Config
	recorder       *stock.Recorder
	desk           *ingest.DeadLetterDesk
	orderService   *orders.Service
	policyService  *policy.Service
	reconciliation *reconciliation.Service
	ingest         *ingest.Service      // nil without the role
	publication    *publication.Service // nil without the role
	expiry         *expiry.Process      // nil without the role
	reallocation   *reallocation.Process
}

// startBroker starts the embedded broker, when this node needs one and no other is named.
func (n *Node) startBroker(context.Context) error {
	if !n.config.has(RoleIngest) && !n.config.has(RolePublish) {
		return nil
	}
	var err error
	if n.kafka, err = n.config.kafka(); err != nil {
		return err
	}
	n.kafka.Log = n.log
	if n.Brokers = n.kafka.Brokers; len(n.Brokers) > 0 {
		return nil
	}
	reader := ingest.Group(n.events.ID())
	b, err := broker.Start(broker.Options{Dir: filepath.Join(n.config.Data, brokerFolder), Addr: n.config.Broker, Log: n.log,
		Topics: []broker.Topic{
			{Name: ingest.TopicMovements, Reader: reader},
			{Name: ingest.TopicSales, Reader: reader},
			{Name: ingest.TopicOrders, Reader: reader},
			{Name: ingest.TopicPolicy, Reader: reader},
			{Name: ingest.TopicSnapshots, Reader: reader},
			{Name: publication.Topic},
		}})
	var taken *broker.InUseError
	if errors.As(err, &taken) {
		return portTaken("broker", taken.Addr)
	}
	if err != nil {
		return err
	}
	n.Brokers = []string{b.Addr()}
	n.kafka.Brokers = n.Brokers
	n.parts.add("embedded broker", func(context.Context) error { return b.Close() })
	return nil
}

// startWork starts expiry, publication and ingest.
func (n *Node) startWork(ctx context.Context) error {
	n.recorder = stock.NewRecorder(n.skus, n.policies, stock.Options{AcceptUnknownLocations: n.config.AcceptUnknownLocations, Now: now})
	n.desk = ingest.NewDeadLetterDesk(n.letters, n.recorder, now, n.log)
	n.policies.OnChange(n.desk.PolicyChanged)
	n.orderService = orders.New(orders.Config{Orders: n.orders, SKUs: n.skus, Recorder: n.recorder, Policies: n.policies,
		Index: n.orderIndex, Tokens: n.tokens, Now: now, Log: n.log})
	n.desk.Orders = n.orderService
	n.policyService = policy.New(policy.Config{SKUs: n.skus, Channels: n.channels, Locations: n.locations, Rules: n.rules, Directory: n.policies,
		Items: n.availability, Tokens: n.tokens, Now: now})
	n.desk.Policies = n.policyService
	n.makeReconciliation()
	if n.config.has(RoleAPI) || n.config.has(RoleIngest) { // by either, facts come in; neither waits for Kafka
		n.parts.loop("dead letters", n.fail, n.desk.Run)
	}
	if n.config.has(RoleExpire) {
		n.expiry = expiry.New(expiry.Config{Index: n.reservations, SKUs: n.skus, Now: now, Log: n.log})
		n.parts.loop("expiry", n.fail, n.expiry.Run)
		n.parts.loop("orders", n.fail, orders.NewProcess(n.orderService, n.orderIndex).Run)
		n.parts.loop("periods", n.fail, periods.New(periods.Config{Directory: n.policies, View: n.availability, SKUs: n.skus,
			Rules: n.rules, Now: now, Log: n.log}).Run)
		n.reallocation = reallocation.New(reallocation.Config{Directory: n.policies, View: n.availability, Index: n.reservations, SKUs: n.skus,
			Now: now, Log: n.log})
		n.parts.loop("reallocation", n.fail, n.reallocation.Run)
	}
	if n.config.has(RolePublish) {
		if err := n.startPublication(); err != nil {
			return err
		}
	}
	n.startReconciliation()
	if n.config.has(RoleIngest) {
		return n.startIngest()
	}
	return nil
}

func (n *Node) startPublication() error {
	producer, err := kafka.NewProducer(n.kafka)
	if err != nil {
		return err
	}
	n.parts.add("producer", func(context.Context) error { return producer.Close() })
	n.publication = publication.New(publication.Config{Changes: n.availability, Producer: producer, Checkpoints: n.events, Records: n.published, Log: n.log})
	publish := n.publication.Run
	if n.config.shared() {
		if publish, err = n.publishInTurn(); err != nil {
			return err
		}
	}
	n.parts.loop("publication", n.fail, func(ctx context.Context) error {
		if err := n.awaitTopics(ctx, n.newsOf("changes cannot be published, will try again"), publication.Topic); err != nil {
			return err
		}
		return publish(ctx)
	})
	return nil
}

// publishInTurn has one of the replicas publish: the one that is assigned the topic's first partition in a consumer group
// made for that. When it is gone another goes on from the saved position.
func (n *Node) publishInTurn() (func(context.Context) error, error) {
	turn, err := kafka.NewConsumer(n.kafka, ingest.Group(n.events.ID())+"-publication", publication.Topic)
	if err != nil {
		return nil, err
	}
	n.parts.add("turns of publication", func(context.Context) error { return turn.Close() })
	return func(ctx context.Context) error {
		return turn.Run(ctx, func(ctx context.Context, p ingest.Partition) {
			if p.ID() != 0 {
				return
			}
			n.log.Info("this replica publishes changes of availability")
			_ = n.publication.Run(ctx) // it ends with the turn
		}, n.newsOf("whose turn it is to publish cannot be found out, will try again"))
	}, nil
}

func (n *Node) startIngest() error {
	consumer, err := kafka.NewConsumer(n.kafka, ingest.Group(n.events.ID()), ingest.Topics()...)
	if err != nil {
		return err
	}
	n.parts.add("consumer", func(context.Context) error { return consumer.Close() })
	n.ingest = ingest.New(ingest.Config{Consumer: consumer, Recorder: n.recorder, Orders: n.orderService, Policies: n.policyService, Snapshots: n.reconciliation, Desk: n.desk, Offsets: n.events, Now: now, Log: n.log})
	n.parts.loop("ingest", n.fail, func(ctx context.Context) error {
		if err := n.awaitTopics(ctx, n.ingest.NoteTrouble, ingest.Topics()...); err != nil {
			return err
		}
		return n.ingest.Run(ctx)
	})
	return nil
}

// newsOf logs trouble that is another than before; nil ends it.
func (n *Node) newsOf(what string) func(error) {
	last := ""
	return func(err error) {
		if err == nil {
			last = ""
		} else if text := err.Error(); text != last {
			last = text
			n.log.Warn(what, "error", err)
		}
	}
}

// awaitTopics tries until the brokers have the topics, or may not create them, and tells of the trouble meanwhile. Brokers
// that are down do not keep the rest of the service from working.
func (n *Node) awaitTopics(ctx context.Context, trouble func(error), names ...string) error {
	topics := make([]kafka.Topic, len(names))
	for i, name := range names {
		topics[i] = kafka.Topic{Name: name, Retention: topicRetention}
	}
	for pause := firstTopicsPause; ; pause = min(2*pause, lastTopicsPause) {
		err := kafka.EnsureTopics(ctx, n.kafka, topics...)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		trouble(fmt.Errorf("ask Kafka's brokers %s for topics: %w", strings.Join(n.Brokers, ","), err))
		timer := time.NewTimer(pause - rand.N(pause/4))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
