package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/deploy/demo"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stockfold/load"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// testConfig is a node of its own: a new directory, and ports that nobody else has.
func testConfig(t *testing.T) node.Config {
	c, err := settingsOf(t, "--grpc", "127.0.0.1:0", "--rest", "127.0.0.1:0", "--broker", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--data", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func startNode(t *testing.T, c node.Config) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNode(t, n) })
	return n
}

func stopNode(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a busy machine is no fault of the node's
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func connect(t *testing.T, n *node.Node) *grpc.ClientConn {
	t.Helper()
	conn, err := dial(n.GRPC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// demoData is the demonstration data, to be checked after it was loaded.
func demoData(t *testing.T) load.Options {
	t.Helper()
	opening, err := load.ParseOpening(load.DefaultOpening)
	if err != nil {
		t.Fatal(err)
	}
	items := load.Bytes("items.csv.gz", demo.Items)
	return load.Options{POS: load.Bytes("pos-sales.csv.gz", demo.Sales), Items: &items, Opening: opening, Verify: true,
		Log: slog.New(slog.DiscardHandler), Progress: load.Silent{}}
}

func demoOptions(t *testing.T, n *node.Node) load.Options {
	t.Helper()
	o := demoData(t)
	o.Conn, o.Brokers.Addresses = connect(t, n), n.Brokers
	return o
}

// The demonstration data through the whole service: loaded, right, right again after a restart and after loading it a
// second time.
func TestTheDemonstrationDataEndsRight(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	n := startNode(t, c)
	if !n.Fresh() {
		t.Error("a new data directory is not fresh")
	}
	first, err := load.Run(t.Context(), demoOptions(t, n))
	if err != nil {
		t.Fatal(err)
	}
	want := balances(t)
	if first.Applied != 12929+len(want) || first.Duplicates != 0 || first.DeadLettered != 0 || first.Survey.ZeroLines != 60 || first.Failed() {
		t.Errorf("first load: %+v, %+v", first, first.Verification)
	}
	compareAll(t, n, want)
	stopNode(t, n)

	n = startNode(t, c)
	if n.Fresh() {
		t.Error("a data directory with events is fresh")
	}
	compareAll(t, n, want)

	second, err := load.Run(t.Context(), demoOptions(t, n))
	if err != nil {
		t.Fatal(err)
	}
	if second.Applied != 0 || second.Duplicates != first.Applied || second.Items != 0 || second.Stores != 0 || second.Failed() {
		t.Errorf("second load: %+v, %+v", second, second.Verification)
	}
	compareAll(t, n, want)
}

// place is a SKU in a store.
type place struct{ sku, store string }

// balances computes every final balance from the file, by the rule of deploy/demo/README.md and by nothing of the
// service or the loader: half as much again as was sold, but as much where the SKU ends in 9 and nine tenths where it ends in
// 0, rounded up, less what was sold.
func balances(t *testing.T) map[place]int64 {
	z, err := gzip.NewReader(bytes.NewReader(demo.Sales))
	if err != nil {
		t.Fatal(err)
	}
	sold := map[place]int64{}
	lines := bufio.NewScanner(z)
	for lines.Scan(); lines.Scan(); {
		f := strings.Split(lines.Text(), ",")
		quantity, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sold[place{f[3], f[1]}] += quantity
	}
	for p, units := range sold {
		switch p.sku[len(p.sku)-1] {
		case '9':
			sold[p] = 0
		case '0':
			sold[p] = (units*9+9)/10 - units
		default:
			sold[p] = (units*3+1)/2 - units
		}
	}
	return sold
}

// compareAll asks for every SKU and compares every balance.
func compareAll(t *testing.T, n *node.Node, want map[place]int64) {
	t.Helper()
	stock := pb.NewStockServiceClient(connect(t, n))
	asked := map[string]bool{}
	found := 0
	for p := range want {
		if asked[p.sku] {
			continue
		}
		asked[p.sku] = true
		answer, err := stock.GetStock(t.Context(), &pb.GetStockRequest{Sku: p.sku})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range answer.Stock.Locations {
			found++
			if w, ok := want[place{p.sku, at.Location}]; !ok || w != at.Sellable {
				t.Fatalf("SKU %s at store %s: %d, want %d", p.sku, at.Location, at.Sellable, w)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d balances, want %d", found, len(want))
	}
}

// What the web shop can sell follows from the balances: those of its stores that are above zero, less its buffer.
func TestTheDemonstrationSaysWhatToTry(t *testing.T) {
	t.Parallel()
	c := serveCmd{Config: testConfig(t), Demo: true}
	var out strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, err := node.Start(ctx, c.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer stopNode(t, n)
	if err := runDemo(ctx, n, c.Data, streams{&out, &out}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"12929 lines in ", "curl 'http://" + n.REST + "/v1/availability/1082185?channel=web'",
		"./stockfold call --grpc " + n.GRPC + " ReservationService/Reserve", "./stockfold publish --kafka-brokers " + n.Brokers[0] + " movement"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("does not say %q:\n%s", text, &out)
		}
	}
	web, err := pb.NewPolicyServiceClient(connect(t, n)).GetChannel(ctx, &pb.GetChannelRequest{ChannelId: "web"})
	if err != nil || len(web.Channel.Sourcing) != 5 {
		t.Fatalf("channel web: %v, %v", web, err)
	}
	sum, all := int64(-2), balances(t)
	for p, units := range all {
		if p.sku == demoSKU && slices.Contains(web.Channel.Sourcing, p.store) {
			sum += max(0, units)
		}
	}
	got, err := pb.NewAvailabilityServiceClient(connect(t, n)).GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: demoSKU, Channel: "web"})
	if err != nil || got.Availability.Ats != sum || sum <= 3 {
		t.Errorf("%v, %v; want %d", got, err, sum)
	}
}

func TestWhatIsServedBesideTheAPI(t *testing.T) {
	t.Parallel()
	n := startNode(t, testConfig(t))
	for _, x := range []struct{ url, want string }{ // in this order: calls are counted once there were any
		{"http://" + n.REST + "/healthz", ""},
		{"http://" + n.REST + "/readyz", ""},
		{"http://" + n.REST + "/v1/status", `"storePosition"`},
		{"http://" + n.REST + "/v1/dead-letters", "{"},
		{"http://" + n.REST + "/v1/locations", "{"},
		{"http://" + n.Metrics + "/metrics", "stockfold_projection_lag_events{projection=\"availability\"} 0"},
		{"http://" + n.Metrics + "/metrics?again=", "stockfold_rpc_requests_total"},
		{"http://" + n.Metrics + "/debug/pprof/", "goroutine"},
	} {
		if body := get(t, x.url); !strings.Contains(body, x.want) {
			t.Errorf("%s does not hold %q:\n%s", x.url, x.want, body)
		}
	}
	metrics := get(t, "http://"+n.Metrics+"/metrics")
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total", "stockfold_events_appended_total", "stockfold_store_sync_seconds_bucket",
		"stockfold_store_sync_events_bucket", "stockfold_projection_delay_seconds", "stockfold_dead_letters_open", "stockfold_commands_waiting",
		"stockfold_commands_state_bytes", "stockfold_ready 1"} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("metrics lack %s", name)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, answer.Status, err, body)
	}
	return string(body)
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	first := startNode(t, testConfig(t))
	for flag, change := range map[string]func(*node.Config){
		"grpc":    func(c *node.Config) { c.GRPC = first.GRPC },
		"rest":    func(c *node.Config) { c.REST = first.REST },
		"metrics": func(c *node.Config) { c.Metrics = first.Metrics },
		"broker":  func(c *node.Config) { c.Broker = first.Brokers[0] },
	} {
		c := testConfig(t)
		change(&c)
		_, err := node.Start(t.Context(), c, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "is taken") || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("%s: got %v", flag, err)
		}
		change(&c) // what had been started is gone: with other ports the same directory serves
		free := testConfig(t)
		free.Data = c.Data
		stopNode(t, startNode(t, free))
	}
}

