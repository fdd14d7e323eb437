package reconciliation_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/reconciliation"
	"github.com/stockfold/stockfold/services/servicetest"
)

// inbox is a directory that a shop's ERP puts snapshots into.
type inbox struct {
	*shop
	*reconciliation.Folder
}

func startInbox(t *testing.T, options ...func(*servicetest.Options)) *inbox {
	s := start(t, options...)
	return &inbox{s, &reconciliation.Folder{Service: s.Reconcile, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}}
}

func (i *inbox) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.Dir, name), []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// order says what a file is.
func (i *inbox) order(document string) string {
	i.t.Helper()
	text, err := protojson.Marshal(i.header(document))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(text)
}

// round looks at the directory, without trouble.
func (i *inbox) round() {
	i.t.Helper()
	if err := i.Round(i.t.Context()); err != nil {
		i.t.Fatal(err)
	}
}

// files are those in the directory, with a space before each.
func (i *inbox) files() (names string) {
	i.t.Helper()
	list, err := os.ReadDir(i.Dir)
	if err != nil {
		i.t.Fatal(err)
	}
	for _, f := range list {
		names += " " + f.Name()
	}
	return names
}

func (i *inbox) note(name string) string {
	i.t.Helper()
	text, err := os.ReadFile(filepath.Join(i.Dir, name))
	if err != nil {
		i.t.Fatalf("%v; there are %.500s", err, i.files())
	}
	return strings.TrimSpace(string(text))
}

// rows is how many rows a run has taken.
func (i *inbox) rows(run string) int64 {
	i.t.Helper()
	got, err := i.ReconciliationClient().GetRun(i.t.Context(), &pb.GetRunRequest{RunId: run})
	if err != nil || got.Run.CompletedAt == nil {
		i.t.Fatalf("run %q: %v, %v", run, got, err)
	}
	return got.Run.Rows
}

func TestASnapshotInADirectoryIsComparedOnce(t *testing.T) {
	i := startInbox(t)
	i.write("a.csv", "sku,quantity\nmilk,93\nale,0\n")
	i.write("a.csv.run.json", i.order("monday"))
	i.write("other.txt", "not mine")
	i.round()
	i.round()
	run := i.note("a.csv.run.json.done")
	if got := i.files(); got != " a.csv a.csv.run.json.done other.txt" || i.rows(run) != 2 {
		t.Errorf("there are%s", got)
	}
	one(t, i.discrepancies(run), pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)

	i.write("a.csv.run.json", i.order("monday")) // once more, and under another name
	i.write("b.jsonl", "{\"sku\": \"milk\", \"quantity\": 93}\n{\"sku\": \"ale\", \"quantity\": 0}\n")
	i.write("b.jsonl.run.json", i.order("monday"))
	i.round()
	i.round()
	if again, other := i.note("a.csv.run.json.done"), i.note("b.jsonl.run.json.done"); again != run || other != run || i.rows(run) != 2 {
		t.Errorf("runs %s, %s and %s", run, again, other)
	}
	runs, err := i.ReconciliationClient().ListRuns(t.Context(), &pb.ListRunsRequest{})
	if err != nil || len(runs.Runs) != 1 {
		t.Errorf("got %v, %v", runs, err)
	}
}

// What is being written waits, the order as well as the file.
func TestAHalfWrittenSnapshotWaits(t *testing.T) {
	i := startInbox(t)
	order := i.order("monday")
	for _, step := range []struct{ name, text string }{{"a.csv.run.json", order[:len(order)/2]}, {"a.csv.run.json", order}, {"a.csv", "sku,quan"},
		{"a.csv", "sku,quantity\nmilk,10"}, {"a.csv", "sku,quantity\nmilk,100\n"}} {
		i.write(step.name, step.text)
		i.round()
		if got := i.files(); strings.Contains(got, "done") || strings.Contains(got, "failed") {
			t.Fatalf("after %q: there are%s", step.text, got)
		}
	}
	i.round()
	if list := i.discrepancies(i.note("a.csv.run.json.done")); len(list) != 0 {
		t.Errorf("it was compared before it was whole: %v", list)
	}
}

// hooked calls a function at every append.
type hooked struct {
	commands.Store
	hook func()
}

func (h *hooked) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	h.hook()
	return h.Store.Append(ctx, stream, next, events)
}

