//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/services/bench"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// selfPrograms starts this program as the bench does. The bench hides settings from its children, the one that makes
// the test binary the program too: a script brings that back.
func selfPrograms(t *testing.T) bench.Programs {
	t.Helper()
	p, err := benchPrograms()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexport " + beProgram + "=1\nexec '" + p.Executable + "' \"$@\"\n"
	p.Executable = filepath.Join(t.TempDir(), "stockfold")
	if err := os.WriteFile(p.Executable, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every row must work with the real service: each checks all answers that it times.
func TestBenchMeasuresThisProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := bench.Run(t.Context(), selfPrograms(t), bench.Options{Only: bench.RowNames(), Quick: true, Rounds: 1, Seconds: 0.2, SKUs: 500, Lines: 3_000, Events: 15_000, ScaleSKUs: 1_000,
		KafkaLibs: bench.NoApacheKafka, Dir: dir, Command: "stockfold bench", Version: programVersion()}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var measured []string
	for _, f := range r.Figures {
		measured = append(measured, f.Row)
		if f.Value <= 0 && f.Calls == 0 || f.Errors > 0 {
			t.Errorf("%s: %g %s with %d errors: %v", f.Row, f.Value, f.Unit, f.Errors, f.Failures)
		}
	}
	for _, f := range r.Figures {
		if !strings.HasPrefix(f.Row, "remote-") {
			continue
		}
		redis := strings.Contains(strings.Join(f.Notes, " "), "Redis is missing")
		if len(f.Hops) != 3 && !redis || len(f.Hops) != 2 && redis {
			t.Errorf("%s: notes %q, hops %+v", f.Row, f.Notes, f.Hops)
		}
		for _, h := range f.Hops {
			if h.Latency == nil || h.Latency.P50 <= 0 {
				t.Errorf("%s: %+v", f.Row, h)
			}
		}
	}
	if !slices.Equal(measured, bench.RowNames()) {
		t.Errorf("measured %v, there are %v", measured, bench.RowNames())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheServiceUnderTestIsTheDefault(t *testing.T) {
	for ingest, roles := range map[bool][]string{true: node.Roles, false: {node.RoleAPI, node.RoleProject, node.RoleExpire, node.RolePublish, node.RoleLedger}} {
		args := benchServe(bench.ServeSettings{Data: "/d", GRPC: "127.0.0.1:1", REST: "127.0.0.1:2", Broker: "127.0.0.1:3", Metrics: "127.0.0.1:4", Ingest: ingest})
		c, parser := newParser(streams{})
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		plain, parser := newParser(streams{})
		if _, err := parser.Parse([]string{"serve"}); err != nil {
			t.Fatal(err)
		}
		got, want := c.Serve, plain.Serve
		if got.Data != "/d" || got.GRPC != "127.0.0.1:1" || got.REST != "127.0.0.1:2" || got.Broker != "127.0.0.1:3" || got.Metrics != "127.0.0.1:4" ||
			!slices.Equal(got.Roles, roles) {
			t.Errorf("serves with %+v", got)
		}
		if got.StateMemory != want.StateMemory || got.DocumentMemory != want.DocumentMemory || got.EventCache != want.EventCache || got.Demo {
			t.Errorf("serves with %+v, the default is %+v", got, want)
		}
	}
}

func TestTheReportGoesWhereItWasAskedFor(t *testing.T) {
	r := &bench.Report{Command: "stockfold bench", Figures: []bench.Figure{{Row: "get", Title: "Get", Unit: "calls/s", Value: 7}}}
	dir := t.TempDir()
	for _, c := range []struct {
		json, markdown string
		tableOnOut     bool
	}{{"", "", true}, {filepath.Join(dir, "r.json"), filepath.Join(dir, "r.md"), true}, {"-", "", false}, {"", "-", false}} {
		var out, trouble strings.Builder
		cmd := benchCmd{JSON: c.json, Markdown: c.markdown}
		if err := cmd.write(r, streams{&out, &trouble}); err != nil {
			t.Fatal(err)
		}
		table, other := &out, &trouble
		if !c.tableOnOut {
			table, other = &trouble, &out
		}
		if !strings.Contains(table.String(), "Get  7.00 calls/s") || strings.Contains(other.String(), "Get  7.00 calls/s") {
			t.Errorf("json %q, markdown %q: the table is in the wrong place:\n%s\n--\n%s", c.json, c.markdown, &out, &trouble)
		}
		if c.json == stdoutFile && !json.Valid([]byte(out.String())) {
			t.Errorf("standard output is not JSON:\n%s", &out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "r.json"))
	var back bench.Report
	if err != nil || json.Unmarshal(text, &back) != nil || back.Figures[0].Value != 7 {
		t.Errorf("%v: %s", err, text)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "r.md")); err != nil || !strings.Contains(string(text), "| Get | 7.00 calls/s |") {
		t.Errorf("%v: %s", err, text)
	}
	if err := (&benchCmd{JSON: filepath.Join(dir, "nowhere", "r.json")}).write(r, streams{&strings.Builder{}, &strings.Builder{}}); err == nil {
		t.Error("a report that could not be written was")
	}
}

func TestThePageLinksThePictures(t *testing.T) {
	series := bench.Series{Name: "growth-x-Get", Calls: "Get", Of: "things", Points: []bench.Point{{X: 1, Value: 7}, {X: 10, Value: 8}}}
	r := &bench.Report{Figures: []bench.Figure{{Row: "growth-x", Title: "Growth", Series: []bench.Series{series}}}}
	t.Chdir(t.TempDir())
	var out, trouble strings.Builder
	cmd := benchCmd{Plots: "pictures/plots", Markdown: stdoutFile}
	if err := errors.Join(cmd.draw(r), cmd.write(r, streams{&out, &trouble})); err != nil {
		t.Fatal(err)
	}
	const link = "pictures/plots/growth-x-get.svg"
	if !strings.Contains(out.String(), "![Get by things]("+link+")") {
		t.Errorf("no link in\n%s", &out)
	}
	if text, err := os.ReadFile(link); err != nil || !strings.HasPrefix(string(text), "<svg ") {
		t.Errorf("%v: %.100s", err, text)
	}
}

func TestBenchRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range [][]string{{"--only", "speed"}, {"--rounds", "1000"}, {"--rounds", "0"}, {"--seconds", "0"}, {"--lines", "0"}, {"--json", "no/such/dir/x.json"}, {"--markdown", "."}, {"--seconds", "0.001"}, {"--skus", "1"}, {"--scale-skus", "1"}, {"--scale-events", "5"}} {
		var out, trouble strings.Builder
		if code := run(t.Context(), append([]string{"bench"}, args...), streams{&out, &trouble}); code != 1 || trouble.Len() == 0 || out.Len() > 0 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, &out, &trouble)
		}
	}
}

// The stores that the bench starts beside the service listen where it says, and the service uses them.
func TestTheServiceUnderTestUsesOtherStores(t *testing.T) {
	args := benchServe(bench.ServeSettings{Data: "/d", GRPC: "127.0.0.1:1", REST: "127.0.0.1:2", Broker: "127.0.0.1:3", Metrics: "127.0.0.1:4", Ingest: true,
		Stores: bench.Stores{EventStore: "esdb://127.0.0.1:5?tls=false", Redis: "redis://127.0.0.1:6", Kafka: "127.0.0.1:7"}})
	c, parser := newParser(streams{})
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	if c.Serve.EventStore != "esdb://127.0.0.1:5?tls=false" || c.Serve.Redis != "redis://127.0.0.1:6" || !slices.Equal(c.Serve.KafkaBrokers, []string{"127.0.0.1:7"}) {
		t.Errorf("serves with %+v", c.Serve)
	}
	p, err := benchPrograms()
	if err != nil {
		t.Fatal(err)
	}
	c, parser = newParser(streams{})
	if _, err := parser.Parse(p.EventStore("/e", "127.0.0.1:8")); err != nil || c.Store.Data != "/e" || c.Store.Listen != "127.0.0.1:8" {
		t.Errorf("event store with %+v (%v)", c.Store, err)
	}
	c, parser = newParser(streams{})
	if _, err := parser.Parse(p.Broker("/b", "127.0.0.1:9")); err != nil || c.Broker.Data != "/b" || c.Broker.Broker != "127.0.0.1:9" {
		t.Errorf("broker with %+v (%v)", c.Broker, err)
	}
}

func TestTheReportTellsNoPassword(t *testing.T) {
	got := commandLine([]string{"bench", "--remote-eventstore", "esdb://admin:changeit@host:2113?tls=true"})
	if got != "stockfold bench --remote-eventstore esdb://…@host:2113?tls=true" {
		t.Error(got)
	}
}
