// Package servicetest starts all services of the contract for tests: over the real embedded store and read models in
// memory, behind the real transport on loopback ports.
package servicetest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/audit"
	view "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/projections/orders"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	signing "github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/operations"
	orderservice "github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/publication"
	reconciliationservice "github.com/stockfold/stockfold/services/reconciliation"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/snapshots"
	stockservice "github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/tokens"
)

// Options change what a World is like. The zero value is what production is like.
type Options struct {
	Now       func() aggregates.Instant
	Ready     func() error
	Heartbeat time.Duration
	Log       *slog.Logger
	Store     func(*pebble.Store) commands.Store               // wraps what commands write to
	Configure func(*api.Config)                                // changes what is served
	Index     func(*reservations.Projection) reservation.Index // wraps where reservations are found

	MessageLog reconciliationservice.Log // what was in the message log when
	// Hold keeps the read models of availability and reservations from being run, until World.Follow.
	Hold bool
	// Quiet leaves the transport out: nothing is served, for tests with simulated time.
	Quiet bool
}

// World is everything, started.
type World struct {
	Options
	Store        *pebble.Store
	SKUs         *commands.Streams[stock.State]
	Channels     *commands.Streams[channel.State]
	Locations    *commands.Streams[location.State]
	Rules        *commands.Streams[rules.State]
	OrderStreams *commands.Streams[order.State]
	Runs         *commands.Streams[reconciliation.State]
	RunList      *commands.Streams[reconciliation.List]
	Reconcile    *reconciliationservice.Service

	Policies     *policies.Directory
	View         *view.Projection
	Reservations *reservations.Projection
	OrderIndex   *orders.Projection
	Ledger       *ledger.Ledger
	TreeStream   *commands.Streams[domain.State]
	Tree         *audit.Projection
	Published    *views.Published
	Publication  *publication.Service // nil until World.Publish
	Orders       *orderservice.Service
	Recorder     *stockservice.Recorder
	Retention    *retention.Service
	Policy       *policy.Service
	Desk         *ingest.DeadLetterDesk
	Tokens       *tokens.Codec

	Documents *views.Availability // what is stored of View

	Server *api.Server
	Conn   *grpc.ClientConn
	URL    string // of REST, without a path
	GRPC   string // address

	db      *views.DB
	t       testing.TB
	stop    context.CancelFunc
	running sync.WaitGroup
	stopped bool
	ctx     context.Context
}

// Start starts a world; it ends with the test.
func Start(t testing.TB, o Options) *World {
	t.Helper()
	w := &World{Options: o, t: t}
	if w.Now == nil {
		w.Now = func() aggregates.Instant { return aggregates.At(time.Now()) }
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.open()
	if !w.Quiet {
		w.serve()
	}
	return w
}

// open opens the store and the read models, and runs them.
func (w *World) open() {
	var err error
	if w.Store, err = pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: w.Log}); err != nil {
		w.t.Fatal(err)
	}
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), StoreID: w.Store.ID(), Log: w.Log})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Documents, w.db = db.Availability(), db
	clock := func() time.Time { return w.Now().Time() }
	w.Policies = policies.New(policies.Config{Store: w.Store, Model: db.Policies(), Now: clock, Log: w.Log})
	w.View = view.New(view.Config{Store: w.Store, Model: db.Availability(), Policies: w.Policies, Heartbeat: w.Heartbeat, Now: clock, Log: w.Log})
	w.Reservations = reservations.New(reservations.Config{Store: w.Store, Model: db.Reservations(), Now: clock, Log: w.Log})
	var written commands.Store = w.Store
	if w.Options.Store != nil {
		written = w.Options.Store(w.Store)
	}
	opts := commands.Options{Now: w.Now, Exclusive: true}
	w.SKUs = commands.NewStreams(written, commands.SKUs(), opts)
	w.Channels = commands.NewStreams(written, commands.Channels(), opts)
	w.Locations = commands.NewStreams(written, commands.Locations(), opts)
	w.OrderStreams = commands.NewStreams(written, commands.Orders(), opts)
	w.OrderIndex = orders.New(orders.Config{Store: w.Store, Model: db.Orders(), Now: clock, Log: w.Log})
	w.Ledger = ledger.New(ledger.Config{Store: w.Store, Model: db.Ledger(), Now: clock, Log: w.Log})
	w.TreeStream = commands.NewStreams(written, commands.TreeHeads(), opts)
	w.Tree = audit.New(audit.Config{Store: w.Store, Model: db.Audit(), Now: clock, Log: w.Log})
	w.Published = db.Published(time.Hour, 1_000)
	w.Rules = commands.NewStreams(written, commands.Rules(), opts)
	w.Runs = commands.NewStreams(written, commands.Reconciliations(), opts)
	w.RunList = commands.NewStreams(written, commands.ReconciliationList(), opts)
	w.t.Cleanup(func() { w.close(db) })
	w.run(w.Policies.Run)
	if !w.Hold {
		w.Follow()
	}
}

