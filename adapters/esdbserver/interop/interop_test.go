// Package interop runs official clients that others wrote, in other languages, against stockfold eventstore.
package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// integration in the environment lets these tests run: they install packages and need a network.
const integration = "STOCKFOLD_INTEGRATION"

func needIntegration(t *testing.T) {
	t.Helper()
	if os.Getenv(integration) == "" {
		t.Skipf("installs clients from their registries; set %s=1 to run it", integration)
	}
}

func TestPython(t *testing.T) {
	needIntegration(t)
	dir := t.TempDir()
	must(t, "", "python3", "-m", "venv", dir)
	python := filepath.Join(dir, "bin", "python")
	must(t, "", python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", "requirements.txt")
	urls := stores(t)
	t.Log(must(t, "", python, append([]string{"check.py"}, urls...)...))
	said := must(t, "", python, "-c", strings.NewReplacer("esdb://127.0.0.1:2114?tls=false", urls[1], "sku-1082185", "sku-tea").Replace(pageProgram(t)))
	if !strings.HasPrefix(said, `0 StockSold {"location":`) || strings.Count(said, "\n") != 2 {
		t.Errorf("the program of README.md says\n%s", said)
	}
}

// pageProgram is the program in Python that README.md shows.
func pageProgram(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```python\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("README.md shows no program in Python")
	}
	return text
}

func TestNode(t *testing.T) {
	needIntegration(t)
	dir := t.TempDir()
	for _, file := range []string{"package.json", "check.mjs"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, dir, "npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	t.Log(must(t, dir, "node", append([]string{"check.mjs"}, stores(t)...)...))
}

// must runs a program that must succeed, and returns what it said.
func must(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stockfold-interop")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stockfold")
	out, err := exec.Command("go", "build", "-o", path, "github.com/stockfold/stockfold/services/stockfold").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv(integration) != "" {
		if path, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// stores starts two servers with sales in them, one that reads and writes and one that only reads, and returns their
// connection strings.
func stores(t *testing.T) []string {
	t.Helper()
	return []string{start(t, seeded(t)), start(t, seeded(t), "--read-only")}
}

// seeded is a data directory with three sales.
func seeded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := pebble.Open(filepath.Join(dir, "events"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for n := range 3 {
		data, err := codec.Encode(nil, &stock.StockSold{Location: "berlin", Quantity: int64(n) + 1, Channel: "web"},
			&aggregates.Metadata{RecordedAt: 1_767_268_800_123_456, CorrelationID: "order-9"})
		if err != nil {
			t.Fatal(err)
		}
		e := aggregates.NewEvent{ID: aggregates.NewEventID("sku-tea", fmt.Sprint(n), 0, nil), Type: "StockSold", Data: data}
		if _, err := store.Append(t.Context(), "sku-tea", uint64(n), []aggregates.NewEvent{e}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var connection = regexp.MustCompile(`esdb://[^"\s]+`)

// start runs stockfold eventstore as a process of its own and stops it, in good order, at the test's end.
func start(t *testing.T, dir string, args ...string) (url string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, append([]string{"eventstore", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if url = connection.FindString(lines.Text()); url != "" {
			go io.Copy(io.Discard, log)
			return url
		}
	}
	t.Fatal("the server ended before it was ready")
	return ""
}
