package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// connections is how many connections calls are spread over, to the service and to the echo alike.
const connections = 2

// Bounds of waiting for a server.
const (
	startTimeout  = 60 * time.Second
	settleTimeout = 60 * time.Second
	pollEvery     = 5 * time.Millisecond

	publishTimeout   = 10 * time.Second
	publishPollEvery = 100 * time.Millisecond
	publishStill     = 300 * time.Millisecond
)

// availabilityProjection is the name of the projection that reads are served from, in GetStatus.
const availabilityProjection = "availability"

// peer is a running process that answers calls.
type peer struct {
	*child
	conns []*grpc.ClientConn
	wires []*wire // the same, for frames
}

// dial opens the connections to a peer's address.
func (p *peer) dial(address string) error {
	for range connections {
		c, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
				Backoff: backoff.Config{BaseDelay: pollEvery, Multiplier: 1.5, MaxDelay: 10 * pollEvery}}))
		if err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		p.conns, p.wires = append(p.conns, c), append(p.wires, &wire{cc: c})
	}
	return nil
}

// wire is the one that a worker uses.
func (p *peer) wire(worker int) *wire { return p.wires[worker%len(p.wires)] }

// typed is the connection for calls that are not measured.
func (p *peer) typed() grpc.ClientConnInterface { return p.wires[0].cc }

// close hangs up and stops the process.
func (p *peer) close() error {
	for _, c := range p.conns {
		_ = c.Close() // its calls are over
	}
	return p.stop()
}

// server is a running service.
type server struct {
	peer
	settings ServeSettings
	started  time.Time // when its process was started
	status   pb.OperationsServiceClient
	health   grpc_health_v1.HealthClient
}

// startServer starts the service on a data directory and free loopback ports, and waits until it answers.
func startServer(ctx context.Context, p Programs, data, log string, ingest bool) (*server, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	s := &server{settings: ServeSettings{Data: data, GRPC: ports[0], REST: ports[1], Broker: ports[2], Metrics: ports[3], Ingest: ingest, Stores: p.Stores}}
	s.started = time.Now()
	if s.child, err = startChild("stockfold serve", p.Executable, p.Serve(s.settings), nil, log); err != nil {
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// connect dials and waits for the first answer.
func (s *server) connect(ctx context.Context) error {
	if err := s.dial(s.settings.GRPC); err != nil {
		return err
	}
	s.status, s.health = pb.NewOperationsServiceClient(s.typed()), grpc_health_v1.NewHealthClient(s.typed())
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ctx, unwatch := s.watch(ctx)
	defer unwatch()
	if _, err := s.status.GetStatus(ctx, &pb.GetStatusRequest{}, grpc.WaitForReady(true)); err != nil {
		return fmt.Errorf("wait for the service to answer on %s: %w", s.settings.GRPC, because(ctx, err))
	}
	return nil
}

// because prefers the reason why a context ended to the error of a call that noticed.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// await polls the status until done is true of it.
func (s *server) await(ctx context.Context, limit time.Duration, what string, done func(*pb.GetStatusResponse) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, unwatch := s.watch(ctx)
	defer unwatch()
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for {
		now, err := s.status.GetStatus(ctx, &pb.GetStatusRequest{})
		if err == nil && done(now) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s, at most %s: %w; last status: %v", what, limit, because(ctx, err), now)
		case <-ticks.C:
		}
	}
}

// settle waits until the service is ready, everything recorded is readable, and changes are published, so that what a
// row left behind does not burden the next.
func (s *server) settle(ctx context.Context) error {
	var end uint64
	err := s.await(ctx, settleTimeout, "it is ready and every projection has caught up", func(now *pb.GetStatusResponse) bool {
		end = now.StorePosition
		return caughtUp(now) && s.serves(ctx)
	})
	if err != nil {
		return err
	}
	return s.awaitPublished(ctx, end)
}

// serves tells whether the service says that it is ready.
func (s *server) serves(ctx context.Context) bool {
	h, err := s.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err == nil && h.Status == grpc_health_v1.HealthCheckResponse_SERVING
}

// awaitPublished waits until changes up to a position are published, which the status does not tell. It is not the
// bench's business when they never are. Behind EventStoreDB's protocol the store's end may be no change at all: there, what has not
// moved for a while is done.
func (s *server) awaitPublished(ctx context.Context, position uint64) error {
	patience := time.NewTimer(publishTimeout)
	defer patience.Stop()
	ticks := time.NewTicker(publishPollEvery)
	defer ticks.Stop()
	var last float64
	moved := time.Now()
	for {
		up, known := s.metrics(ctx)[metricPublished]
		if !known || up >= float64(position) {
			return nil
		}
		if up != last {
			last, moved = up, time.Now()
		}
		if s.settings.EventStore != "" && time.Since(moved) >= publishStill {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-patience.C:
			return nil
		case <-ticks.C:
		}
	}
}

// caughtUp tells whether every projection has applied everything that is stored.
func caughtUp(now *pb.GetStatusResponse) bool {
	for _, p := range now.Projections {
		if p.Position < now.StorePosition {
			return false
		}
	}
	return true
}

// position is how far a projection has come.
func position(now *pb.GetStatusResponse, projection string) uint64 {
	for _, p := range now.Projections {
		if p.Name == projection {
			return p.Position
		}
	}
	return 0
}

// Ports that servers are started on: below those that the system gives to whoever asks for any, which may be another's by
// the time they are used.
const (
	lowestPort   = 10_000
	portsThere   = 22_000
	triesForPort = 100
)

// freePorts finds loopback addresses that nobody listens on.
func freePorts(n int) ([]string, error) {
	var found []string
	for tries := 1; len(found) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", lowestPort+rand.IntN(portsThere)))
		switch {
		case err == nil:
			defer l.Close() // all are held until the last is found, so that they differ
			found = append(found, l.Addr().String())
		case tries == triesForPort:
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return found, nil
}

// removeViews deletes the read model of a stopped server.
func removeViews(data, views string) error {
	path := filepath.Join(data, views)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the read model is not where it was expected: %w", err)
	}
	return os.RemoveAll(path)
}
