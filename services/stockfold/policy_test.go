package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/policyfile"
)

const rulesFile = `locations:
  - {location_id: berlin}
  - {location_id: hamburg}
groups:
  - {group: north, locations: [hamburg]}
channels:
  - {channel_id: web, sourcing: [berlin, hamburg], buffer: 1}
  - {channel_id: store, sourcing: [berlin]}
items:
  - {sku: milk, name: Milk, category: dairy}
  - {sku: tea, name: Tea, category: dry}
safety:
  - {category: dairy, quantity: 1}
  - {sku: milk, location: hamburg, quantity: 2}
buffers:
  - {sku: milk, channel: web, quantity: 3}
selling:
  - {sku: tea, backorders: 5}
allocations:
  - {sku: milk, channel: store, fence: 2}
`

// policy runs a subcommand of policy.
func (c client) policy(command string, args ...string) (out, trouble string, code int) {
	var o, e strings.Builder
	code = run(c.t.Context(), append([]string{"policy", command, "--grpc", c.n.GRPC}, args...), streams{&o, &e})
	return o.String(), e.String(), code
}

// mustPolicy runs a subcommand that ends with a code, and returns what it printed.
func (c client) mustPolicy(want int, command string, args ...string) string {
	c.t.Helper()
	out, trouble, code := c.policy(command, args...)
	if code != want {
		c.t.Fatalf("policy %s %v: exit code %d, expected %d\n%s%s", command, args, code, want, out, trouble)
	}
	return out
}

func says(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(out) {
			t.Errorf("%q is not in\n%s", p, out)
		}
	}
}

func TestRulesAsOneFile(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := file("rules.yaml", rulesFile)
	says(t, c.mustPolicy(1, "diff", rules), `\+ locations berlin`, `12 rules would change, 0 of them would be refused; 0 ATS`)
	says(t, c.mustPolicy(0, "apply", rules), `applied    \+ locations berlin`, `12 rules applied, 0 unchanged, 0 refused, of 12 that differ`)
	says(t, c.mustPolicy(0, "diff", rules), "no rule would change")
	says(t, c.mustPolicy(0, "apply", rules), "0 rules applied")

	for _, form := range []string{"all.yaml", "all.csv"} {
		name := filepath.Join(dir, form)
		c.mustPolicy(0, "export", "-o", name)
		first, _ := os.ReadFile(name)
		c.mustPolicy(0, "diff", "--prune", name)
		c.mustPolicy(0, "export", "-o", name)
		if second, _ := os.ReadFile(name); len(first) == 0 || string(first) != string(second) {
			t.Errorf("%s:\n%s\n%s", form, first, second)
		}
		if out := c.mustPolicy(0, "export", "--format", strings.TrimPrefix(filepath.Ext(form), ".")); out != string(first) {
			t.Errorf("to standard output:\n%s", out)
		}
	}

	c.move("milk", "berlin", 10)
	c.move("milk", "hamburg", 4)
	c.awaitATS("milk", "6") // 10 - 1 + 4 - 2, less 2 for the store, less 3
	changed := file("changed.yaml", strings.Replace(strings.Replace(rulesFile, "channel: web, quantity: 3", "channel: web, quantity: 5", 1), "fence: 2", "fence: 4", 1))
	before := c.mustPolicy(0, "export")
	for _, command := range []string{"diff", "apply"} {
		args, code := []string{changed}, 1
		if command == "apply" {
			args, code = []string{"--dry-run", changed}, 0
		}
		says(t, c.mustPolicy(code, command, args...), `~ buffers milk, channel web: quantity 3 → 5`, `~ allocations milk, channel store: fence 2 → 4`,
			`milk +web +6 +2  put aside -2 → -4, buffer -3 → -5`, `2 rules would change, 0 of them would be refused; 1 ATS of 1 SKUs`)
	}
	if c.mustPolicy(0, "export") != before {
		t.Error("a dry run changed something")
	}
	c.call("ReservationService/Reserve", `{"reservation_id": "r", "sku": "milk", "channel": "store", "quantity": 2}`)
	less := file("less.yaml", "allocations:\n- {sku: milk, channel: store, fence: 1}\nbuffers:\n- {sku: milk, channel: web, quantity: 4}\n")
	for command, want := range map[string]string{"diff": "would be refused: ~ allocations milk", "apply": "refused    ~ allocations milk"} {
		says(t, c.mustPolicy(1, command, less), want, `ALLOCATION_USED: .*has used 2, a ring-fence of 1`)
	}
	says(t, c.mustPolicy(1, "apply", less), "0 rules applied, 0 unchanged, 1 refused, of 1 that differ") // the buffer was applied the first time

	only := file("only.csv", "rule,location_id,channel_id,sourcing\nlocations,berlin,,\nchannels,,web,berlin\n")
	says(t, c.mustPolicy(1, "diff", "--prune", only), `- channels store`, `- locations hamburg`, `- allocations milk, channel store`)
	c.mustPolicy(0, "apply", "--prune", only)
	says(t, c.mustPolicy(0, "diff", "--prune", only), "no rule would change")
	says(t, c.mustPolicy(0, "export"), `(?s)hamburg.*disabled: true.*store.*retired: true.*sku: milk`)
}

