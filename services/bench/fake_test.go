package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The children of these tests are this test's own executable, started with one of these words.
const (
	wordServe  = "fake-serve"
	wordEcho   = "fake-echo"
	wordEvents = "fake-eventstore"
	wordBroker = "fake-broker"
	fakeViews  = "views"
	fakeEvents = "events"
	partitions = 3
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch word := append(os.Args, "")[1]; word {
	case wordServe:
		err = serveFake(ctx, os.Args[2:])
	case wordEcho:
		err = ServeEcho(ctx, os.Stdout)
	case wordEvents:
		err = serveHealth(ctx, os.Args[3])
	case wordBroker:
		err = serveBroker(ctx, os.Args[2], os.Args[3])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lie is what a fake service does wrong.
type lie string

const (
	honest          lie = "honest"
	wrongATS        lie = "wrong-ats"        // one SKU in a hundred has one unit more
	forgetsReserved lie = "forgets-reserved" // one reservation in a hundred is answered and lost
	doublesReserved lie = "doubles-reserved" // one reservation in a hundred counts twice
	staleReads      lie = "stale-reads"      // reads with a token miss a unit of the last write
	losesLines      lie = "loses-lines"      // the last line of a sale is not taken in
	deadLetters     lie = "dead-letters"     // one sale in a hundred is kept as a dead letter
	refuses         lie = "refuses"          // every reservation fails
	refusesSome     lie = "refuses-some"     // one reservation in a hundred fails
	losesChanges    lie = "loses-changes"    // changes of one SKU in ten are not told to watchers
	dies            lie = "dies"             // the process ends at the hundredth reservation
	refusesPolitely lie = "refuses-politely" // no lie: one reservation in a hundred is refused, with when to try again
	forgetsKilled   lie = "forgets-killed"   // movements are answered and lost when the process is killed
)

// fakePrograms starts a fake service that tells a lie, and the real echo.
func fakePrograms(t *testing.T, l lie) Programs {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Programs{Executable: exe, Echo: []string{wordEcho}, Views: fakeViews, Events: fakeEvents,
		EventStore: func(data, address string) []string { return []string{wordEvents, data, address} },
		Broker:     func(data, address string) []string { return []string{wordBroker, data, address} }, Serve: func(s ServeSettings) []string {
			return []string{wordServe, s.Data, s.GRPC, s.Broker, strconv.FormatBool(s.Ingest), string(l)}
		}}
}

// fake is a service that keeps its books in memory, and in one file while it is stopped.
type fake struct {
	pb.UnimplementedAvailabilityServiceServer
	pb.UnimplementedReservationServiceServer
	pb.UnimplementedStockServiceServer
	pb.UnimplementedPolicyServiceServer
	pb.UnimplementedOperationsServiceServer
	pb.UnimplementedSnapshotServiceServer

	lie     lie
	batches atomic.Int64
	mu      sync.Mutex
	books
	journal *os.File // movements since the books were saved; nil in tests of one process
	readTo  uint64   // what a replay has come to
	changed []string // SKUs, as they changed
}

// books are what outlives the process.
type books struct {
	OnHand, Reserved map[string]map[string]int64 // by SKU and location
	Channels         map[string]*pb.Channel
	Events           uint64
	Next             map[int32]int64
	Calls, Dead      int64
}

func serveFake(ctx context.Context, args []string) error {
	data, grpcAddress, broker, ingest, l := args[0], args[1], args[2], args[3] == "true", lie(args[4])
	f, err := openFake(data, l)
	if err != nil {
		return err
	}
	cluster, err := fakeBroker(broker, filepath.Join(data, "broker"))
	if err != nil {
		return err
	}
	defer cluster.Close()
	var taking sync.WaitGroup
	if ingest {
		for p := range partitions {
			taking.Go(func() { f.takeSales(ctx, broker, p) })
		}
	}
	listener, err := net.Listen("tcp", grpcAddress)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	pb.RegisterAvailabilityServiceServer(s, f)
	pb.RegisterReservationServiceServer(s, f)
	pb.RegisterStockServiceServer(s, f)
	pb.RegisterPolicyServiceServer(s, f)
	pb.RegisterOperationsServiceServer(s, f)
	pb.RegisterSnapshotServiceServer(s, f)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	defer context.AfterFunc(ctx, s.GracefulStop)()
	err = s.Serve(listener)
	taking.Wait()
	if err != nil {
		return err
	}
	return f.save(data)
}

// serveHealth is a server that does nothing but be well.
func serveHealth(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	defer context.AfterFunc(ctx, s.GracefulStop)()
	return s.Serve(listener)
}

func serveBroker(ctx context.Context, data, address string) error {
	cluster, err := fakeBroker(address, data)
	if err != nil {
		return err
	}
	defer cluster.Close()
	<-ctx.Done()
	return nil
}

func fakeBroker(address, dir string) (*kfake.Cluster, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n), kfake.SeedTopics(partitions, salesTopic), kfake.DataDir(dir))
}

func newFake(l lie) *fake {
	return &fake{lie: l, books: books{OnHand: map[string]map[string]int64{}, Reserved: map[string]map[string]int64{},
		Channels: map[string]*pb.Channel{}, Next: map[int32]int64{}}}
}

func openFake(data string, l lie) (*fake, error) {
	f := newFake(l)
	events := filepath.Join(data, fakeEvents)
	if err := os.MkdirAll(events, 0o700); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(events, "books.json"))
	if err == nil {
		err = json.Unmarshal(text, &f.books)
	} else if os.IsNotExist(err) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if f.journal, err = os.OpenFile(filepath.Join(events, "journal"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := f.recall(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(data, fakeViews)); err == nil {
		f.readTo = f.Events
	}
	return f, errors.Join(os.MkdirAll(filepath.Join(data, fakeViews), 0o700), storeFake(filepath.Join(data, fakeEvents)))
}

// storeFake makes a store for Pebble to scan; that it holds no events does not matter.
func storeFake(dir string) error {
	append, closing, err := openAlone(dir)
	if err != nil {
		return err
	}
	return errors.Join(append(context.Background()), closing())
}

// moved is a line of the journal.
type moved struct {
	SKU, Location string
	Units         int64
}

// note writes what moved to the journal.
func (f *fake) note(all []moved) error {
	if f.journal == nil || f.lie == forgetsKilled {
		return nil
	}
	var lines bytes.Buffer
	for _, m := range all {
		if err := json.NewEncoder(&lines).Encode(m); err != nil {
			return err
		}
	}
	_, err := f.journal.Write(lines.Bytes())
	return err
}

// recall takes in what a killed process noted.
func (f *fake) recall() error {
	for d := json.NewDecoder(f.journal); ; {
		var m moved
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		change(f.OnHand, m.SKU, m.Location, m.Units)
		f.Events++
	}
}

func (f *fake) save(data string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal(f.books)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(data, fakeEvents, "books.json"), text, 0o600), f.journal.Truncate(0))
}

// change adds to one of the maps of books.
func change(m map[string]map[string]int64, sku, location string, units int64) {
	if m[sku] == nil {
		m[sku] = map[string]int64{}
	}
	m[sku][location] += units
}
