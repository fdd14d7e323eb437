package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// past is a service whose events are in EventStoreDB, and the tools of those who ask about the past.
type past struct {
	client
	config node.Config
}

func newPast(t *testing.T) *past {
	t.Helper()
	url, _ := eventStore(t, "--data", t.TempDir())
	p := &past{config: testConfig(t)}
	p.config.EventStore, p.config.SelfCheck = eventstoredb.URL(url), 0
	p.config.Roles = []string{node.RoleAPI, node.RoleProject, node.RoleLedger, node.RoleExpire}
	p.config.AuditKeyFile = filepath.Join(t.TempDir(), "audit.key")
	if _, err := audit.ReadKey(p.config.AuditKeyFile, "test", true); err != nil {
		t.Fatal(err)
	}
	p.client = client{t, startNode(t, p.config)}
	p.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	p.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	return p
}

// stop stops the service, before its event store ends with the test.
func (p *past) stop() { stopNode(p.t, p.n) }

// restart runs the service anew, and does something to its data in between.
func (p *past) restart(between func()) {
	p.t.Helper()
	stopNode(p.t, p.n)
	between()
	p.n = startNode(p.t, p.config)
}

// tells runs a command that ends with a code, and wants it to say some texts.
func (p *past) tells(code int, texts []string, command string, args ...string) string {
	p.t.Helper()
	out, trouble, got := p.run(command, args...)
	if got != code {
		p.t.Fatalf("%s %q: exit code %d\n%s%s", command, args, got, out, trouble)
	}
	for _, text := range texts {
		if !strings.Contains(out+trouble, text) {
			p.t.Errorf("%s %q does not say %q:\n%s%s", command, args, text, out, trouble)
		}
	}
	return out
}

// shows waits until availability is answered from the read model, and is right.
func (p *past) shows(sku, ats string) {
	p.t.Helper()
	var answer map[string]any
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
		answer, _ = p.call("AvailabilityService/GetAvailability", `{"sku": "`+sku+`", "channel": "web"}`)["availability"].(map[string]any)
		if answer["ats"] == ats && answer["answeredFrom"] == "ANSWERED_FROM_UNSPECIFIED" {
			return
		}
	}
	p.t.Errorf("%s is %v, want %s", sku, answer, ats)
}

// moved records movements of which a WMS tells.
func (p *past) moved(movements ...string) {
	p.t.Helper()
	p.call("StockService/RecordMovements", `{"movements": [`+strings.Join(movements, ",")+`]}`)
}

