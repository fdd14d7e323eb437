package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Hop is what one exchange with another process takes, one at a time and nothing else under way: what a hop costs at least.
type Hop struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Latency *Latency `json:"latency"`
	CPU     float64  `json:"cpu_us,omitempty"` // of that process, per exchange; 0 where it is not known
}

func (h *Hop) String() string {
	text := fmt.Sprintf("hop to %s, %s: p50 %s ms, p99 %s ms", h.Name, h.What, amount(h.Latency.P50), amount(h.Latency.P99))
	if h.CPU > 0 {
		text += fmt.Sprintf(", processor time there %s µs", amount(h.CPU))
	}
	return text
}

// Names of what the bench itself writes, so that the service leaves it alone: event streams that begin so are of none of its SKUs.
const (
	hopStream = "stockfold-bench-hop"
	hopTopic  = "stockfold-bench-hop"
	hopKey    = "stockfold-bench:{hop}"

	hopWindow = 200 * time.Millisecond // at most
)

// hop makes exchanges with one member.
type hop struct {
	member member
	what   string
	once   call
	close  func() error
}

// measureHops times exchanges with every member, round by round.
func measureHops(ctx context.Context, b *bench, f *Figure) (err error) {
	all, err := b.cluster.hops(ctx, b)
	defer func() {
		for _, h := range all {
			err = errors.Join(err, h.close())
		}
	}()
	if err != nil {
		return err
	}
	timings, used := make([]*clock, len(all)), make([]*meter, len(all))
	for i, h := range all {
		timings[i], used[i] = newClock(), &meter{pid: h.member.pid()}
	}
	for range b.rounds {
		for i, h := range all {
			if err := h.measure(ctx, min(hopWindow, b.window), timings[i], used[i]); err != nil {
				return err
			}
		}
	}
	for i, h := range all {
		f.Hops = append(f.Hops, Hop{Name: h.member.name, What: h.what, Latency: latency(timings[i].histogram()), CPU: used[i].perCall()})
	}
	return nil
}

// measure makes exchanges for a window, one at least.
func (h *hop) measure(ctx context.Context, window time.Duration, timings *clock, used *meter) error {
	return used.around(func() (n int64, err error) {
		for from, end := time.Now(), time.Now().Add(window); n == 0 || from.Before(end); n++ {
			if err := h.once(ctx); err != nil {
				return n, fmt.Errorf("hop to %s: %w", h.member.name, because(ctx, err))
			}
			to := time.Now()
			timings.record(0, to.Sub(from))
			from = to
		}
		return n, nil
	})
}

// openHops connects to every member as the service does, with what the service writes there: the event of a reservation, the document of a SKU, a sale.
func openHops(ctx context.Context, b *bench) (all []hop, err error) {
	for _, m := range b.cluster.members {
		var h hop
		switch m.name {
		case memberEvents:
			h, err = eventHop(ctx, b)
		case memberRedis:
			h, err = redisHop(ctx, b)
		case memberKafka:
			h, err = kafkaHop(ctx, b)
		}
		if err != nil {
			return all, fmt.Errorf("hop to %s: %w", m.name, err)
		}
		h.member = m
		all = append(all, h)
	}
	return all, nil
}

// eventHop appends the last event of a SKU that was reserved, to a stream of the bench's own.
func eventHop(ctx context.Context, b *bench) (h hop, err error) {
	config, err := esdb.ParseConnectionString(b.cluster.EventStore)
	if err != nil {
		return h, err
	}
	config.Logger = func(esdb.LogLevel, string, ...any) {}
	client, err := esdb.NewClient(config)
	if err != nil {
		return h, err
	}
	event, err := lastEvent(ctx, client, "sku-"+b.catalogue.reserve[0])
	if err != nil {
		return h, errors.Join(err, client.Close())
	}
	h.what = fmt.Sprintf("append of an event of %d bytes", len(event.Data)+len(event.Metadata))
	h.close = client.Close
	h.once = func(ctx context.Context) error {
		event.EventID = uuid.New()
		_, err := client.AppendToStream(ctx, hopStream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}, RequiresLeader: true}, event)
		return err
	}
	return h, nil
}

// lastEvent is the newest event of a stream, to be written again.
func lastEvent(ctx context.Context, client *esdb.Client, stream string) (e esdb.EventData, err error) {
	s, err := client.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err != nil {
		return e, fmt.Errorf("read stream %q: %w", stream, err)
	}
	defer s.Close()
	got, err := s.Recv()
	if err != nil {
		return e, fmt.Errorf("read stream %q: %w", stream, err)
	}
	return esdb.EventData{ContentType: esdb.ContentTypeJson, EventType: got.Event.EventType, Data: got.Event.Data, Metadata: got.Event.UserMetadata}, nil
}

// redisHop writes a SKU's values and reads them back, in one pipeline.
func redisHop(ctx context.Context, b *bench) (h hop, err error) {
	options, err := redis.ParseURL(b.cluster.Redis)
	if err != nil {
		return h, err
	}
	client := redis.NewClient(options)
	values, err := client.HGetAll(ctx, "stockfold:sku:{"+b.catalogue.reserve[0]+"}").Result()
	if err == nil && len(values) == 0 {
		err = errors.New("a SKU that was reserved is not there")
	}
	if err != nil {
		return h, errors.Join(err, client.Close())
	}
	h.what, h.close = fmt.Sprintf("pipeline of a write of %d values and a read", len(values)), client.Close
	h.once = func(ctx context.Context) error {
		p := client.Pipeline()
		p.HSet(ctx, hopKey, values)
		got := p.HGetAll(ctx, hopKey)
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		if len(got.Val()) != len(values) {
			return wrong("%d values written to Redis, %d read", len(values), len(got.Val()))
		}
		return nil
	}
	return h, nil
}

// kafkaHop publishes a sale, acknowledged by all replicas, and reads it.
func kafkaHop(ctx context.Context, b *bench) (h hop, err error) {
	if err := makeHopTopic(ctx, b.cluster.Kafka); err != nil {
		return h, err
	}
	one := &pb.Sale{Document: "31520000001", Location: b.catalogue.locations[0], Channel: channels[webChannel].id,
		Lines: []*pb.SaleLine{{Sku: b.catalogue.skus[0], Quantity: 1}}}
	sales, err := messages([]*pb.Sale{one}, time.Now())
	if err != nil {
		return h, err
	}
	w := &kafka.Writer{Addr: kafka.TCP(b.cluster.Kafka), Topic: hopTopic, RequiredAcks: kafka.RequireAll, BatchSize: 1}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.cluster.Kafka}, Topic: hopTopic, Partition: 0, MinBytes: 1, MaxBytes: readMaxBytes, MaxWait: readMaxWait})
	h.what = fmt.Sprintf("publish a message of %d bytes and read it", len(sales[0].Value))
	h.close = func() error { return errors.Join(w.Close(), r.Close()) }
	h.once = func(ctx context.Context) error {
		if err := w.WriteMessages(ctx, sales[0]); err != nil {
			return err
		}
		m, err := r.ReadMessage(ctx)
		if err == nil && len(m.Value) != len(sales[0].Value) {
			err = wrong("%d bytes published to Kafka, %d read", len(sales[0].Value), len(m.Value))
		}
		return err
	}
	return h, nil
}

// makeHopTopic makes the topic of one partition when there is none.
func makeHopTopic(ctx context.Context, broker string) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: kafkaTimeout, Transport: transport}
	reply, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: hopTopic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err == nil {
		err = reply.Errors[hopTopic]
	}
	if errors.Is(err, kafka.TopicAlreadyExists) {
		return nil
	}
	return err
}
