package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// aReport is a report of three rows: one that meets its target, one that misses it, and one without.
func aReport() *Report {
	r := &Report{Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: "stockfold bench --quick", Version: "v1", Quick: true,
		Machine: Machine{CPU: "Fast", Cores: 2, Memory: 8 << 30, OS: "linux", Arch: "amd64", Go: "go1.26", Load: 0.25},
		Disk:    Disk{SyncP50: 0.5, SyncP99: 2}, Rounds: 3, Seconds: 0.6, GrowthRounds: 1, GrowthSeconds: 0.2, SKUs: 10_000, Connections: 2, TookSeconds: 42, PeakMemory: 300 << 20}
	get := Figure{Row: "get", Title: "Get", Unit: "calls/s", BaselineName: echoBaseline, Target: &Target{Ratio: 0.6},
		Latency: &Latency{0.9, 3.25, 10}, BaselineLatency: &Latency{0.5, 2, 9}, Sizes: &Sizes{18, 34.4}, CPU: &CPU{Service: 23.44, Baseline: 12},
		Rounds: []Round{newRound(35_000, 50_000), newRound(36_000, 45_000), newRound(30_000, 50_000)}}
	ingest := Figure{Row: "ingest", Title: "Ingest", Unit: "lines/s", Target: &Target{Value: 30_000}, CPU: &CPU{Service: 40}, Rounds: []Round{newRound(29_999, 0)},
		Counts: Counts{Errors: 3, Failures: map[string]int64{"Unavailable: gone": 2, "Unknown: x": 1}}}
	readable := Figure{Row: "readable", Title: "Readable", Unit: "ms", BaselineName: "plain Get", Rounds: []Round{newRound(0.5, 0.25)}}
	readable.note("%d reservations/s", 100)
	for _, f := range []Figure{get, ingest, readable} {
		f.conclude()
		r.Figures = append(r.Figures, f)
	}
	return r
}

const wantText = `stockfold bench, 2026-01-02 03:04 UTC, quick: with less stock and fewer rounds than a whole run
machine: Fast, 2 cores, 8 GiB, linux/amd64, go1.26; load before the run 0.2
disk: fsync of 4 KiB p50 0.50 ms, p99 2.00 ms
method: median of 3 rounds of 0.6s, growth 1 of 0.2s, in turns with the baseline; 2 connections, 10,000 SKUs, fsync on; took 42s
command: stockfold bench --quick
version: v1
memory: the service had at most 300 MiB resident

row               figure          baseline  ratio    target  met  p50 ms  p99 ms  errors
────────────────────────────────────────────────────────────────────────────────────────
Get       35,000 calls/s  gRPC echo 50,000   0.70    ≥ 0.60  yes    0.90    3.25       0
    messages of 18 and 34 bytes
    processor time 23.4 µs per call, gRPC echo 12.0 µs
    gRPC echo p50 0.50 ms, p99 2.00 ms
Ingest    29,999 lines/s                           ≥ 30,000   NO                       3
    processor time 40.0 µs per line
    failed: 2 x Unavailable: gone; 1 x Unknown: x
Readable         0.50 ms    plain Get 0.25   2.00                                      0
    100 reservations/s
`

func TestTheTableIsAligned(t *testing.T) {
	var out strings.Builder
	if err := aReport().WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != wantText {
		t.Errorf("got\n%s\nexpected\n%s", out.String(), wantText)
	}
}

func TestMarkdownIsATable(t *testing.T) {
	var out strings.Builder
	if err := aReport().WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	var columns []int
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "|") {
			columns = append(columns, strings.Count(line, "|"))
		}
	}
	if len(columns) != 5 {
		t.Fatalf("%d lines of table, expected 5:\n%s", len(columns), out.String())
	}
	for _, n := range columns {
		if n != len(heading)+1 {
			t.Errorf("%v columns, expected %d in each line", columns, len(heading))
		}
	}
	for _, want := range []string{"| Get | 35,000 calls/s | gRPC echo 50,000 | 0.70 | ≥ 0.60 | yes |", "- command: stockfold bench --quick\n",
		"- Readable: 100 reservations/s.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestJSONKeepsEverything(t *testing.T) {
	var out bytes.Buffer
	r := aReport()
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&back, r) {
		t.Errorf("got\n%+v\nexpected\n%+v", back, *r)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		target *Target
		round  Round
		want   string
	}{
		{nil, newRound(1, 1), "open"},
		{&Target{Ratio: 0.6}, newRound(60, 100), "met"},
		{&Target{Ratio: 0.6}, newRound(59, 100), "missed"},
		{&Target{Value: 300}, newRound(300, 0), "met"},
		{&Target{Value: 300}, newRound(299.9, 0), "missed"},
		{&Target{Value: 300, Ratio: 0.6}, newRound(300, 500), "met"},
		{&Target{Value: 300, Ratio: 0.6}, newRound(300, 501), "missed"},
		{&Target{Value: 300, Ratio: 0.6}, newRound(299, 100), "missed"},
		{&Target{Most: 3}, newRound(3, 0), "met"},
		{&Target{Most: 3}, newRound(3.1, 0), "missed"},
		{&Target{Most: 3, P99: 20}, newRound(3, 0), "met"},
		{&Target{Most: 3, P99: 19}, newRound(3, 0), "missed"},
	} {
		f := Figure{Target: c.target, Rounds: []Round{c.round}, Latency: &Latency{P99: 20}}
		f.conclude()
		got := "open"
		if f.Met != nil {
			got = map[bool]string{true: "met", false: "missed"}[*f.Met]
		}
		if got != c.want {
			t.Errorf("%s with %+v: %s, expected %s", c.target, c.round, got, c.want)
		}
	}
}