func TestASecondProcessIsToldOfTheFirst(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	startNode(t, c)
	_, err := node.Start(t.Context(), c, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), c.Data) || !strings.Contains(err.Error(), "another") {
		t.Errorf("got %v", err)
	}
}

func TestRolesLeaveOutWhatTheyDoNotName(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Roles = []string{node.RoleAPI, node.RoleProject}
	n := startNode(t, c)
	if len(n.Brokers) != 0 {
		t.Errorf("a node that neither ingests nor publishes has brokers %q", n.Brokers)
	}
	get(t, "http://"+n.REST+"/readyz")
	c = testConfig(t)
	c.Roles = []string{node.RoleIngest}
	if n = startNode(t, c); n.GRPC != "" || n.REST != "" || len(n.Brokers) != 1 {
		t.Errorf("a node that only ingests serves %q, %q with brokers %q", n.GRPC, n.REST, n.Brokers)
	}
}

// The loader is a client and has its own copy of the contract's names.
func TestTheLoaderKnowsTheTopics(t *testing.T) {
	if fmt.Sprint(load.MovementsTopic, load.SalesTopic) != fmt.Sprint(ingest.TopicMovements, ingest.TopicSales) {
		t.Errorf("%s and %s", load.MovementsTopic, load.SalesTopic)
	}
}

// stopAt calls stop once a text was written.
type stopAt struct {
	strings.Builder
	text string
	stop func()
}

func (w *stopAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.stop()
	}
	return w.Builder.Write(p)
}

// A first try that was stopped has left some of the data: the next one loads the rest, and the one after that nothing.
func TestTheDemonstrationGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	run := func(ctx context.Context, w *stopAt) error {
		n := startNode(t, c)
		defer stopNode(t, n)
		return runDemo(ctx, n, c.Data, streams{w, w}, slog.New(slog.DiscardHandler))
	}
	first := stopAt{text: "opening counts applied", stop: cancel}
	if err := run(ctx, &first); err == nil {
		t.Fatalf("was not interrupted:\n%s", &first.Builder)
	}
	var second, third stopAt
	second.stop, third.stop = func() {}, func() {}
	if err := run(t.Context(), &second); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), &third); err != nil {
		t.Fatal(err)
	}
	if got := second.String(); !strings.Contains(got, "10567 of 10567 balances are as the file says") || !strings.Contains(got, "Try it") {
		t.Errorf("after the interruption:\n%s", got)
	}
	if got := third.String(); !strings.Contains(got, "not loaded again") || !strings.Contains(got, "Try it") {
		t.Errorf("after all was loaded:\n%s", got)
	}
}
