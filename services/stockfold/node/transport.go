package node

import (
	"context"
	"errors"
	"time"

	"github.com/stockfold/stockfold/aggregates/valuation"
	view "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/operations"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/snapshots"
	"github.com/stockfold/stockfold/services/stock"
)

// errStarting says that the read models have not caught up yet.
var errStarting = errors.New("the read models have not caught up with the event store yet")

// serveAPI puts the services on gRPC and REST. Until the node is ready it refuses most calls, and /readyz says so.
func (n *Node) serveAPI(_ context.Context, ls listeners) error {
	if !n.config.has(RoleAPI) {
		return nil
	}
	config := api.Config{
		Availability: availability.New(availability.Config{View: n.availability, Channels: n.policies, SKUs: n.skus, Tokens: n.tokens,
			StoreHealth: n.events.Health}),
		Policy:     n.policyService,
		History:    n.newHistory(),
		Reconcile:  n.reconciliation,
		Operations: operations.New(n.operations()),
		Orders:     n.orderService,
		Snapshots:  snapshots.New(snapshots.Config{Ledger: n.ledger, Events: n.events, Valuation: n.config.valuation(), Now: now}),
		Ready:      n.Ready, Registry: n.metrics, Log: n.log,
	}
	n.route(&config, reservation.New(reservation.Config{SKUs: n.skus, Policies: n.policies, Index: n.reservations, Risks: n.availability, Kits: n.orderService, Tokens: n.tokens, Now: now,
		Refusal: api.Refuser(n.log), AcceptUnknownLocations: n.config.AcceptUnknownLocations, Refused: func(count int) { n.batched.Add(uint64(count)) }}),
		stock.New(stock.Config{Recorder: n.recorder, View: n.availability, Rejects: n.desk, Tokens: n.tokens, Now: now, Ledger: n.ledger}))
	server, err := api.New(config)
	if err != nil {
		return err
	}
	shutdown := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callersTimeout)
		defer cancel()
		return server.Shutdown(ctx)
	}
	n.parts.serve("api", n.fail, func() error { return server.Serve(ls.grpc, ls.rest) }, shutdown)
	if config.Handed != nil {
		n.parts.serve("calls that replicas hand on", n.fail, func() error { return server.ServeHanded(ls.peers) }, shutdown)
	}
	return nil
}

// valuation is how the company values its stock.
func (c *Config) valuation() valuation.Method {
	if c.Valuation == "fifo" {
		return valuation.FIFO
	}
	return valuation.Average
}

// callersTimeout is how long a stopping node waits for its callers. What comes after, such as messages under way, needs some
// of the time to stop, too.
const callersTimeout = 5 * time.Second

func (n *Node) operations() operations.Config {
	c := operations.Config{Desk: n.desk, Store: n.events, Sources: n.recorder.Delays, Version: n.config.Version, StartedAt: n.began}
	for _, p := range n.projections() {
		c.Projections = append(c.Projections, p)
	}
	if n.reallocation != nil {
		c.Risk = n.reallocation.Status
	}
	if n.config.has(RoleProject) {
		c.Supply, c.Now = n.availability, now
		c.Replays = &operations.Replays{Checker: n.availability.NewChecker(n.events), Begin: n.beginSecond}
	}
	c.Retention = n.retention
	if n.ingest != nil {
		c.Partitions, c.Trouble = n.ingest.Status, n.ingest.Trouble
	}
	return c
}

// beginSecond begins to build availability anew, in a database beside that of the read models; where they are in Redis, and are to be exchanged, beside them there.
func (n *Node) beginSecond(ctx context.Context, onlyCompared bool) (*operations.Second, error) {
	db, err := n.views.Beside()
	if err != nil {
		return nil, err
	}
	c := view.BesideConfig{Store: n.events, Documents: db.Availability(), Policies: db.Policies(), Log: n.log}
	second := &operations.Second{Exchange: db.Exchange, Remove: db.Close}
	if n.redis != nil && !onlyCompared {
		shared, err := n.redis.Beside(ctx)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		c.Documents, second.Exchange = shared.Availability(), shared.Exchange
		second.Remove = func() error { return errors.Join(shared.Close(), db.Close()) }
	}
	second.Beside = view.StartBeside(c)
	return second, nil
}

// Ready is nil once the node can serve, or says why it cannot. While the event store is away it can for as long as
// availability is answered from what it remembers: a change of leaders must not take every replica away from its callers. Then
// there is nothing left that could be answered here, though perhaps elsewhere.
func (n *Node) Ready() error {
	if !n.ready.Load() {
		return errStarting
	}
	err := n.events.Health()
	if err == nil || n.config.has(RoleProject) && n.availability.Fresh() == nil {
		return nil
	}
	return err
}
