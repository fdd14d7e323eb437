package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/stockfold/stockfold/services/stockfold/node"
)

// stopTimeout bounds how long a stopping process takes to finish what it accepted.
const stopTimeout = 10 * time.Second

// gcPercent lets the heap grow to four times what is alive before garbage is collected, up to the memory limit: most of it
// dies with its call.
const gcPercent = 300

// serveCmd runs the service.
type serveCmd struct {
	node.Config `embed:""`
	Demo        bool `group:"data" help:"When the data directory is empty, or was left while doing so, load real till receipts of twelve stores; then say what to try."`
}

// Help is shown below the flags.
func (*serveCmd) Help() string {
	return `The embedded default needs nothing but this program: events and read models in --data, and a Kafka broker on loopback.
It stops on an interrupt, after finishing what it accepted, within ` + stopTimeout.String() + `; a second one stops it at once.

Examples:
  stockfold serve
  stockfold serve --demo
  stockfold serve --data /var/lib/stockfold --log-format json
  stockfold serve --kafka-brokers kafka-1:9092,kafka-2:9092 --accept-unknown-locations
  stockfold serve --eventstore 'esdb://127.0.0.1:2113?tls=false' --kafka-brokers 127.0.0.1:9392 --redis redis://127.0.0.1:6380
  stockfold serve --config stockfold.yaml --peers dns:replicas.example:9191 --peer-listen 10.0.0.7:9191 \
    --peer-tls-ca ca.crt --peer-tls-cert tls.crt --peer-tls-key tls.key
  STOCKFOLD_DATA=/var/lib/stockfold stockfold serve --config stockfold.yaml`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, parsed *kong.Context, std streams, log *slog.Logger) error {
	if c.Demo && (!slices.Contains(c.Roles, node.RoleAPI) || !slices.Contains(c.Roles, node.RoleIngest)) {
		return fmt.Errorf("--demo loads and shows its data through the roles %s and %s; add them to --roles", node.RoleAPI, node.RoleIngest)
	}
	logSettings(log, parsed)
	c.Version = programVersion()
	debug.SetMemoryLimit(c.MemoryLimit << 20)
	debug.SetGCPercent(gcPercent)
	n, err := node.Start(ctx, c.Config, log)
	if err != nil {
		return err
	}
	log.Info("ready", "grpc", n.GRPC, "rest", n.REST, "metrics", n.Metrics, "brokers", n.Brokers)
	err = c.serve(ctx, n, std, log)
	log.Info("stopping", "within", stopTimeout.String())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = errors.Join(err, n.Close(stopping))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

func (c *serveCmd) serve(ctx context.Context, n *node.Node, std streams, log *slog.Logger) error {
	if c.Demo {
		if err := runDemo(ctx, n, c.Data, std, log); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("demonstration data: %w", err)
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.Failed():
		return err
	}
}

// logSettings logs every setting that is in force, wherever it came from. A URL's text hides its password.
func logSettings(log *slog.Logger, parsed *kong.Context) {
	attrs := []any{"version", programVersion()}
	for _, flag := range parsed.Flags() {
		if flag.Name != "help" {
			attrs = append(attrs, flag.Name, strings.Trim(fmt.Sprint(parsed.FlagValue(flag)), "[]"))
		}
	}
	log.Info("settings", attrs...)
}