// A bound that nothing was measured for is not kept to.
func TestNoLatencyMeetsNoBound(t *testing.T) {
	f := Figure{Target: &Target{P99: 1}, Rounds: []Round{newRound(1, 0)}}
	if f.conclude(); *f.Met {
		t.Error("met")
	}
}

func TestTargetsAreTold(t *testing.T) {
	for want, target := range map[string]*Target{"": nil, "≥ 0.85": {Ratio: 0.85}, "≥ 1,000,000, ≥ 0.70": {Value: 1e6, Ratio: 0.7},
		"≤ 1.00, p99 ≤ 10.0": {Most: 1, P99: 10}} {
		if got := target.String(); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// These are the targets of the project; a row that is changed keeps to them.
func TestTheRowsHaveTheirTargets(t *testing.T) {
	want := map[string]string{"get": "≥ 0.85", "batchget": "≥ 1,000,000, ≥ 0.70", "reserve": "≥ 0.60", "reserve-1024": "≥ 0.60", "hot": "≥ 0.60", "hot-1024": "≥ 0.60",
		"bulk": "≥ 250,000", "watch": "≥ 100,000", "readable": "≤ 1.00, p99 ≤ 10.0", "ingest": "≥ 100,000", "replay": "≥ 1,000,000"}
	for _, r := range rows {
		if target, ok := want[r.Name]; ok && r.Target.String() != target {
			t.Errorf("%s: target %q, expected %q", r.Name, r.Target, target)
		}
		delete(want, r.Name)
	}
	if len(want) > 0 {
		t.Errorf("no rows for %v", want)
	}
}

func TestMissed(t *testing.T) {
	if missed := aReport().Missed(); len(missed) != 1 || missed[0].Row != "ingest" {
		t.Errorf("missed: %+v", missed)
	}
}

func TestAmounts(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.126: "0.13", 9.994: "9.99", 9.995: "10.0", 99.94: "99.9", 99.95: "100", 999.4: "999",
		999.5: "1,000", 12_345.6: "12,346", 1_234_567: "1,234,567",
		math.Inf(1): "+Inf"} {
		if got := amount(v); got != want {
			t.Errorf("%g: %q, expected %q", v, got, want)
		}
	}
	if grouped(-1_234) != "-1,234" {
		t.Error(grouped(-1_234))
	}
}

func TestRowsAreChosenInOrder(t *testing.T) {
	chosen, err := choose([]string{"replay", "get"}, true)
	if err != nil || len(chosen) != 2 || chosen[0].Name != "get" || chosen[1].Name != "replay" {
		t.Errorf("%v (%v)", chosen, err)
	}
	if all, err := choose(nil, false); err != nil || len(all) != len(rows) {
		t.Errorf("%d rows (%v)", len(all), err)
	}
	if _, err := choose([]string{"get", "speed"}, false); err == nil || !strings.Contains(err.Error(), strings.Join(RowNames(), ", ")) {
		t.Errorf("error: %v", err)
	}
}

// The default run is meant to end within ten minutes, the quick one within one.
func TestARunTellsHowLongItTakes(t *testing.T) {
	for _, c := range []struct {
		o    Options
		most time.Duration
	}{{Options{}, 10 * time.Minute}, {Options{Quick: true}, time.Minute}} {
		e, err := c.o.effort()
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := choose(nil, c.o.Quick)
		if err != nil {
			t.Fatal(err)
		}
		if takes := estimate(chosen, e); takes > c.most || takes < c.most/4 {
			t.Errorf("quick %t: about %s, at most %s allowed", c.o.Quick, takes, c.most)
		}
	}
	short, _ := Options{}.effort()
	long, _ := Options{Rounds: 10, Seconds: 10}.effort()
	if estimate(rows, long)-estimate(rows, short) < 6*2*(10*10-5*1)*time.Second {
		t.Error("longer rounds do not take longer")
	}
}

func TestTheMachineIsReadFromWhatLinuxTells(t *testing.T) {
	text := "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: another\nMemTotal:       24117248 kB\n"
	if got := fieldOf(strings.NewReader(text), "model name"); got != "AMD EPYC" {
		t.Errorf("%q", got)
	}
	if got := kilobytes(fieldOf(strings.NewReader(text), "MemTotal")); got != 23<<30 {
		t.Errorf("%d", got)
	}
	if kilobytes(fieldOf(strings.NewReader(text), "SwapTotal")) != 0 || kilobytes("many kB") != 0 || field("/does/not/exist", "x") != "" {
		t.Error("what is not told must be empty")
	}
	m := thisMachine()
	if m.Cores < 1 || m.Go == "" || !utf8.ValidString(m.String()) {
		t.Errorf("%+v", m)
	}
}

func TestTheDiskIsProbedWhereTheDataIs(t *testing.T) {
	dir := t.TempDir()
	d, err := probeDisk(dir)
	if err != nil || d.SyncP50 <= 0 || d.SyncP99 < d.SyncP50 {
		t.Errorf("%+v (%v)", d, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := probeDisk(dir + "/nowhere"); err == nil {
		t.Error("a directory that is not there was probed")
	}
}
