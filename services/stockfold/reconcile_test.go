package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// What a channel shows is compared with what it was told: by a service whose brokers are away, nothing yet.
func TestAChannelThatNobodyCouldTellIsNotDelivered(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.KafkaBrokers = freeAddresses(t, 1)
	c := client{t, startNode(t, config)}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	for _, movement := range []string{`{"movement_id": "1", "source": "wms", "sku": "tea", "location": "dc", "quantity": 10, "occurred_at": "2017-01-01T00:00:00Z", "counted": {}}`,
		`{"movement_id": "2", "source": "pos", "sku": "tea", "location": "dc", "quantity": 3, "occurred_at": "2017-01-02T00:00:00Z", "sold": {}}`} {
		c.call("StockService/RecordMovements", `{"movements": [`+movement+`]}`)
	}
	file := filepath.Join(t.TempDir(), "shop.csv")
	if err := os.WriteFile(file, []byte("sku,quantity\ntea,10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, trouble, code := c.run("reconcile", file, "--source", "shop", "--scope", "channel:web", "--as-of", time.Now().UTC().Format(time.RFC3339Nano))
	if code != 1 || !strings.Contains(out, "not_delivered") || !strings.Contains(out, "made 7 available, and is not published") {
		t.Errorf("exit code %d: %s%s", code, out, trouble)
	}
}

// Who asked for corrections and gets proposals is told why.
func TestWhyNothingIsCorrectedIsSaid(t *testing.T) {
	const correct = pb.ReconciliationPolicy_RECONCILIATION_POLICY_CORRECT
	for _, x := range []struct {
		policy   pb.ReconciliationPolicy
		proposed int64
		within   bool
		want     string
	}{
		{correct, 4, true, "adjust by +4: within the limits\n"},
		{correct, -5, false, "adjust by -5: proposed, as it is more than the 4 units"},
		{correct, 4, false, "adjust by +4: proposed, as erp was not the system of record"},
		{pb.ReconciliationPolicy_RECONCILIATION_POLICY_PROPOSE, 5, false, "adjust by +5: proposed\n"},
	} {
		var out strings.Builder
		printDiscrepancy(&out, &pb.SnapshotHeader{Source: "erp", Policy: x.policy, MaxUnits: 4}, &pb.Discrepancy{Sku: "tea", Proposed: x.proposed,
			WithinLimits: x.within, Evidence: []*pb.Evidence{{Kind: "ratio", Text: "1 to 12"}}})
		if got := out.String(); !strings.Contains(got, x.want) || !strings.Contains(got, "  ratio: 1 to 12\n") {
			t.Errorf("%+v: %s", x, got)
		}
	}
}

// Columns of the list of runs are below each other, whatever is in them.
func TestRunsAreListedInColumns(t *testing.T) {
	var out strings.Builder
	list := &pb.ListRunsResponse{Runs: []*pb.ReconciliationRun{{RunId: "1", Header: &pb.SnapshotHeader{Source: "a source with a long name", Document: "d"}},
		{RunId: "22", Header: &pb.SnapshotHeader{Source: "erp", Document: "document"}, Totals: &pb.ReconciliationTotals{ValueAtRisk: []*pb.CurrencyTotal{{MinorUnits: 5, Currency: "EUR"}}}}}}
	if err := (&reconcileService{Format: "text"}).printRuns(&out, list); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	column := strings.Index(lines[0], "document")
	if len(lines) != 4 || !strings.HasPrefix(lines[1][column:], "d ") || !strings.HasPrefix(lines[2][column:], "document ") || !strings.Contains(lines[0], "minor units") {
		t.Errorf("got\n%s", out.String())
	}
}
