package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// storeEvents is how many events the two stores are compared with; more make what is measured mean more.
var storeEvents = flag.Int("store-events", 2000, "events to compare the embedded store with EventStoreDB by")

// receipt records units that came.
type receipt int64

func (n receipt) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := stock.Move(s, stock.Movement{Kind: stock.KindReceived, Location: fmt.Sprint("store ", n%5), Quantity: int64(n)}, m, now)
	return events, err
}

// recordEvents fills a data directory with receipts of SKUs that have 50 each.
func recordEvents(t *testing.T, data string, n int) {
	t.Helper()
	store, err := pebble.Open(filepath.Join(data, "events"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	skus := commands.NewStreams(store, commands.SKUs(), commands.Options{Exclusive: true})
	var recording sync.WaitGroup
	for worker := range 256 {
		recording.Go(func() {
			for i := worker; i < n; i += 256 {
				m := aggregates.Metadata{IdempotencyKey: fmt.Sprint(i), CorrelationID: fmt.Sprint("delivery ", i/10)}
				if _, err := skus.Do(t.Context(), fmt.Sprint("sku ", i%max(1, n/50)), m, receipt(i%7+1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	recording.Wait()
	if err := errors.Join(skus.Close(t.Context()), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// looked is what a service tells of the past, and how long each thing took.
type looked struct {
	snapshot string
	took     map[string]time.Duration
}

// look has a service that knows nothing yet take in a store and tell of it, as of an instant.
func look(t *testing.T, config node.Config, at string) (l looked) {
	t.Helper()
	config.Roles, config.SelfCheck, config.AuditEvery = []string{node.RoleAPI, node.RoleProject, node.RoleLedger}, 0, 0
	l.took = map[string]time.Duration{}
	began := time.Now()
	measured := func(what string) {
		l.took[what] = time.Since(began)
		began = time.Now()
	}
	n := startNode(t, config)
	defer stopNode(t, n)
	measured("start")
	c := client{t, n}
	tell := func(what, command string, args ...string) string {
		t.Helper()
		began = time.Now()
		out, trouble, code := c.run(command, args...)
		if measured(what); code != 0 {
			t.Fatalf("%s %q: exit code %d\n%s%s", command, args, code, out, trouble)
		}
		return out
	}
	tell("replay --check", "replay", "--check")
	tell("replay --from-scratch", "replay", "--from-scratch")
	status := pb.NewOperationsServiceClient(connect(t, n))
	for caught := false; !caught; time.Sleep(time.Millisecond) {
		now, err := status.GetStatus(t.Context(), &pb.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		caught = true
		for _, p := range now.Projections {
			caught = caught && p.Lag == 0
		}
	}
	tell("first snapshot", "snapshot", "--at", at, "--axis", "recorded")
	l.snapshot = tell("snapshot", "snapshot", "--at", at, "--axis", "recorded")
	tell("verify", "verify")
	tell("trace", "trace", "delivery 7")
	return l
}

// The same events tell the same of the past whether they are in the embedded store or in EventStoreDB. How much slower that is there, the log says; deploy/README.md
// has what it said.
func TestBothStoresTellTheSame(t *testing.T) {
	embedded := testConfig(t)
	recordEvents(t, embedded.Data, *storeEvents)
	at := time.Now().UTC().Format(time.RFC3339Nano)
	want := look(t, embedded, at)
	url, _ := eventStore(t, "--data", embedded.Data)
	shared := testConfig(t)
	shared.EventStore = eventstoredb.URL(url)
	got := look(t, shared, at)
	if got.snapshot != want.snapshot || strings.Count(got.snapshot, "\n") < 2 {
		t.Errorf("snapshots of %d and %d bytes differ", len(got.snapshot), len(want.snapshot))
	}
	for _, what := range []string{"start", "replay --check", "replay --from-scratch", "first snapshot", "snapshot", "verify", "trace"} {
		x, y := want.took[what], got.took[what]
		t.Logf("%-22s embedded %9s %9.0f events/s   EventStoreDB %9s %9.0f events/s   %5.1f times", what,
			x.Round(time.Millisecond), float64(*storeEvents)/x.Seconds(), y.Round(time.Millisecond), float64(*storeEvents)/y.Seconds(), y.Seconds()/x.Seconds())
	}
}