// Follow runs the read models, and returns once they can be read.
func (w *World) Follow() {
	w.run(w.View.Run)
	w.run(w.Reservations.Run)
	w.run(w.OrderIndex.Run)
	w.run(w.Ledger.Run)
	w.run(w.Tree.Run)
	for {
		if w.View.Fresh() == nil || w.ctx.Err() != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *World) run(f func(context.Context) error) {
	w.running.Go(func() {
		if err := f(w.ctx); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *World) close(db *views.DB) {
	for _, closing := range []func(context.Context) error{w.Runs.Close, w.RunList.Close, w.OrderStreams.Close, w.SKUs.Close, w.Channels.Close, w.Locations.Close, w.Rules.Close, w.TreeStream.Close} {
		if err := closing(context.Background()); err != nil {
			w.t.Error(err)
		}
	}
	w.stop()
	w.running.Wait()
	if err := db.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.Store.Close(); err != nil {
		w.t.Error(err)
	}
}

// config is what the world serves.
func (w *World) config() api.Config {
	w.Tokens = tokens.New(w.Store.ID())
	w.Recorder = stockservice.NewRecorder(w.SKUs, w.Policies, stockservice.Options{Now: w.Now})
	var index reservation.Index = w.Reservations
	if w.Options.Index != nil {
		index = w.Options.Index(w.Reservations)
	}
	w.Orders = orderservice.New(orderservice.Config{Orders: w.OrderStreams, SKUs: w.SKUs, Recorder: w.Recorder, Policies: w.Policies,
		Index: w.OrderIndex, Tokens: w.Tokens, Now: w.Now, Log: w.Log})
	w.Desk = ingest.NewDeadLetterDesk(w.Store.DeadLetters(), w.Recorder, w.Now, w.Log)
	w.Desk.Orders = w.Orders
	w.Policy = policy.New(policy.Config{SKUs: w.SKUs, Channels: w.Channels, Locations: w.Locations, Rules: w.Rules, Directory: w.Policies,
		Items: w.View, Tokens: w.Tokens, Now: w.Now})
	w.Desk.Policies = w.Policy
	past := w.history()
	w.Reconcile = reconciliationservice.New(reconciliationservice.Config{Runs: w.Runs, List: w.RunList, Store: w.Store, Recorder: w.Recorder, Letters: w.Desk,
		Directory: w.Policies, Items: w.View, History: past, MessageLog: w.Options.MessageLog, Publications: w.told(), Now: w.Now, Log: w.Log})
	w.Desk.Snapshots = w.Reconcile
	w.Retention = retention.New(retention.Config{Store: w.Store, Stock: w.SKUs, Trail: w.TreeStream, Heads: past.Trail.Heads, Now: w.Now, Log: w.Log,
		Readers: []retention.Reader{w.Policies, w.View, w.Reservations, w.OrderIndex, w.Ledger, w.Tree}})
	c := api.Config{
		Availability: availability.New(availability.Config{View: w.View, Channels: w.Policies, SKUs: w.SKUs, Tokens: w.Tokens}),
		Reservation:  reservation.New(reservation.Config{SKUs: w.SKUs, Policies: w.Policies, Index: index, Risks: w.View, Kits: w.Orders, Tokens: w.Tokens, Now: w.Now, Refusal: api.Refuser(w.Log)}),
		Stock:        stockservice.New(stockservice.Config{Recorder: w.Recorder, View: w.View, Rejects: w.Desk, Tokens: w.Tokens, Now: w.Now, Ledger: w.Ledger}),
		Policy:       w.Policy,
		History:      past,
		Orders:       w.Orders,
		Snapshots:    snapshots.New(snapshots.Config{Ledger: w.Ledger, Events: w.Store, Now: w.Now}),
		Reconcile:    w.Reconcile,
		Operations: operations.New(operations.Config{Desk: w.Desk, Store: w.Store, Sources: w.Recorder.Delays, Supply: w.View, Now: w.Now,
			Projections: []operations.Projection{w.Policies, w.View, w.Reservations, w.OrderIndex, w.Ledger},
			Replays:     &operations.Replays{Checker: w.View.NewChecker(w.Store), Begin: w.beginSecond}, Retention: w.Retention, Version: "test", StartedAt: w.Now().Time()}),
		Ready: w.Ready, Registry: prometheus.NewRegistry(), Log: w.Log,
	}
	if w.Configure != nil {
		w.Configure(&c)
	}
	return c
}

// beginSecond begins to build availability anew.
func (w *World) beginSecond(context.Context, bool) (*operations.Second, error) {
	db, err := w.db.Beside()
	if err != nil {
		return nil, err
	}
	b := view.StartBeside(view.BesideConfig{Store: w.Store, Documents: db.Availability(), Policies: db.Policies(), Log: w.Log})
	return &operations.Second{Beside: b, Exchange: db.Exchange, Remove: db.Close}, nil
}

// history is the service, with a key of its own that signs tree heads.
func (w *World) history() *history.Service {
	key, err := signing.ReadKey(filepath.Join(w.t.TempDir(), "audit.key"), w.Store.ID(), true)
	if err != nil {
		w.t.Fatal(err)
	}
	s := history.New(w.Store, w.Desk, w.Now)
	s.Trail = history.Trail{All: w.Store, Tree: w.Tree, Published: w.Published, Heads: signing.NewHeads(signing.Config{
		Streams: w.TreeStream, Tree: w.Tree, StoreID: w.Store.ID(), Key: key, Now: w.Now, Log: w.Log})}
	return s
}

// told says what was published by World.Publish, or kept in World.Published.
func (w *World) told() *reconciliationservice.Told {
	return &reconciliationservice.Told{Records: w.Published, Checkpoints: w.Store,
		Since: func() (aggregates.Instant, bool) { return 0, true },
		Trouble: func() string {
			if w.Publication == nil {
				return ""
			}
			return w.Publication.Status().Error
		}}
}

// Publish publishes changes of availability from now on.
func (w *World) Publish(p publication.Producer) {
	w.Publication = publication.New(publication.Config{Changes: w.View, Producer: p, Checkpoints: w.Store, Records: w.Published, Log: w.Log})
	w.running.Go(func() { _ = w.Publication.Run(w.ctx) }) // it ends with the world
}

func (w *World) serve() {
	var err error
	if w.Server, err = api.New(w.config()); err != nil {
		w.t.Fatal(err)
	}
	calls, web := w.listen(), w.listen()
	w.GRPC, w.URL = calls.Addr().String(), "http://"+web.Addr().String()
	done := make(chan error, 1)
	go func() { done <- w.Server.Serve(calls, web) }()
	w.Conn = w.Dial()
	w.t.Cleanup(func() {
		_ = w.Conn.Close()
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.Server.Shutdown(ctx); err != nil && !w.stopped {
			w.t.Error(err)
		}
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// Stop shuts the transport down before the test ends, and returns what that returned.
func (w *World) Stop(ctx context.Context) error {
	w.stopped = true
	return w.Server.Shutdown(ctx)
}

// Dial makes a connection of its own.
func (w *World) Dial() *grpc.ClientConn {
	conn, err := grpc.NewClient(w.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(16*window))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// window is how many bytes may be on their way to a caller who does not read. It does not grow, as it would with bytes that come fast.
const window = 1 << 16

func (w *World) listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// AvailabilityClient calls the service over gRPC.
func (w *World) AvailabilityClient() pb.AvailabilityServiceClient {
	return pb.NewAvailabilityServiceClient(w.Conn)
}

// ReservationClient calls the service over gRPC.
func (w *World) ReservationClient() pb.ReservationServiceClient {
	return pb.NewReservationServiceClient(w.Conn)
}

// StockClient calls the service over gRPC.
func (w *World) StockClient() pb.StockServiceClient { return pb.NewStockServiceClient(w.Conn) }

// PolicyClient calls the service over gRPC.
func (w *World) PolicyClient() pb.PolicyServiceClient { return pb.NewPolicyServiceClient(w.Conn) }

// OrderClient calls the service over gRPC.
func (w *World) OrderClient() pb.OrderServiceClient { return pb.NewOrderServiceClient(w.Conn) }

// HistoryClient calls the service over gRPC.
func (w *World) HistoryClient() pb.HistoryServiceClient { return pb.NewHistoryServiceClient(w.Conn) }

// SnapshotClient calls the service over gRPC.
func (w *World) SnapshotClient() pb.SnapshotServiceClient { return pb.NewSnapshotServiceClient(w.Conn) }

// ReconciliationClient calls the service over gRPC.
func (w *World) ReconciliationClient() pb.ReconciliationServiceClient {
	return pb.NewReconciliationServiceClient(w.Conn)
}

// OperationsClient calls the service over gRPC.
func (w *World) OperationsClient() pb.OperationsServiceClient {
	return pb.NewOperationsServiceClient(w.Conn)
}

// Clock is a clock that a test moves.
type Clock struct{ now atomic.Int64 }

// NewClock returns a clock that shows the system's time, on a whole second, and stands.
func NewClock() *Clock {
	c := &Clock{}
	c.now.Store(int64(aggregates.At(time.Now()).CeilSecond()))
	return c
}

// Now is the time it shows.
func (c *Clock) Now() aggregates.Instant { return aggregates.Instant(c.now.Load()) }

// Advance moves it on.
func (c *Clock) Advance(d time.Duration) { c.now.Add(d.Microseconds()) }