// A file that grows while it is read is not ended, however far that came; the whole one is.
func TestASnapshotThatGrowsWhileItIsReadIsReadAgain(t *testing.T) {
	store := &hooked{hook: func() {}}
	i := startInbox(t, func(o *servicetest.Options) {
		o.Store = func(s *pebble.Store) commands.Store { store.Store = s; return store }
	})
	text := "sku,quantity\nmilk,100\n"
	for n := range 4_500 {
		text += fmt.Sprintf("none-%d,0\n", n)
	}
	i.write("a.csv", text)
	i.write("a.csv.run.json", i.order("monday"))
	i.round()
	grown := false
	store.hook = func() {
		if !grown {
			grown = true
			i.write("a.csv", text+"tea,0\n")
		}
	}
	if err := i.Round(t.Context()); err == nil || !strings.Contains(err.Error(), "changed while it was read") || !grown {
		t.Errorf("got %v", err)
	}
	i.round()
	if got := i.files(); got != " a.csv a.csv.run.json" {
		t.Fatalf("there are%s", got)
	}
	i.round()
	if run := i.note("a.csv.run.json.done"); i.rows(run) != 4_502 {
		t.Errorf("it has %d rows", i.rows(run))
	}
}

// What is no good is kept with the reason, and does not hold up the others.
func TestASnapshotThatIsNoGoodIsKeptWithTheReason(t *testing.T) {
	i := startInbox(t)
	for name, text := range map[string]string{"columns.csv": "sku,qty\nmilk,1\n", "format.xlsx": "x", "order.csv": "sku,quantity\n", "header.csv": "sku,quantity\n",
		"long.csv": "sku,quantity\n", "good.csv": "sku,quantity\nmilk,100\n", "other.csv": "sku,quantity\nmilk,99\n", "cut.parquet": "PAR1\x15\x04PAR"} {
		i.write(name, text)
		i.write(name+".run.json", i.order(name))
	}
	i.write("order.csv.run.json", `{"source": "erp", "dokument": "a"}`)
	i.write("header.csv.run.json", `{"source": "erp", "location": "berlin"}`)
	i.write("long.csv.run.json", strings.Repeat(" ", 70_000)+"{}")
	i.write("other.csv.run.json", i.order("good.csv"))
	i.write("missing.csv.run.json", i.order("missing"))
	i.round()
	i.round()
	for name, reason := range map[string]string{
		"columns.csv": `line 1: column "qty" is not one of`, "format.xlsx": "the format must be csv, jsonl or parquet", "order.csv": `unknown field "dokument"`,
		"header.csv": "header.document", "long.csv": "more than 65536 bytes", "missing.csv": "no such file", "other.csv": "sent before with other rows",
		"cut.parquet": "not a Parquet file",
	} {
		if got := i.note(name + ".run.json.failed"); !strings.Contains(got, reason) {
			t.Errorf("%s: %q, want %q", name, got, reason)
		}
	}
	i.note("good.csv.run.json.done")
	if n := i.Stats().FilesRefused; n != 8 {
		t.Errorf("%d files are counted as refused", n)
	}
	for _, name := range []string{"columns.csv", "format.xlsx", "cut.parquet", "other.csv"} {
		i.note(name)
	}
}

