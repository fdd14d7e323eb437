package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// corruptStored has what is stored of a SKU's availability say that three more lie at each place. The node is stopped.
func corruptStored(t *testing.T, data, sku string) {
	t.Helper()
	db, err := views.Open(filepath.Join(data, "views"), views.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Availability().Read(t.Context(), sku)
	if err != nil || d == nil {
		t.Fatalf("got %v, %v", d, err)
	}
	for b := range d.Balances.Each {
		b.OnHand[stock.Sellable] += 3
	}
	if err := db.Availability().Write(t.Context(), []*availability.Document{d}, projections.Progress{}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReplayFindsWhatDiffersAndMendsIt(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.SelfCheck = 0 // it would be faster
	n := startNode(t, config)
	c := client{t, n}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	for _, sku := range []string{"milk", "tea"} {
		c.call("StockService/RecordMovements", `{"movements": [{"movement_id": "`+sku+`", "source": "wms", "sku": "`+sku+`", "location": "dc", "quantity": 10,
			"occurred_at": "2017-01-01T00:00:00Z", "counted": {}}]}`)
		c.awaitATS(sku, "10")
	}
	stopNode(t, n)
	corruptStored(t, config.Data, "milk")
	c.n = startNode(t, config)
	replay := func(want int, args ...string) string {
		t.Helper()
		out, trouble, code := c.run("replay", args...)
		if code != want {
			t.Fatalf("replay %s: exit code %d\n%s%s", args, code, out, trouble)
		}
		return out
	}
	for _, args := range [][]string{{"--check"}, {"--check", "--sku", "milk"}} {
		if out := replay(1, args...); !strings.Contains(out, "milk: the stored document") || !strings.Contains(out, "balances[dc].on_hand is 13 0 0 0, should be 10 0 0 0") ||
			!strings.Contains(out, "StockCounted") || !strings.Contains(out, "1 differ.") {
			t.Errorf("replay %s: %s", args, out)
		}
	}
	if out := replay(1, "--check", "--json"); strings.Count(out, "\n") != 2 || !strings.Contains(out, `"kind":"DRIFT_KIND_DIFFERS"`) || !strings.Contains(out, `"summary":`) {
		t.Errorf("as JSON: %s", out)
	}
	if out := replay(0); !strings.Contains(out, "  mended\n") || !strings.Contains(out, "2 SKUs compared") {
		t.Errorf("mended: %s", out)
	}
	if out := replay(0, "--check"); !strings.Contains(out, "0 differ.") {
		t.Errorf("after that: %s", out)
	}
	c.awaitATS("milk", "10")
	if out := replay(0, "--from-scratch", "--check"); !strings.Contains(out, "it was thrown away") {
		t.Errorf("checked from scratch: %s", out)
	}
	if out := replay(0, "--from-scratch"); !strings.Contains(out, ", and serves now") {
		t.Errorf("from scratch: %s", out)
	}
	if left, err := os.Stat(filepath.Join(config.Data, "views.replay")); !os.IsNotExist(err) {
		t.Errorf("left behind: %v, %v", left, err)
	}
	c.awaitATS("tea", "10")
	if out := replay(0, "--sku", "milk", "--at", "1"); !strings.Contains(out, "milk: nothing was recorded by then") {
		t.Errorf("at the beginning: %s", out)
	}
	if out := replay(0, "--sku", "milk", "--at", "2100-01-01T00:00:00Z"); !strings.Contains(out, `"sellable": "10"`) || !strings.Contains(out, "  web could sell 10, under its policy of position ") {
		t.Errorf("of the past: %s", out)
	}
	if _, trouble, code := c.run("replay", "--sku", "milk", "--at", "yesterday"); code != 1 || !strings.Contains(trouble, "neither a position nor an instant") {
		t.Errorf("exit code %d: %s", code, trouble)
	}
}

func TestProgressOfAReplayHasRateAndTimeLeft(t *testing.T) {
	var out strings.Builder
	shown := &stages{out: &out}
	for _, p := range []*pb.ReplayProgress{{Stage: "count", Done: 700, PerSecond: 1400}, {Stage: "compare", Done: 250, Total: 1000, PerSecond: 100, LeftMs: 7500},
		{Stage: "compare", Done: 1000, Total: 1000, PerSecond: 100}} {
		shown.show(p)
	}
	shown.end()
	if want := "count    700  1400/s\ncompare  250 / 1000  100/s  7.5s left\ncompare  1000 / 1000  100/s\n"; out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}
