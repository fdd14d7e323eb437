package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Members of a cluster, as reports name them.
const (
	memberEvents = "event store"
	memberRedis  = "Redis"
	memberKafka  = "Kafka"
)

// Bounds of a cluster's start.
const (
	clusterTimeout   = 60 * time.Second
	clusterPollEvery = 20 * time.Millisecond
)

// Stores says where the service keeps its data when that is not within its own process; empty for each that is.
type Stores struct {
	EventStore string // URL, esdb://…
	Redis      string // URL, redis://…
	Kafka      string // address of a broker
}

// cluster are the stores that the service has in production, as processes of their own on this machine: an event store that speaks
// EventStoreDB's protocol, Redis, and Kafka.
type cluster struct {
	Stores
	members []member
	notes   []string // what they are, and what is missing here
	noRedis bool
	hops    func(ctx context.Context, b *bench) ([]hop, error)
}

// member is a server; child is nil when it was there before.
type member struct {
	name  string
	child *child
}

// startCluster starts what is to be had. Without Redis the service keeps its documents itself; without Apache Kafka the embedded broker is run as a process
// of its own.
func startCluster(ctx context.Context, p Programs, o Options, dir string) (started *cluster, err error) {
	c := &cluster{hops: openHops}
	defer func() {
		if err != nil {
			started, err = nil, errors.Join(err, c.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, start := range []func(context.Context, Programs, Options, string) error{c.startEvents, c.startRedis, c.startKafka} {
		if err := start(ctx, p, o, dir); err != nil {
			return nil, because(ctx, err)
		}
	}
	return c, nil
}

// add starts a member and waits until it answers.
func (c *cluster) add(ctx context.Context, name, executable string, args []string, dir string, answers func(context.Context) error) error {
	child, err := startChild(name, executable, args, nil, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".log"))
	if err != nil {
		return err
	}
	c.members = append(c.members, member{name, child})
	ctx, unwatch := child.watch(ctx)
	defer unwatch()
	ticks := time.NewTicker(clusterPollEvery)
	defer ticks.Stop()
	for {
		last := answers(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to answer: %w; last: %v%s", name, context.Cause(ctx), last, child.tail())
		case <-ticks.C:
		}
	}
}

// startEvents uses the EventStoreDB that was named, or starts the embedded store behind its protocol.
func (c *cluster) startEvents(ctx context.Context, p Programs, o Options, dir string) error {
	if o.EventStore != "" {
		c.EventStore = o.EventStore
		c.members = append(c.members, member{name: memberEvents})
		c.notes = append(c.notes, "EventStoreDB at "+hostOf(o.EventStore))
		return nil
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	c.EventStore = "esdb://" + ports[0] + "?tls=false"
	c.notes = append(c.notes, "the embedded event store as a process of its own, behind EventStoreDB's protocol")
	return c.add(ctx, memberEvents, p.Executable, p.EventStore(filepath.Join(dir, "eventstore"), ports[0]), dir, func(ctx context.Context) error {
		return healthy(ctx, ports[0])
	})
}

// hostOf is where a URL points, without what is secret in it.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the address given"
	}
	return u.Host
}

// healthy asks a gRPC server how it is.
func healthy(ctx context.Context, address string) error {
	cc, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer cc.Close()
	h, err := grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil && h.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		err = fmt.Errorf("it is %s", h.Status)
	}
	return err
}

// startRedis starts a server that saves nothing: documents can be built again.
func (c *cluster) startRedis(ctx context.Context, _ Programs, _ Options, dir string) error {
	executable, err := exec.LookPath("redis-server")
	if err != nil {
		c.noRedis = true
		c.notes = append(c.notes, "Redis is missing: redis-server is not installed here, and the service keeps its documents itself")
		return nil
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(ports[0], ":")
	c.Redis = "redis://" + ports[0]
	client := redis.NewClient(&redis.Options{Addr: ports[0]})
	defer client.Close()
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no"}
	if err := c.add(ctx, memberRedis, executable, args, dir, func(ctx context.Context) error { return client.Ping(ctx).Err() }); err != nil {
		return err
	}
	c.notes = append(c.notes, "Redis "+redisVersion(ctx, client))
	return nil
}

// redisVersion is what a server says that it is.
func redisVersion(ctx context.Context, client *redis.Client) string {
	text, _ := client.Info(ctx, "server").Result()
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return "of unknown version"
}

// startKafka starts an Apache Kafka where there is one, else the embedded broker.
func (c *cluster) startKafka(ctx context.Context, p Programs, o Options, dir string) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	c.Kafka = ports[0]
	answers := func(ctx context.Context) error { return brokerAnswers(ctx, ports[0]) }
	a, missing := findApacheKafka(o.KafkaLibs)
	if missing != nil {
		c.notes = append(c.notes, "the embedded broker as a process of its own for Kafka, since Apache Kafka is missing: "+missing.Error())
		return c.add(ctx, memberKafka, p.Executable, p.Broker(filepath.Join(dir, "broker"), ports[0]), dir, answers)
	}
	args, err := a.prepare(ctx, filepath.Join(dir, "kafka"), ports[0], ports[1])
	if err != nil {
		return err
	}
	c.notes = append(c.notes, "Apache Kafka "+a.version+", one node")
	return c.add(ctx, memberKafka, a.java, args, dir, answers)
}

func brokerAnswers(ctx context.Context, address string) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(address), Timeout: kafkaTimeout, Transport: transport}
	reply, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err == nil && len(reply.Brokers) == 0 {
		err = errors.New("no broker is registered yet")
	}
	return err
}

// close ends all members. What they hold is thrown away with the run's data, so nobody waits for them to store it.
func (c *cluster) close() error {
	var errs []error
	for i := len(c.members) - 1; i >= 0; i-- {
		if m := c.members[i]; m.child != nil {
			errs = append(errs, m.child.kill())
		}
	}
	return errors.Join(errs...)
}

// pid is a member's process; 0 when it is not the bench's.
func (m member) pid() int {
	if m.child == nil {
		return 0
	}
	return m.child.pid()
}
