package replicas

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// patience bounds every wait for what must come; no test depends on how long it takes.
const patience = 90 * time.Second

// pollEvery is how often is looked for what must come.
const pollEvery = 20 * time.Millisecond

// root is the top of the working copy, seen from this package.
const root = "../../.."

// cluster is some replicas and what they share.
type cluster struct {
	t        *testing.T
	dir      string
	store    *program
	storeURL string
	kafka    *kafkatest.Node
	redis    *redistest.Server
	replicas []*replica
	peers    []string // addresses of replicas that hand SKUs to each other

	certificates *redistest.Certificates // of replicas that do so on a port of their own
}

// startShared starts the event store, Kafka and Redis, without replicas yet.
func startShared(t *testing.T, binary string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), redis: redistest.Start(t)}
	addr := freeAddresses(t, 1)[0]
	c.storeURL = "esdb://" + addr + "?tls=false"
	c.store = newProgram(t, binary, "event store", "eventstore", "--data", filepath.Join(c.dir, "store"), "--listen", addr)
	c.store.start()
	c.kafka = kafkatest.Start(t, kafkatest.Options{})
	return c
}

// add starts one more replica, of a binary, with further settings.
func (c *cluster) add(binary string, settings ...string) *replica {
	c.t.Helper()
	r := c.prepare(binary, append([]string{"--redis", "redis://" + c.redis.Addr(), "--kafka-brokers", c.kafka.Addr}, settings...)...)
	c.replicas = append(c.replicas, r)
	r.start()
	return r
}

// prepare prepares a process on the shared event store.
func (c *cluster) prepare(binary string, settings ...string) *replica {
	c.t.Helper()
	name := fmt.Sprint("replica ", len(c.replicas)+1)
	addrs := freeAddresses(c.t, 4)
	if n := len(c.replicas); n < len(c.peers) {
		settings = append(settings, "--peers", strings.Join(c.peers, ","))
		if x := c.certificates; x != nil {
			settings = append(settings, "--peer-listen", c.peers[n], "--peer-tls-ca", x.CA, "--peer-tls-cert", x.Cert, "--peer-tls-key", x.Key)
		} else {
			addrs[0] = c.peers[n]
		}
	}
	args := append([]string{"serve", "--data", filepath.Join(c.t.TempDir(), "data"), "--eventstore", c.storeURL,
		"--grpc", addrs[0], "--rest", addrs[1], "--metrics", addrs[2], "--broker", addrs[3]}, settings...)
	called := &called{methods: map[string]bool{}}
	conn, err := grpc.NewClient("passthrough:///"+addrs[0], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(called.unary), grpc.WithStreamInterceptor(called.stream),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
			Backoff: backoff.Config{BaseDelay: pollEvery, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}}))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return &replica{program: newProgram(c.t, binary, name, args...), grpc: addrs[0], rest: addrs[1], metrics: addrs[2],
		data: args[2], called: called, health: grpc_health_v1.NewHealthClient(conn),
		reservations: pb.NewReservationServiceClient(conn), availability: pb.NewAvailabilityServiceClient(conn),
		stock: pb.NewStockServiceClient(conn), policy: pb.NewPolicyServiceClient(conn),
		history: pb.NewHistoryServiceClient(conn), operations: pb.NewOperationsServiceClient(conn),
		orders: pb.NewOrderServiceClient(conn)}
}

// replica is one of the processes, and its clients.
type replica struct {
	*program
	grpc, rest, metrics string
	data                string
	called              *called
	health              grpc_health_v1.HealthClient
	reservations        pb.ReservationServiceClient
	availability        pb.AvailabilityServiceClient
	stock               pb.StockServiceClient
	policy              pb.PolicyServiceClient
	history             pb.HistoryServiceClient
	operations          pb.OperationsServiceClient
	orders              pb.OrderServiceClient
}

// called notes which methods were called with success.
type called struct {
	mu      sync.Mutex
	methods map[string]bool
}

func (x *called) note(method string, err error) error {
	if err == nil {
		x.mu.Lock()
		x.methods[method] = true
		x.mu.Unlock()
	}
	return err
}

func (x *called) unary(ctx context.Context, method string, in, out any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return x.note(method, invoke(ctx, method, in, out, cc, opts...))
}

func (x *called) stream(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, d, cc, method, opts...)
	return s, x.note(method, err)
}

// awaitReady waits until the replica says that it is ready.
func (r *replica) awaitReady(ctx context.Context) {
	r.t.Helper()
	eventually(ctx, r.t, r.name+" is ready", func(ctx context.Context) bool {
		h, err := r.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err == nil && h.Status == grpc_health_v1.HealthCheckResponse_SERVING
	})
}

// eventually looks until something is true. That it never is fails the test, which goes on: others may be waiting, too.
func eventually(ctx context.Context, t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for !is(ctx) {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Errorf("waited in vain until %s", what)
			return
		}
	}
}

// each calls f for every replica.
func (c *cluster) each(f func(*replica)) {
	for _, r := range c.replicas {
		f(r)
	}
}

// open waits for the replicas and defines where is sold: the shop on the web from the warehouse, the tills from the store.
func (c *cluster) open(ctx context.Context) {
	c.t.Helper()
	c.each(func(r *replica) { r.awaitReady(ctx) })
	first := c.replicas[0].policy
	for _, id := range []string{warehouse, store} {
		if _, err := first.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: id}}); err != nil {
			c.t.Fatal(err)
		}
	}
	for channel, from := range map[string]string{web: warehouse, till: store} {
		if _, err := first.PutChannel(ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: channel, Sourcing: []string{from}}}); err != nil {
			c.t.Fatal(err)
		}
	}
	c.each(func(r *replica) { // what a channel sells from is known everywhere before anything is sold
		eventually(ctx, c.t, r.name+" knows the channels", func(ctx context.Context) bool {
			known, err := r.policy.ListChannels(ctx, &pb.ListChannelsRequest{})
			return err == nil && len(known.Channels) == 2
		})
	})
}

const (
	warehouse, store = "warehouse", "store"
	web, till        = "web", "till"
)
