//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The README is a program: its blocks marked sh and go are run in the order of the page, from make run on, and where a
// block marked json follows, the answer must hold what it shows.

// readmeTimeout bounds the whole page, the build included.
const readmeTimeout = 8 * time.Minute

// replicasDir is where the page's section on several replicas keeps all it has, what it runs in files NAME.pid.
const replicasDir = "stockfold-cluster"

// block is a fenced block of a page.
type block struct {
	section string
	line    int
	lang    string
	text    string
}

func TestREADME(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"make", "bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the page's commands need %s", tool)
		}
	}
	page := readBlocks(t, filepath.Join(root, "README.md"))
	if len(page) < 10 || page[0].text != "make run\n" {
		t.Fatalf("the page has %d blocks and does not begin with make run", len(page))
	}
	ctx, cancel := context.WithTimeout(context.Background(), readmeTimeout)
	t.Cleanup(cancel) // after make run was stopped
	r := startReader(t, ctx)
	for i, b := range page[1:] {
		if b.lang != "sh" && b.lang != "go" {
			continue
		}
		t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
			out := r.do(t, ctx, b)
			if next := i + 2; next < len(page) && page[next].lang == "json" {
				wantPart(t, out, page[next].text)
			}
		})
	}
}

// The settings that the page shows for real clusters are settings.
func TestREADMEShowsSettingsThatThereAre(t *testing.T) {
	shown := 0
	for _, b := range readBlocks(t, filepath.Join(root, "README.md")) {
		if b.lang != "yaml" {
			continue
		}
		shown++
		c, err := settingsOf(t, "--config", writeFile(t, b.text))
		if err != nil {
			t.Errorf("line %d: %v", b.line, err)
		} else if err := c.Check(); err != nil {
			t.Errorf("line %d: %v", b.line, err)
		} else if c.EventStore == "" || c.Redis == "" || len(c.KafkaBrokers) == 0 {
			t.Errorf("line %d: got %+v", b.line, c)
		}
	}
	if shown == 0 {
		t.Error("the page shows none")
	}
}

// reader is somebody who follows the page.
type reader struct {
	dir     string // where he types: the program and deploy are there
	env     []string
	replace *strings.Replacer // of the page's addresses by those of this run
}

// startReader types make run and waits for its last words.
func startReader(t *testing.T, ctx context.Context) *reader {
	dir := t.TempDir()
	addrs := freeAddresses(t, 7)
	grpc, rest, metrics := freeRow(t), freeRow(t), freeRow(t)
	r := &reader{dir: dir, replace: strings.NewReplacer("127.0.0.1:9090", addrs[0], "127.0.0.1:8080", addrs[1], "127.0.0.1:9092", addrs[2],
		"127.0.0.1:9464", addrs[3], "127.0.0.1:2113", addrs[4], "127.0.0.1:9392", addrs[5], "127.0.0.1:6380", addrs[6],
		"port 6380", "port "+port(addrs[6]), "-p 6380", "-p "+port(addrs[6]),
		"127.0.0.1:919", grpc, "127.0.0.1:818", rest, "127.0.0.1:956", metrics)}
	t.Cleanup(func() { endWhatIsLeft(t, dir) })
	r.env = append(os.Environ(), "STOCKFOLD_GRPC="+addrs[0], "STOCKFOLD_REST="+addrs[1], "STOCKFOLD_BROKER="+addrs[2], "STOCKFOLD_METRICS="+addrs[3],
		"STOCKFOLD_DATA="+filepath.Join(dir, "data"), "BINARY="+filepath.Join(dir, "stockfold"))
	deploy, err := filepath.Abs(filepath.Join(root, "deploy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deploy, filepath.Join(dir, "deploy")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "make", "run")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = root, r.env, &syscall.SysProcAttr{Setpgid: true}
	said := &waitFor{text: "Stop with Ctrl-C", found: make(chan struct{})}
	log := &waitFor{text: `"stopped"`, found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, log
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-said.found:
	case err := <-ended:
		t.Fatalf("make run ended: %v\n%s%s", err, said, log)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Errorf("interrupt: %v", err)
		}
		<-ended
		if !strings.Contains(log.String(), `"stopped"`) {
			t.Errorf("make run did not stop in order:\n%s", log)
		}
	})
	return r
}

