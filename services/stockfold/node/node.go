// Package node puts the parts of a serving process together: stores, commands, read models, expiry, publication, ingest and
// the transport. It is the one place that knows adapters and services alike.
//
// It owns the order in which parts start and stop: first what others stand on, last what the outside calls; in reverse
// when it stops, so that whatever was accepted is finished before what it stands on is gone. It guarantees that Start
// leaves nothing behind when it fails, and that a node is ready only once its read models show everything that the
// store held when it started. What each part does is left to the parts.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of starting and stopping.
const (
	failedStopTimeout = 10 * time.Second // to take down what a failed start had started
	dirMode           = 0o755
)

// Node is a running process, or several in one program, each with a data directory and ports of its own.
type Node struct {
	GRPC, REST, Metrics string   // where it listens, with the ports it was given
	Brokers             []string // Kafka brokers, the embedded one included; none when no role needs them
	Peers               string   // where other replicas hand calls on; "" when they have no port of their own
	EventStore          string   // where the events are offered to others; "" when they are not

	config  Config
	log     *slog.Logger
	parts   parts
	began   time.Time
	fresh   bool // the event store was empty
	ready   atomic.Bool
	failed  chan error
	metrics *prometheus.Registry
	storage
	work
	way
}

// Start starts everything that the configuration asks for and returns once the node is ready, or what kept it from
// that.
func Start(ctx context.Context, c Config, log *slog.Logger) (*Node, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	n := &Node{config: c, log: log, parts: parts{log: log}, began: time.Now(), failed: make(chan error, 1), metrics: newRegistry()}
	if err := n.start(ctx); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), failedStopTimeout)
		defer cancel()
		return nil, errors.Join(err, n.parts.stop(stopping))
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	listeners, err := n.listen(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.config.Data, dirMode); err != nil {
		return fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	n.parts.add("metrics", stopServer(serveMetrics(listeners.metrics, n.metrics, n.log)))
	for _, step := range []func(context.Context) error{n.openStorage, n.offerEvents, n.startCommands, n.startProjections, n.startBroker, n.startWork, n.openWay} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	n.metrics.MustRegister(n.newCollector())
	if err := n.serveAPI(ctx, listeners); err != nil {
		return err
	}
	if err := n.catchUp(ctx, n.awaitAvailability); err != nil {
		return err
	}
	n.ready.Store(true)
	return nil
}

// Close stops the node: it refuses what comes new, finishes what it accepted, and closes its stores. At ctx's end it goes
// on without waiting.
func (n *Node) Close(ctx context.Context) error {
	n.ready.Store(false)
	return n.parts.stop(ctx)
}

// Failed tells when a part ended that should not have: the node must be closed then.
func (n *Node) Failed() <-chan error { return n.failed }

// Fresh tells whether the event store was empty when the node started.
func (n *Node) Fresh() bool { return n.fresh }

// fail tells of the first failure; later ones follow from it or are as bad.
func (n *Node) fail(err error) {
	n.log.Error("a part of the service ended", "error", err)
	select {
	case n.failed <- err:
	default:
	}
}

// listeners are the ports of a node, taken before anything else is started.
type listeners struct{ grpc, rest, metrics, peers net.Listener }

func (n *Node) listen(ctx context.Context) (ls listeners, err error) {
	for _, want := range []struct {
		flag, addr string
		listener   *net.Listener
		bound      *string
		needed     bool
	}{
		{"metrics", n.config.Metrics, &ls.metrics, &n.Metrics, true},
		{"grpc", n.config.GRPC, &ls.grpc, &n.GRPC, n.config.has(RoleAPI)},
		{"rest", n.config.REST, &ls.rest, &n.REST, n.config.has(RoleAPI)},
		{peerFlag, n.config.PeerListen, &ls.peers, &n.Peers, n.config.has(RoleAPI) && n.config.PeerListen != ""},
	} {
		if !want.needed {
			continue
		}
		l, err := listen(ctx, want.flag, want.addr)
		if err != nil {
			return ls, err
		}
		*want.listener, *want.bound = l, l.Addr().String()
		n.parts.add("port of "+want.flag, func(context.Context) error { // closed by its server as a rule
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return ls, nil
}

// now is the clock of the whole node.
func now() aggregates.Instant { return aggregates.At(time.Now()) }
