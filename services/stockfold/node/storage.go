package node

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/redis"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/projections/orders"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
	signing "github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/tokens"
)

// Folders of the data directory.
const (
	EventsFolder = "events" // the event store; the only one that cannot be built again
	ViewsFolder  = "views"  // read models; removing the folder costs a replay
	brokerFolder = "broker" // the embedded broker's log
)

const mebibyte = 1 << 20

// eventStore is what a node needs of an event store.
type eventStore interface {
	commands.Store
	projections.Store
	projections.Checkpoints
	ingest.Offsets
	history.Store
	ID() string
	Health() error
	Close() error
}

// storage is what a node keeps, and what is folded from it.
type storage struct {
	events  eventStore
	local   *pebble.Store // the same, when it is embedded; else nil
	views   *views.DB
	redis   *redis.DB // nil when availability is kept in views
	letters ingest.DeadLetters
	syncs   *syncMetrics

	skus      *commands.Streams[stock.State]
	batched   atomic.Uint64 // reservations refused with their whole batch, before they were commands of SKUs
	channels  *commands.Streams[channel.State]
	locations *commands.Streams[location.State]
	orders    *commands.Streams[order.State]
	rules     *commands.Streams[rules.State]
	treeHeads *commands.Streams[domain.State]
	runs      *commands.Streams[reconciliation.State]
	runList   *commands.Streams[reconciliation.List]

	policies     *policies.Directory
	availability *availability.Projection
	selfCheck    *availability.SelfCheck // nil when nothing is checked
	reservations *reservations.Projection
	orderIndex   *orders.Projection
	ledger       *ledger.Ledger // nil without the role
	tree         *audit.Projection
	heads        *signing.Heads
	published    *views.Published
	retention    *retention.Service // nil where events never change
	tokens       *tokens.Codec
}

// openStorage opens the event store and the read models.
func (n *Node) openStorage(ctx context.Context) error {
	if err := n.openEvents(ctx); err != nil {
		return err
	}
	n.parts.add("event store", func(context.Context) error { return n.events.Close() })
	end, err := n.events.End(ctx)
	if err != nil {
		return err
	}
	n.fresh, n.tokens = end == 0, tokens.New(n.events.ID())
	if err := views.RemoveBeside(filepath.Join(n.config.Data, ViewsFolder), nil); err != nil { // a replay was cut off
		return err
	}
	n.views, err = views.Open(filepath.Join(n.config.Data, ViewsFolder), views.Options{
		CacheBytes: n.config.ViewCache * mebibyte, StoreID: n.events.ID(), Log: n.log})
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	n.parts.add("read models", func(context.Context) error { return n.views.Close() })
	return n.openRedis()
}

// openEvents opens the embedded event store, or connects to the one that is named.
func (n *Node) openEvents(ctx context.Context) (err error) {
	if n.config.shared() {
		store, err := eventstoredb.Open(ctx, string(n.config.EventStore), eventstoredb.Options{Log: n.log})
		if err != nil {
			return err
		}
		n.events, n.letters = store, store.DeadLetters()
		return nil
	}
	n.syncs = newSyncMetrics(n.metrics)
	n.local, err = pebble.Open(filepath.Join(n.config.Data, EventsFolder), pebble.Options{
		CacheBytes: n.config.EventCache * mebibyte, Log: n.log, OnSync: n.syncs.observe})
	if err != nil {
		return err
	}
	n.events, n.letters = n.local, n.local.DeadLetters()
	return nil
}

// openRedis prepares connections; Redis may be away.
func (n *Node) openRedis() (err error) {
	if n.config.Redis == "" {
		return nil
	}
	if n.redis, err = redis.Open(n.config.Redis, redis.Options{StoreID: n.events.ID(), Log: n.log}); err != nil {
		return err
	}
	n.parts.add("Redis", func(context.Context) error { return n.redis.Close() })
	return nil
}

// documents is where availability is kept. The indexes of policies and reservations stay in this process: what is promised must not
// wait for Redis.
func (n *Node) documents() availability.ReadModel {
	if n.redis != nil {
		return n.redis.Availability()
	}
	return n.views.Availability()
}

// startCommands makes the ways in for changes. They are the only writers of an embedded store, and some of several of a shared
// one.
func (n *Node) startCommands(context.Context) error {
	alone := !n.config.shared()
	n.skus = commands.NewStreams(n.events, commands.SKUs(), commands.Options{Now: now, Exclusive: alone, MaxMemory: n.config.StateMemory * mebibyte})
	n.channels = commands.NewStreams(n.events, commands.Channels(), commands.Options{Now: now, Exclusive: alone})
	n.locations = commands.NewStreams(n.events, commands.Locations(), commands.Options{Now: now, Exclusive: alone})
	n.orders = commands.NewStreams(n.events, commands.Orders(), commands.Options{Now: now, Exclusive: alone, MaxMemory: n.config.StateMemory * mebibyte / 4})
	n.rules = commands.NewStreams(n.events, commands.Rules(), commands.Options{Now: now, Exclusive: alone})
	n.treeHeads = commands.NewStreams(n.events, commands.TreeHeads(), commands.Options{Now: now, Exclusive: alone})
	n.parts.add("commands on tree heads", n.treeHeads.Close)
	n.runs = commands.NewStreams(n.events, commands.Reconciliations(), commands.Options{Now: now, Exclusive: alone, MaxMemory: n.config.StateMemory * mebibyte / 8})
	n.runList = commands.NewStreams(n.events, commands.ReconciliationList(), commands.Options{Now: now, Exclusive: alone})
	n.parts.add("commands on the list of reconciliations", n.runList.Close)
	n.parts.add("commands on reconciliations", n.runs.Close)
	n.parts.add("commands on shared rules", n.rules.Close)
	n.parts.add("commands on locations", n.locations.Close)
	n.parts.add("commands on channels", n.channels.Close)
	n.parts.add("commands on SKUs", n.skus.Close)
	n.parts.add("commands on orders", n.orders.Close)
	return nil
}