// do runs one block and returns what it printed.
func (r *reader) do(t *testing.T, ctx context.Context, b block) string {
	text := r.replace.Replace(b.text)
	var cmd *exec.Cmd
	switch {
	case b.lang == "go":
		cmd = r.program(t, ctx, text)
	case strings.Contains(text, "kcat ") && !installed("kcat"):
		t.Skip("kcat is not installed")
	case b.section == "Several replicas" && (!installed("redis-server") || !installed("redis-cli")):
		t.Skip("redis-server and redis-cli are not installed")
	default:
		cmd = exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(text, "curl ", "curl -sS --fail-with-body "))
		cmd.Dir = r.dir
	}
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	cmd.Env = r.env
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s%s", err, text, &out, &trouble)
	}
	return out.String()
}

// program runs Go code as a package of this module that is on no disk.
func (r *reader) program(t *testing.T, ctx context.Context, code string) *exec.Cmd {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(top, "readme", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{file: []byte(code), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "go", "run", "-overlay", filepath.Join(dir, "overlay.json"), "./readme")
	cmd.Dir = top
	return cmd
}

// readBlocks reads the fenced blocks of a page that are marked sh, go, json, yaml or text.
func readBlocks(t *testing.T, path string) []block {
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	var open *block
	section := ""
	for i, line := range strings.SplitAfter(string(page), "\n") {
		switch mark, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```"); {
		case fence && open == nil:
			open = &block{section: section, line: i + 1, lang: mark}
		case fence:
			if slices.Contains([]string{"sh", "go", "json", "yaml", "text"}, open.lang) {
				blocks = append(blocks, *open)
			}
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "## "):
			section = strings.TrimSpace(line[len("## "):])
		}
	}
	return blocks
}

// wantPart checks that a JSON answer holds everything that the page shows of it.
func wantPart(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the page's answer is not JSON: %v\n%s", err, want)
	}
	for _, difference := range missing("", g, w) {
		t.Error(difference)
	}
}

func missing(path string, got, want any) (differences []string) {
	w, object := want.(map[string]any)
	g, _ := got.(map[string]any)
	if !object {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return []string{fmt.Sprintf("%s is %v, the page says %v", path, got, want)}
		}
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(w)) {
		differences = append(differences, missing(path+"."+key, g[key], w[key])...)
	}
	return differences
}

func installed(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}

// freeAddresses finds loopback addresses that nobody listens on. They are below the ports that the system gives to
// whoever asks for any: one of those may be another's by the time it is used.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for tries := 0; len(addrs) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000)))
		switch {
		case err == nil:
			defer l.Close() // all at once, so that they differ
			addrs = append(addrs, l.Addr().String())
		case tries == 100:
			t.Fatal(err)
		}
	}
	return addrs
}

// freeRow finds an address without its last digit, such that nobody listens on those that end with 1, 2 and 3.
func freeRow(t *testing.T) string {
	t.Helper()
	for range 100 {
		row := fmt.Sprint("127.0.0.1:", 1_000+rand.IntN(2_200))
		free := 0
		for n := 1; n <= 3; n++ {
			if l, err := net.Listen("tcp", fmt.Sprint(row, n)); err == nil {
				defer l.Close()
				free++
			}
		}
		if free == 3 {
			return row
		}
	}
	t.Fatal("no free addresses in a row")
	return ""
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// endWhatIsLeft ends processes that the page's commands have started and, where one of them failed, not stopped. It returns once
// they are gone. A process that works elsewhere has only the number of one that was.
func endWhatIsLeft(t *testing.T, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, replicasDir, "*.pid"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || !worksIn(pid, dir) {
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGTERM)
		for limit := time.Now().Add(time.Minute); worksIn(pid, dir); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Errorf("the process of %s does not end", file)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
		}
	}
}

func worksIn(pid int, dir string) bool {
	at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && strings.HasPrefix(at, dir)
}

// waitFor keeps what is written to it, and tells when a text was.
type waitFor struct {
	text  string
	found chan struct{}

	mu   sync.Mutex
	all  bytes.Buffer
	told bool
}

func (w *waitFor) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if !w.told && bytes.Contains(w.all.Bytes(), []byte(w.text)) {
		w.told = true
		close(w.found)
	}
	return len(b), nil
}

func (w *waitFor) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