// A file that cannot be read now is kept, tried again, and told of, while others are taken in.
func TestAFileThatCannotBeReadIsTriedAgain(t *testing.T) {
	i := startInbox(t)
	if err := os.Mkdir(filepath.Join(i.Dir, "a.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	i.write("a.csv.run.json", i.order("a"))
	i.write("b.csv", "sku,quantity\nmilk,100\n")
	i.write("b.csv.run.json", i.order("b"))
	i.round()
	for range 3 {
		if err := i.Round(t.Context()); err == nil || !strings.Contains(err.Error(), "a.csv") {
			t.Errorf("got %v", err)
		}
	}
	if got := i.files(); got != " a.csv a.csv.run.json b.csv b.csv.run.json.done" {
		t.Fatalf("there are%s", got)
	}
	if err := os.Remove(filepath.Join(i.Dir, "a.csv")); err != nil {
		t.Fatal(err)
	}
	i.write("a.csv", "sku,quantity\nmilk,100\n")
	i.round()
	i.round()
	i.note("a.csv.run.json.done")
}

// Two replicas that watch one directory take a snapshot in once.
func TestReplicasWatchOneDirectory(t *testing.T) {
	i := startInbox(t)
	other := &reconciliation.Folder{Service: i.Reconcile, Dir: i.Dir, Log: i.Folder.Log}
	for n := range 20 {
		name := fmt.Sprint(n, ".csv")
		i.write(name, "sku,quantity\nmilk,100\n")
		i.write(name+".run.json", i.order(name))
	}
	ended := make(chan error)
	for _, f := range []*reconciliation.Folder{i.Folder, other} {
		go func() {
			err := f.Round(t.Context())
			if err == nil {
				err = f.Round(t.Context())
			}
			ended <- err
		}()
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if got := i.files(); strings.Count(got, ".done") != 20 || strings.Contains(got, ".failed") || strings.Contains(got, ".json ") {
		t.Errorf("there are%s", got)
	}
}

// Thousands of files that make trouble again and again do not keep others from their turn, wherever their names are.
func TestEachFileInADirectoryHasItsTurn(t *testing.T) {
	i := startInbox(t)
	for n := range 2_500 {
		i.write(fmt.Sprintf("m-%04d.csv.run.json", n), "{}")
	}
	at := time.Now()
	round := func() { // somebody still writes each of them
		at = at.Add(time.Second)
		for n := range 2_500 {
			if err := os.Chtimes(filepath.Join(i.Dir, fmt.Sprintf("m-%04d.csv.run.json", n)), at, at); err != nil {
				t.Fatal(err)
			}
		}
		i.round()
	}
	for _, name := range []string{"a", "m-1234x", "z"} {
		i.write(name+".csv", "sku,quantity\nmilk,93\n")
		i.write(name+".csv.run.json", i.order(name))
	}
	for range 6 { // three turns of 1,000, each looked at twice
		round()
	}
	for _, name := range []string{"a", "m-1234x", "z"} {
		i.note(name + ".csv.run.json.done")
	}
	i.write("b.csv", "sku,quantity\nmilk,93\n") // comes in later, where it was looked at already
	i.write("b.csv.run.json", i.order("b"))
	for range 8 {
		round()
	}
	i.note("b.csv.run.json.done")
}

// What lies outside of the directory is told to nobody, and what is no file holds nothing up.
func TestLinksOutOfADirectoryAreNotFollowed(t *testing.T) {
	i := startInbox(t)
	secret := filepath.Join(t.TempDir(), "audit.key")
	if err := os.WriteFile(secret, []byte("PRIVATE+KEY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.csv", "b.jsonl", "o.csv.run.json"} {
		if err := os.Symlink(secret, filepath.Join(i.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	i.write("real.csv", "sku,quantity\nmilk,93\n")
	if err := os.Symlink("real.csv", filepath.Join(i.Dir, "inside.csv")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(i.Dir, "pipe.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.csv", "b.jsonl", "inside.csv", "pipe.csv"} {
		i.write(name+".run.json", i.order(name))
	}
	i.round()
	if err := i.Round(t.Context()); err == nil || !strings.Contains(err.Error(), "pipe.csv: it is no regular file") {
		t.Errorf("the pipe: %v", err)
	}
	for name, problem := range map[string]string{"a.csv": "leads out", "b.jsonl": "leads out", "o.csv": "leads out"} {
		if note := i.note(name + ".run.json.failed"); !strings.Contains(note, problem) || strings.Contains(note, "PRIVATE") {
			t.Errorf("%s: %s", name, note)
		}
	}
	i.rows(i.note("inside.csv.run.json.done"))
}

// Of many that make trouble some are told of, and how many more there are.
func TestTheTroubleOfOneRoundIsToldShortly(t *testing.T) {
	i := startInbox(t)
	for n := range 200 {
		name := fmt.Sprintf("m-%04d.csv", n)
		i.write(name, "sku,quantity\n")
		i.write(name+".run.json", "{}")
		if err := os.Mkdir(filepath.Join(i.Dir, name+".run.json.failed"), 0o700); err != nil { // where the note is to be
			t.Fatal(err)
		}
	}
	i.round()
	if err := i.Round(t.Context()); err == nil || len(err.Error()) > 5_000 || !strings.Contains(err.Error(), "and 190 files more") {
		t.Errorf("got %v", err)
	}
}

// Where nothing can be noted down, a file is compared once all the same.
func TestWhatCannotBeNotedDownIsNotReadAgain(t *testing.T) {
	i := startInbox(t)
	i.write("a.csv", "sku,quantity\nmilk,93\n")
	i.write("a.csv.run.json", i.order("monday"))
	if err := os.Mkdir(filepath.Join(i.Dir, "a.csv.run.json.done"), 0o700); err != nil { // where the note is to be
		t.Fatal(err)
	}
	i.round()
	if err := i.Round(t.Context()); err == nil {
		t.Fatal("it was noted down")
	}
	info, err := os.Stat(filepath.Join(i.Dir, "a.csv"))
	if err != nil {
		t.Fatal(err)
	}
	i.write("a.csv", "sku,quantity\nmilk,94\n") // were it read again, it would be another snapshot of the same name
	if err := os.Chtimes(filepath.Join(i.Dir, "a.csv"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(i.Dir, "a.csv.run.json.done")); err != nil {
		t.Fatal(err)
	}
	i.round()
	i.rows(i.note("a.csv.run.json.done"))
}
