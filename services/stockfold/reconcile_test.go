package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