// Finance, auditors and support get the same from EventStoreDB as from the embedded store.
func TestThePastOnEventStoreDB(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	defer p.stop()
	p.moved(`{"movement_id": "1", "source": "wms", "sku": "tea", "location": "dc", "quantity": 10, "occurred_at": "2016-12-01T00:00:00Z", "received": {"unit_cost": 249, "currency": "EUR"}}`,
		`{"movement_id": "2", "source": "wms", "sku": "tea", "location": "dc", "quantity": 3, "occurred_at": "2017-01-02T00:00:00Z", "document": "receipt-7", "sold": {}}`)
	first := p.tells(0, []string{"sha256 "}, "snapshot", "--at", newYear)
	if again := p.tells(0, nil, "snapshot", "--at", newYear); again != first || !strings.Contains(first, "tea,dc,,,each,0,10,0,0,0,EUR,2490,0,0\n") {
		t.Errorf("snapshots\n%s\n%s", first, again)
	}
	p.tells(0, []string{"opening 10 (2490)", "- sold 3 (747)", "= closing 7 (1743)"}, "rollforward", "--from", newYear, "--to", "2017-02-01T00:00:00Z")
	p.tells(0, []string{"StockSold  sku-tea #"}, "trace", "receipt-7")
	p.tells(0, []string{"StockReceived", "StockSold"}, "history", "tea")

	head := filepath.Join(t.TempDir(), "head.txt")
	p.tells(0, []string{"up to position "}, "audit", "head", "--grpc", p.n.GRPC, "--record", "--export", head)
	p.moved(`{"movement_id": "3", "source": "wms", "sku": "milk", "location": "dc", "quantity": 5, "occurred_at": "2017-01-03T00:00:00Z", "received": {}}`)
	p.tells(0, []string{"1 recorded tree heads fit"}, "verify", "--since", head)
	p.tells(0, nil, "verify", "--sku", "tea")

	file := filepath.Join(t.TempDir(), "erp.csv")
	if err := os.WriteFile(file, []byte("sku,location,quantity\ntea,dc,9\nmilk,dc,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.tells(1, []string{"tea at dc: the source says 9, held 7: unexplained"}, "reconcile", file, "--source", "erp", "--as-of", time.Now().UTC().Format(time.RFC3339Nano))
}

// What is wrong with availability is found and mended from EventStoreDB: at once, from scratch, and by the self-check.
func TestReplayOnEventStoreDB(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	defer p.stop()
	for _, sku := range []string{"milk", "tea"} {
		p.moved(`{"movement_id": "` + sku + `", "source": "wms", "sku": "` + sku + `", "location": "dc", "quantity": 10, "occurred_at": "2017-01-01T00:00:00Z", "counted": {}}`)
		p.awaitATS(sku, "10")
	}
	corrupt := func() { corruptStored(t, p.config.Data, "milk") }
	p.restart(corrupt)
	p.tells(1, []string{"balances[dc].on_hand is 13 0 0 0, should be 10 0 0 0", "StockCounted", "1 differ."}, "replay", "--check")
	p.tells(1, []string{"milk: the stored document", "it was thrown away"}, "replay", "--check", "--from-scratch")
	p.tells(0, []string{"  mended\n", "2 SKUs compared"}, "replay")
	p.restart(corrupt)
	p.tells(0, []string{"1 differ", ", and serves now"}, "replay", "--from-scratch")
	p.tells(0, []string{"2 SKUs compared", "0 differ."}, "replay", "--check")
	p.awaitATS("milk", "10")
	p.tells(0, []string{`"sellable": "10"`}, "replay", "--sku", "milk", "--at", "2100-01-01T00:00:00Z")

	p.config.SelfCheck = 60_000
	p.restart(corrupt)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		out, trouble, code := p.run("replay", "--check")
		if code == 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the self-check did not mend it: %s%s", out, trouble)
		}
	}
	p.awaitATS("milk", "10")
}

// Two replicas share EventStoreDB and Redis. What is wrong in Redis one of them exchanges, and both show what is right.
func TestAReplicaExchangesForAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := newPast(t)
	defer p.stop()
	p.restart(func() { p.config.Redis = redis.URL("redis://" + server.Addr()) })
	config := testConfig(t)
	config.EventStore, config.Redis, config.Roles, config.SelfCheck = p.config.EventStore, p.config.Redis, p.config.Roles, 0
	config.AuditKeyFile = p.config.AuditKeyFile
	other := &past{client: client{t, startNode(t, config)}}
	defer other.stop()
	for _, sku := range []string{"milk", "tea"} {
		p.moved(`{"movement_id": "` + sku + `", "source": "wms", "sku": "` + sku + `", "location": "dc", "quantity": 10, "occurred_at": "2017-01-01T00:00:00Z", "counted": {}}`)
		p.awaitATS(sku, "10")
		other.awaitATS(sku, "10")
	}
	p.moved(`{"movement_id": "more", "source": "wms", "sku": "tea", "location": "dc", "quantity": 5, "occurred_at": "2017-01-02T00:00:00Z", "received": {}}`)
	other.awaitATS("tea", "15")
	server.Do("COPY", "stockfold:document:{tea}", "stockfold:document:{milk}", "REPLACE")
	for _, replica := range []*past{p, other} {
		replica.tells(1, []string{"1 differ."}, "replay", "--check")
	}
	other.tells(0, []string{"1 differ", ", and serves now"}, "replay", "--from-scratch")
	for _, replica := range []*past{p, other} {
		replica.shows("milk", "10")
		replica.shows("tea", "15")
		replica.tells(0, []string{"2 SKUs compared", "0 differ."}, "replay", "--check")
	}
	p.tells(0, []string{"0 differ", ", and serves now"}, "replay", "--from-scratch")
	p.moved(`{"movement_id": "last", "source": "wms", "sku": "milk", "location": "dc", "quantity": 1, "occurred_at": "2017-01-02T00:00:00Z", "received": {}}`)
	for _, replica := range []*past{p, other} {
		replica.shows("milk", "11")
	}
}
