package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// eventStoreCmd runs the embedded event store as a server of its own, with EventStoreDB's protocol.
type eventStoreCmd struct {
	Data       string `default:"./stockfold-data" placeholder:"DIR" type:"path" group:"storage" help:"Keep events in this directory (default: ${default})."`
	Listen     string `default:"127.0.0.1:2113" placeholder:"ADDR" group:"addresses" help:"Serve EventStoreDB's gRPC protocol, and gRPC health, here (default: ${default})."`
	ReadOnly   bool   `group:"work" help:"Refuse every write."`
	MaxAppend  int64  `default:"16" placeholder:"MIB" group:"work" help:"Most that one append may hold, in MiB; EventStoreDB's own default is 1 (default: ${default})."`
	EventCache int64  `default:"64" placeholder:"MIB" group:"storage" help:"Cache of the event store, in MiB (default: ${default})."`
}

// Bounds of the settings, in MiB. An append cannot hold more than the store takes at once.
const (
	maxAppendMiB     = 16
	minEventCacheMiB = 8
	maxEventCacheMiB = 1 << 20
)

// Help is shown below the flags.
func (*eventStoreCmd) Help() string {
	return `For development, tests, and for looking at the events of a service that is stopped: any official client of EventStoreDB
connects to it. Every append is on disk before it is answered. What it does not support, it says is unimplemented: deleting streams,
persistent subscriptions, projections, users. It takes up to ` + fmt.Sprint(esdbserver.MaxSubscriptions) + ` subscriptions, and stops on an interrupt within ` + stopTimeout.String() + `.

Examples:
  stockfold eventstore
  stockfold eventstore --data /var/lib/stockfold --listen 127.0.0.1:2113
  stockfold eventstore --data ./stockfold-data --read-only`
}

// Run serves until ctx ends.
func (c *eventStoreCmd) Run(ctx context.Context, parsed *kong.Context, log *slog.Logger) error {
	logSettings(log, parsed)
	if err := c.check(); err != nil {
		return err
	}
	l, err := node.ListenOnLoopback(ctx, "listen", c.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	store, err := c.open(log)
	if err != nil {
		return err
	}
	server, err := esdbserver.New(ctx, store, esdbserver.Options{ReadOnly: c.ReadOnly, MaxAppendBytes: int(c.MaxAppend << 20), Health: store.Health, Log: log})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	return errors.Join(serveUntil(ctx, server, l, log), store.Close())
}

func (c *eventStoreCmd) check() error {
	if c.MaxAppend < 1 || c.MaxAppend > maxAppendMiB {
		return fmt.Errorf("--max-append must be 1 to %d MiB, is %d", maxAppendMiB, c.MaxAppend)
	}
	if c.EventCache < minEventCacheMiB || c.EventCache > maxEventCacheMiB {
		return fmt.Errorf("--event-cache must be %d to %d MiB, is %d", minEventCacheMiB, maxEventCacheMiB, c.EventCache)
	}
	return nil
}

func (c *eventStoreCmd) open(log *slog.Logger) (*pebble.Store, error) {
	dir := filepath.Join(c.Data, node.EventsFolder)
	if c.ReadOnly {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("there are no events to read: %w; name the data directory of a service with --data", err)
		}
	}
	if err := os.MkdirAll(c.Data, 0o755); err != nil {
		return nil, fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	return pebble.Open(dir, pebble.Options{CacheBytes: c.EventCache << 20, Log: log})
}

// serveUntil serves until ctx ends, then finishes what is under way.
func serveUntil(ctx context.Context, server *esdbserver.Server, l net.Listener, log *slog.Logger) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	log.Info("ready", "eventstore", "esdb://"+l.Addr().String()+"?tls=false")
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping", "within", stopTimeout.String())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := errors.Join(server.Shutdown(stopping), <-served)
	if err == nil {
		log.Info("stopped")
	}
	return err
}
