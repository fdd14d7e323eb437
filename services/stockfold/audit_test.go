package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// What an auditor does: he takes a head and the key with him, later has the history verified, online and offline, and proves one event by
// files alone. Then somebody changes the events.
func TestAnAuditorsWork(t *testing.T) {
	t.Parallel()
	settings, dir := testConfig(t), t.TempDir()
	c := client{t, startNode(t, settings)}
	must := func(command string, args ...string) string {
		t.Helper()
		out, trouble, code := c.run(command, args...)
		if code != 0 {
			t.Fatalf("%s %s: exit code %d\n%s%s", command, args, code, out, trouble)
		}
		return out
	}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	must("publish", "--source", "wms", "--id", "d-1", "movement", `{"sku": "milk", "location": "dc", "quantity": 10, "received": {}}`)
	c.awaitATS("milk", "10")
	if out := must("verify"); !strings.Contains(out, "No tree head is recorded yet") {
		t.Errorf("verify before there is a head: %s", out)
	}
	if _, trouble, code := c.run("audit", "key", "--data", dir); code != 1 || !strings.Contains(trouble, "--data") {
		t.Errorf("audit key of another directory: %s", trouble)
	}
	head, data := filepath.Join(dir, "head.txt"), []string{"--data", settings.Data}
	if out := must("audit", "head", "--grpc", c.n.GRPC, "--record", "--export", head); !strings.Contains(out, "up to position ") {
		t.Errorf("audit head: %s", out)
	}
	key := strings.TrimSpace(must("audit", append([]string{"key"}, data...)...))
	if info, err := os.Stat(filepath.Join(settings.Data, node.KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key that signs has mode %v, %v", info.Mode(), err)
	}
	for range 3 {
		c.call("ReservationService/Reserve", `{"reservation_id": "cart", "sku": "milk", "channel": "web", "quantity": 4}`)
	}

	if out := must("verify", "--since", head, "--key", key); !strings.Contains(out, "1 recorded tree heads fit") {
		t.Errorf("verify: %s", out)
	}
	if out := must("verify", "--sku", "milk"); !strings.Contains(out, "events of 1 streams follow") || strings.Contains(out, "recorded tree heads") {
		t.Errorf("verify --sku: %s", out)
	}
	if _, trouble, code := c.run("verify", "--sku", "mlik"); code != 1 || !strings.Contains(trouble, `no events of SKU "mlik"`) {
		t.Errorf("the history of a SKU that nobody knows was proved: %s", trouble)
	}
	if _, trouble, code := c.run("history", "mlik"); code != 0 || !strings.Contains(trouble, `no events of SKU "mlik"`) {
		t.Errorf("history of a SKU that nobody knows: %s", trouble)
	}
	if out := must("verify"); strings.Contains(out, "--since") {
		t.Errorf("verify tells of a head that nobody gave: %s", out)
	}
	if out := must("verify", "--quick", "--since", head, "--key", key); !strings.Contains(out, "begins with") {
		t.Errorf("verify --quick: %s", out)
	}
	if out := must("history", "milk"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "kafka stockfold.movements.v1/") {
		t.Errorf("history: %s", out)
	}
	if out := must("trace", "d-1"); !strings.Contains(out, "StockReceived  sku-milk #1") || !strings.Contains(out, "└─ ") {
		t.Errorf("trace: %s", out)
	}
	must("trace", "cart", "--json")

	export := filepath.Join(dir, "milk.jsonl")
	text := must("history", "milk", "--export")
	if err := os.WriteFile(export, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := must("verify", "--proof", export, "--key", key); !strings.Contains(out, "2 events proved, 1 are later than the head") {
		t.Errorf("verify --proof: %s", out)
	}
	var line pb.ProveEventResponse
	if err := protojson.Unmarshal([]byte(strings.Split(text, "\n")[2]), &line); err != nil {
		t.Fatal(err)
	}
	proof := filepath.Join(dir, "proof.jsonl")
	text = must("verify", "--event", line.Stored.Event.EventId)
	if err := os.WriteFile(proof, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := must("verify", "--proof", proof, "--since", head, "--key", key); !strings.Contains(out, "1 events proved") {
		t.Errorf("verify --proof: %s", out)
	}
	if err := os.WriteFile(proof, bytes.Replace([]byte(text), []byte(`"leaf":"`), []byte(`"leaf":"AAAA`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, trouble, code := c.run("verify", "--proof", proof, "--since", head, "--key", key); code != 1 || !strings.Contains(trouble, "line 2") {
		t.Errorf("a proof of another event was taken: %s", trouble)
	}
	for shown, other := range map[string]string{`"quantity":"10"`: `"quantity":"99"`, `"location":"dc"`: `"location":"db"`, `"revision":"1"`: `"revision":"2"`} {
		changed := strings.Replace(text, shown, other, 1)
		if err := os.WriteFile(proof, []byte(changed), 0o600); err != nil || changed == text {
			t.Fatalf("%s is not shown in %s: %v", shown, text, err)
		}
		if out, trouble, code := c.run("verify", "--proof", proof, "--key", key); code != 1 || !strings.Contains(trouble, "was changed in this file") {
			t.Errorf("%s in place of %s was proved: %s%s", other, shown, out, trouble)
		}
	}

	stopNode(t, c.n)
	if out := must("verify", "--offline", settings.Data, "--since", head); !strings.Contains(out, "1 recorded tree heads fit") {
		t.Errorf("verify --offline: %s", out)
	}
	must("verify", "--offline", settings.Data, "--sku", "milk")
}

func TestVerifyNeedsWhatItComparesWith(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("stockfold\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--key":       {"--proof", file},
		"no events":   {"--offline", t.TempDir()},
		"one --since": {"--quick"},
		"tree head":   {"--quick", "--since", file},
		"audit key":   {"--key", "foo", "--since", file},
		"leave --sku": {"--sku", "milk", "--since", file},
	} {
		var o, e strings.Builder
		if code := run(t.Context(), append([]string{"verify"}, args...), streams{&o, &e}); code != 1 || !strings.Contains(e.String(), want) {
			t.Errorf("verify %s: exit code %d, %s", args, code, e.String())
		}
	}
}