// move records a receipt of a SKU.
func (c client) move(sku, location string, quantity int) {
	c.t.Helper()
	c.call("StockService/RecordMovements", `{"movements": [{"movement_id": "`+sku+location+`", "source": "wms", "sku": "`+sku+`", "location": "`+location+
		`", "quantity": `+strconv.Itoa(quantity)+`, "occurred_at": "`+time.Now().UTC().Format(time.RFC3339)+`", "received": {}}]}`)
}

func TestTroubleWithAFileOfRules(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("items:\n- {sku: milk, colour: white}\n- {name: tea}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"diff", "apply"} {
		out, trouble, code := c.policy(command, bad)
		if code != 2 || out != "" {
			t.Errorf("%s: exit code %d, %q", command, code, out)
		}
		says(t, trouble, `bad.yaml:2: items\[0\] has no field "colour"; it has sku, name`, `bad.yaml:3: items: the rule says nothing of what it is about`)
	}
	var out, trouble strings.Builder
	if code := run(t.Context(), []string{"policy", "export", "--grpc", "127.0.0.1:1"}, streams{&out, &trouble}); code != 2 {
		t.Errorf("exit code %d: %s", code, trouble.String())
	}
	if _, _, code := c.policy("diff", bad+".none"); code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestARuleIsPublished(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	publish := func(command, data string) {
		t.Helper()
		if out, trouble, code := c.run("publish", "--command", command, "policy", data); code != 0 || !strings.HasPrefix(out, "published to stockfold.policy.v1") {
			t.Fatalf("exit code %d\n%s%s", code, out, trouble)
		}
	}
	publish("PutChannel", `{"channel": {"channelId": "web", "sourcing": ["dc"]}}`) // waits for its location
	publish("PutLocation", `{"location": {"locationId": "dc"}}`)
	publish("PutBufferRule", `{"rule": {"sku": "tea", "quantity": 3}}`)
	for !strings.Contains(c.mustPolicy(0, "export"), "buffers:") || !strings.Contains(c.mustPolicy(0, "export"), "channels:") {
		if t.Context().Err() != nil {
			t.Fatal("the rules do not come")
		}
	}
	c.move("tea", "dc", 10)
	c.awaitATS("tea", "7")
	for _, args := range [][]string{{"policy", "{}"}, {"--command", "PutKitten", "policy", "{}"}, {"--command", "PutItem", "policy", `{"itme": {}}`}, {"--command", "PutItem", "movement", "{}"}} {
		if _, trouble, code := c.run("publish", args...); code == 0 {
			t.Errorf("%v: %s", args, trouble)
		}
	}
}

// A file whose application was interrupted is applied again, and goes on.
func TestAnInterruptedFileIsAppliedAgain(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	var text strings.Builder
	text.WriteString("items:\n")
	for i := range 1200 {
		text.WriteString("- {sku: s" + strconv.Itoa(i) + ", name: Some}\n")
	}
	name := filepath.Join(t.TempDir(), "items.yaml")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(c.n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want, err := policyfile.ReadYAML(name, []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	applied := 0
	s := &policyfile.Service{Client: pb.NewPolicyServiceClient(conn), Actor: "test"}
	err = s.Apply(ctx, policyfile.Changes(nil, want, false), func(*policyfile.Change, *pb.PolicyResult) {
		applied++
		interrupt()
	})
	if err == nil || applied == 0 || applied == len(want) {
		t.Fatalf("%d applied, %v", applied, err)
	}
	says(t, c.mustPolicy(0, "apply", name), `\+ items s`, ` 0 refused, of `+strconv.Itoa(len(want)-applied)+" that differ")
	says(t, c.mustPolicy(0, "diff", name), "no rule would change")
}
