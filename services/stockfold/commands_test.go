package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// client runs subcommands against a node.
type client struct {
	t *testing.T
	n *node.Node
}

// run runs a subcommand with the node's addresses and returns what it printed and its exit code.
func (c client) run(command string, args ...string) (out, trouble string, code int) {
	c.t.Helper()
	where := map[string][]string{
		"call":    {"--grpc", c.n.GRPC},
		"explain": {"--grpc", c.n.GRPC}, "snapshot": {"--grpc", c.n.GRPC}, "rollforward": {"--grpc", c.n.GRPC},
		"history": {"--grpc", c.n.GRPC},
		"trace":   {"--grpc", c.n.GRPC},
		"verify":  {"--grpc", c.n.GRPC}, "replay": {"--grpc", c.n.GRPC}, "reconcile": {"--grpc", c.n.GRPC},
		"publish": {"--kafka-brokers", strings.Join(c.n.Brokers, ",")},
		"load":    {"--grpc", c.n.GRPC, "--broker", strings.Join(c.n.Brokers, ",")},
	}[command]
	var o, e strings.Builder
	code = run(c.t.Context(), append(append([]string{command}, where...), args...), streams{&o, &e})
	return o.String(), e.String(), code
}

// call calls a method that must succeed.
func (c client) call(method, request string) map[string]any {
	c.t.Helper()
	out, trouble, code := c.run("call", method, request)
	var answer map[string]any
	if err := json.Unmarshal([]byte(out), &answer); code != 0 || err != nil {
		c.t.Fatalf("call %s: exit code %d, %v\n%s%s", method, code, err, out, trouble)
	}
	return answer
}

func TestAShellCanDoWhatAProgramCan(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	out, trouble, code := c.run("publish", "--source", "wms", "--id", "d-1", "--time", "2017-01-02T15:04:05Z", "movement",
		`{"sku": "tea/green 100%", "location": "dc", "quantity": 10, "received": {}}`)
	if code != 0 || !strings.HasPrefix(out, "published to stockfold.movements.v1, partition ") || !strings.HasSuffix(out, "as d-1\n") {
		t.Fatalf("publish: exit code %d\n%s%s", code, out, trouble)
	}
	c.awaitATS("tea/green 100%", "10")
	c.call("stockfold.inventory.v1.ReservationService/Reserve", `{"reservation_id": "cart", "sku": "tea/green 100%", "channel": "web", "quantity": 4}`)
	if out, trouble, code = c.run("publish", "sale", `{"document": "r-1", "location": "dc", "lines": [{"sku": "tea/green 100%", "quantity": 1}]}`); code != 0 {
		t.Fatalf("publish: exit code %d\n%s%s", code, out, trouble)
	}
	c.awaitATS("tea/green 100%", "5")
	if out, trouble, code = c.run("publish", "--source", "market", "order", `{"order_id": "m-1", "placed": {"channel": "web", "sold": true,
		"lines": [{"line": "1", "sku": "tea/green 100%", "quantity": 3}]}}`); code != 0 || !strings.HasPrefix(out, "published to stockfold.orders.v1, partition ") {
		t.Fatalf("publish: exit code %d\n%s%s", code, out, trouble)
	}
	c.awaitATS("tea/green 100%", "2")
}

// awaitATS watches until a channel can sell so much.
func (c client) awaitATS(sku, ats string) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	w := &waitFor{text: `"ats": "` + ats + `"`, found: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"call", "--grpc", c.n.GRPC, "AvailabilityService/WatchAvailability", `{"channel": "web", "skus": ["` + sku + `"]}`},
			streams{w, w})
	}()
	select {
	case <-w.found:
		cancel()
		if code := <-ended; code != 0 {
			c.t.Errorf("a watch that was interrupted ends with %d:\n%s", code, w)
		}
	case code := <-ended:
		c.t.Fatalf("the watch ended with %d:\n%s", code, w)
	}
}

func TestAShellIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	for _, x := range []struct {
		args []string
		says []string
	}{
		{[]string{"call", "Availability/Get"}, []string{`there is no method "Availability/Get"`, "AvailabilityService/GetAvailability\n"}},
		{[]string{"call", "StockService/GetStock", `{"skuu": "tea"}`}, []string{"request is not a GetStockRequest in JSON", "skuu"}},
		{[]string{"call", "AvailabilityService/GetAvailability", `{"sku": "tea", "channel": "shop"}`},
			[]string{"answered NotFound", "ErrorInfo", "UNKNOWN_CHANNEL", `"shop"`}},
		{[]string{"call", "StockService/GetStock", `{"sku": ""}`}, []string{"answered InvalidArgument", "BadRequest", `"field":"sku"`}},
		{[]string{"call", "AvailabilityService/WatchAvailability", `{"channel": "shop"}`}, []string{"answered NotFound", "UNKNOWN_CHANNEL"}},
		{[]string{"publish", "movement", `{"sky": "tea"}`}, []string{"data is not a Movement in JSON", "sky"}},
		{[]string{"publish", "order", `{"sent": {}}`}, []string{"data is not an OrderMessage in JSON", "sent"}},
		{[]string{"load", "--pos", writeFile(t, "ts,store\n")}, []string{"line 1: there is no column"}},
		{[]string{"load", "--opening", "half", "--pos", writeFile(t, "")}, []string{`opening rule "half"`}},
	} {
		out, trouble, code := c.run(x.args[0], x.args[1:]...)
		for _, text := range x.says {
			if !strings.Contains(trouble, text) {
				t.Errorf("%q does not say %q:\n%s%s", x.args, text, out, trouble)
			}
		}
		if code != 1 {
			t.Errorf("%q ends with %d", x.args, code)
		}
	}
}

func TestAServiceThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	nowhere := freeAddresses(t, 1)[0]
	var out, trouble strings.Builder
	code := run(t.Context(), []string{"call", "--grpc", nowhere, "--timeout", "2s", "OperationsService/GetStatus"}, streams{&out, &trouble})
	if code != 1 || !strings.Contains(trouble.String(), nowhere) || !strings.Contains(trouble.String(), "Unavailable") {
		t.Errorf("exit code %d: %s", code, &trouble)
	}
}

// Brokers that were never there are what people look at the status for.
func TestTheStatusNamesBrokersThatAreAway(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.KafkaBrokers = freeAddresses(t, 1)
	n := client{t, startNode(t, c)}
	limit := time.After(time.Minute)
	for again := time.NewTicker(10 * time.Millisecond); ; {
		said := fmt.Sprint(n.call("OperationsService/GetStatus", "{}")["partitions"])
		if strings.Contains(said, c.KafkaBrokers[0]) && strings.Contains(said, "refused") {
			return
		}
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("the status says %s", said)
		}
	}
}

// A load says with its exit code when a balance is not as the file says.
func TestALoadThatDoesNotAddUpFails(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	file := filepath.Join(t.TempDir(), "pos.csv")
	text := "ts,store_id,basket_id,product_id,quantity\n2017-01-02T10:00:00Z,1,b1,tea,4\n2017-01-02T10:00:00Z,1,b1,coupon,0\n2017-01-02T11:00:00Z,2,b2,tea,-1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, trouble, code := c.run("load", "--pos", file, "--verify")
	if code != 0 || !strings.Contains(out, "3 of 3 balances are as the file says") || !strings.Contains(out, "applied now    6\n") {
		t.Fatalf("exit code %d\n%s%s", code, out, trouble)
	}
	answer := c.call("StockService/RecordMovements", `{"movements": [{"movement_id": "m", "source": "thief", "sku": "tea", "location": "1",
		"occurred_at": "2017-01-03T00:00:00Z", "quantity": -1, "adjusted": {}}]}`)
	if token, _ := answer["token"].(string); token == "" {
		t.Fatalf("got %v", answer)
	}
	c.call("StockService/GetStock", `{"sku": "tea", "token": "`+answer["token"].(string)+`"}`)
	out, _, code = c.run("load", "--pos", file, "--verify")
	if code != 1 || !strings.Contains(out, "SKU tea at store 1: the file gives 2, the service says 1") || !strings.Contains(out, "duplicates     6\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Each replica takes in some of the partitions, and counts for itself.
func TestALoadThroughReplicasCountsThoseOfAll(t *testing.T) {
	t.Parallel()
	store, _ := eventStore(t, "--data", t.TempDir())
	brokers, _ := brokerOf(t, "--data", t.TempDir())
	var replicas []string
	for range 2 {
		c := testConfig(t)
		c.EventStore, c.KafkaBrokers = eventstoredb.URL(store), []string{brokers}
		replicas = append(replicas, startNode(t, c).GRPC)
	}
	file := filepath.Join(t.TempDir(), "pos.csv")
	text := "ts,store_id,basket_id,product_id,quantity\n"
	for i := range 40 {
		text += fmt.Sprintf("2017-01-02T10:00:00Z,1,b%d,tea%d,4\n", i, i)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"applied now    80\n  duplicates     0\n", "applied now    0\n  duplicates     80\n"} {
		var out, trouble strings.Builder
		code := run(t.Context(), []string{"load", "--pos", file, "--verify", "--kafka-brokers", brokers, "--grpc", strings.Join(replicas, ",")}, streams{&out, &trouble})
		if code != 0 || !strings.Contains(out.String(), "40 of 40 balances are as the file says") || !strings.Contains(out.String(), says) {
			t.Fatalf("exit code %d\n%s%s", code, &out, &trouble)
		}
	}
}

func TestVersionNamesWhatIsWritten(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), []string{"version"}, streams{&out, &out}); code != 0 {
		t.Errorf("ends with %d", code)
	}
	for _, text := range []string{"stockfold ", "go1.", "stockfold.inventory.v1", "stock/"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("does not say %q:\n%s", text, &out)
		}
	}
}

func TestLogsAreJSONWhereNobodyReadsAlong(t *testing.T) {
	for format, want := range map[string]string{"auto": `"msg":"hello"`, "json": `"msg":"hello"`, "text": "msg=hello"} {
		var out strings.Builder
		logConfig{Format: format}.logger(&out).Info("hello")
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", format, &out)
		}
	}
}