// startProjections runs the read models. It waits for the directory of channels and locations: without it, facts at
// known locations would be taken for facts at unknown ones.
func (n *Node) startProjections(ctx context.Context) error {
	n.policies = policies.New(policies.Config{Store: n.events, Model: n.views.Policies(), Log: n.log})
	n.availability = availability.New(availability.Config{Store: n.events, Model: n.documents(), Policies: n.policies,
		CacheBytes: n.config.DocumentMemory * mebibyte, Log: n.log})
	n.reservations = reservations.New(reservations.Config{Store: n.events, Model: n.views.Reservations(), After: n.availabilityFirst(), Log: n.log})
	n.orderIndex = orders.New(orders.Config{Store: n.events, Model: n.views.Orders(), After: n.availabilityFirst(), Log: n.log})
	n.parts.loop("projection policies", n.fail, n.policies.Run)
	if n.config.has(RoleProject) {
		n.parts.loop("projection availability", n.fail, n.availability.Run)
		n.startSelfCheck()
		n.parts.loop("projection reservations", n.fail, n.reservations.Run)
		n.parts.loop("projection orders", n.fail, n.orderIndex.Run)
	}
	n.startLedger()
	if err := n.startAudit(); err != nil {
		return err
	}
	return n.policies.WaitForEnd(ctx)
}

// manyCores are enough for several read models to catch up side by side after a start.
const manyCores = 4

// availabilityFirst tells read models that are less asked for when to give way: where cores are few, while availability catches up.
func (n *Node) availabilityFirst() func() bool {
	if runtime.GOMAXPROCS(0) >= manyCores || !n.config.has(RoleProject) {
		return nil
	}
	return n.availability.CatchingUp
}

// startSelfCheck compares documents of availability with their streams, all the time.
func (n *Node) startSelfCheck() {
	if n.config.SelfCheck == 0 {
		return
	}
	n.selfCheck = availability.NewSelfCheck(n.availability.NewChecker(n.events), n.views.SelfCheckPlace(), n.config.SelfCheck, n.log)
	n.parts.loop("self-check", n.fail, n.afterOthers(n.selfCheck.Run))
}

// backgroundPatience is how long what nobody waits for lets others go first.
const backgroundPatience = 2 * time.Minute

// afterOthers runs a projection once those that callers wait for are caught up.
func (n *Node) afterOthers(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, backgroundPatience)
		defer cancel()
		_ = n.catchUp(limited, n.availability.WaitFor) // what keeps them from that is nobody else's business
		return run(ctx)
	}
}

// startLedger keeps the past.
func (n *Node) startLedger() {
	if !n.config.has(RoleLedger) {
		return
	}
	n.ledger = ledger.New(ledger.Config{Store: n.events, Model: n.views.Ledger(), Log: n.log})
	n.parts.loop("projection ledger", n.fail, n.afterOthers(n.ledger.Run))
}

// catchUp waits until the read models that callers wait for show everything that the store holds now: availability first, by a way of the
// caller's, so that the others do not hurry beside it.
func (n *Node) catchUp(ctx context.Context, toAvailability func(context.Context, uint64) error) error {
	if !n.config.has(RoleProject) {
		return nil
	}
	end, err := n.events.End(ctx)
	if err != nil {
		return err
	}
	for _, wait := range []func(context.Context, uint64) error{toAvailability, n.reservations.WaitFor, n.orderIndex.WaitFor} {
		if err := wait(ctx, end); err != nil {
			return fmt.Errorf("catch up with the event store: %w", err)
		}
	}
	return nil
}

// redisPatience is how long a start waits for a Redis that does not get on.
const redisPatience = 10 * time.Second

// awaitAvailability waits until availability is caught up; without its Redis the node serves all the same, from the streams.
func (n *Node) awaitAvailability(ctx context.Context, end uint64) error {
	for {
		limited, cancel := context.WithTimeout(ctx, redisPatience)
		err := n.availability.WaitFor(limited, end)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if status := n.availability.Status(ctx); n.redis != nil && status.Error != "" {
			n.log.Warn("availability is not caught up; the service starts without, and answers from the streams", "error", status.Error)
			return nil
		}
	}
}
