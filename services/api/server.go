package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Config says what is served. The services must be set.
type Config struct {
	Availability pb.AvailabilityServiceServer
	Reservation  pb.ReservationServiceServer
	Stock        pb.StockServiceServer
	Policy       pb.PolicyServiceServer
	History      pb.HistoryServiceServer
	Operations   pb.OperationsServiceServer
	Orders       pb.OrderServiceServer
	Snapshots    pb.SnapshotServiceServer
	Reconcile    pb.ReconciliationServiceServer
	Handed       *Handed // nil: other replicas hand nothing on, or by the ordinary port

	// Ready says why the service cannot serve yet, nil when it can; nil means always. It is called often and must be
	// cheap. Until it was nil once, calls are refused with NOT_READY, those of OperationsService apart.
	Ready    func() error
	Registry prometheus.Registerer // nil: metrics go nowhere
	Log      *slog.Logger          // nil: slog.Default()
}

// Server serves gRPC and REST. Serve runs it, Shutdown ends it.
type Server struct {
	config   Config
	log      *slog.Logger
	metrics  *metrics
	warnings seldom
	opened   atomic.Bool // was ready once
	calls    atomic.Int64

	stopping context.Context // ends when Shutdown begins
	stop     context.CancelFunc
	once     sync.Once
	stopped  error // of Shutdown

	outside, inside *grpc.Server // for callers, and for REST
	handed          *grpc.Server // for other replicas; nil when they have no port of their own
	pipe            *bufconn.Listener
	loopback        *grpc.ClientConn
	web             *http.Server
}

// New prepares a server. It returns an error only when the parts of the program do not fit together.
func New(c Config) (*Server, error) {
	if c.Ready == nil {
		c.Ready = func() error { return nil }
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Server{config: c, log: c.Log, metrics: newMetrics(c.Registry)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.outside, s.inside = s.newGRPC(), s.newGRPC()
	if c.Handed != nil {
		s.handed = s.newHanded()
	}
	var err error
	if s.pipe, s.loopback, err = newLoopback(); err != nil {
		return nil, err
	}
	handler, err := s.newHandler()
	if err != nil {
		return nil, errors.Join(err, s.loopback.Close())
	}
	s.web = s.newWeb(handler)
	return s, nil
}

// Serve answers gRPC and HTTP on two listeners, which it closes, until Shutdown. It returns nil then, or why it could
// not go on.
func (s *Server) Serve(grpcListener, httpListener net.Listener) error {
	var running sync.WaitGroup
	failures := make(chan error, 3)
	start := func(name string, serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				failures <- fmt.Errorf("serve %s: %w", name, err)
			}
		})
	}
	start("gRPC", func() error { return s.outside.Serve(grpcListener) })
	start("REST's way to gRPC", func() error { return s.inside.Serve(s.pipe) })
	start("REST", func() error { return s.web.Serve(httpListener) })
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case err := <-failures:
		s.abort()
		<-ended
		return err
	}
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// abort ends everything at once.
func (s *Server) abort() {
	s.stop()
	s.outside.Stop()
	if s.handed != nil {
		s.handed.Stop()
	}
	_ = s.web.Close()
	_ = s.loopback.Close()
	s.inside.Stop()
}

// Shutdown takes nothing new, tells streams to end, finishes the calls that were accepted, and returns. When ctx ends
// first, what is left is cut off and an error says so. A second call has the result of the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() { s.stopped = s.shutdown(ctx) })
	return s.stopped
}

func (s *Server) shutdown(ctx context.Context) error {
	s.stop()
	var stopping sync.WaitGroup
	var outside, handed, web error
	stopping.Go(func() { outside = drain(ctx, s.outside) })
	if s.handed != nil {
		stopping.Go(func() { handed = drain(ctx, s.handed) })
	}
	stopping.Go(func() {
		if web = s.web.Shutdown(ctx); web != nil {
			web = errors.Join(fmt.Errorf("REST calls were cut off: %w", web), s.web.Close())
		}
	})
	stopping.Wait()
	return errors.Join(outside, handed, web, s.loopback.Close(), drain(ctx, s.inside))
}

// cutTimeout is how long calls that were cut off may take to notice.
const cutTimeout = time.Second

// drain stops a gRPC server once its calls are finished, or cuts them off when ctx ends.
func drain(ctx context.Context, g *grpc.Server) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	go g.Stop() // ends with GracefulStop, when the last call does
	timer := time.NewTimer(cutTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	return fmt.Errorf("gRPC calls were cut off: %w", ctx.Err())
}
