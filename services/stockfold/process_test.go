//go:build unix

package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stockfold/stockfold/services/stockfold/load"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// beProgram makes the test binary the program itself, for tests that need a process to kill.
const beProgram = "STOCKFOLD_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" {
		os.Unsetenv(beProgram) // it is no setting
		os.Args[0] = "stockfold"
		main()
	}
	os.Exit(m.Run())
}

// process is a server of its own.
type process struct {
	*exec.Cmd
	config node.Config
	log    bytes.Buffer // to be read once it has ended
}

func startProcess(t *testing.T, c node.Config) *process {
	t.Helper()
	p := &process{config: c, Cmd: exec.Command(os.Args[0], "serve", "--data", c.Data, "--grpc", c.GRPC, "--rest", c.REST, "--broker", c.Broker, "--metrics", c.Metrics)}
	p.Env = append(os.Environ(), beProgram+"=1")
	p.Stderr = &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	p.awaitReady(t)
	return p
}

// awaitReady asks until the server says that it is ready.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			t.Fatal("the server is not ready after a minute")
		case <-tick.C:
			answer, err := http.Get("http://" + p.config.REST + "/readyz")
			if err != nil {
				continue
			}
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// end sends a signal, waits, and returns what the process said.
func (p *process) end(t *testing.T, s syscall.Signal) string {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	err := p.Wait()
	if s != syscall.SIGKILL && err != nil {
		t.Errorf("ended with %v:\n%s", err, &p.log)
	}
	return p.log.String()
}

// at calls something once when a stage of a load has come so far.
type at struct {
	stage string
	share float64
	call  func()
}

func (a *at) Stage(name string, total int) (func(int), func()) {
	if name != a.stage {
		return func(int) {}, func() {}
	}
	steps, called := 0, false
	return func(n int) {
		if steps += n; !called && float64(steps) >= a.share*float64(total) {
			called = true
			a.call()
		}
	}, func() {}
}

// A server that is ended in the middle of a load, in order or not, goes on where it was: after loading again every
// balance is right, and nothing counted twice.
func TestEndedInTheMiddleOfALoad(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		stage  string
		share  float64
	}{
		"killed while counts come":     {syscall.SIGKILL, "opening counts sent", 0.4},
		"killed while sales come":      {syscall.SIGKILL, "baskets applied", 0.3},
		"interrupted while sales come": {syscall.SIGTERM, "baskets applied", 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addrs := freeAddresses(t, 4)
			settings := node.Config{Data: t.TempDir(), GRPC: addrs[0], REST: addrs[1], Broker: addrs[2], Metrics: addrs[3]}
			first := startProcess(t, settings)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			began := time.Now()
			said := ""
			_, err := loadFrom(ctx, t, settings, &at{c.stage, c.share, func() {
				said = first.end(t, c.signal)
				cancel()
			}})
			if err == nil {
				t.Fatal("the load went on without a server")
			}
			if c.signal != syscall.SIGKILL && !strings.Contains(said, `"stopped"`) {
				t.Errorf("did not stop in order after %s:\n%s", time.Since(began), said)
			}
			second := startProcess(t, settings)
			summary, err := loadFrom(t.Context(), t, settings, load.Silent{})
			if err != nil {
				t.Fatal(err)
			}
			if summary.Failed() || summary.Verification.Pairs == 0 {
				t.Errorf("after the restart: %+v, %+v", summary, summary.Verification)
			}
			second.end(t, syscall.SIGTERM)
		})
	}
}

func loadFrom(ctx context.Context, t *testing.T, c node.Config, p load.Progress) (*load.Summary, error) {
	conn, err := dial(c.GRPC)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := demoData(t)
	o.Conn, o.Brokers.Addresses, o.Progress, o.Log = conn, []string{c.Broker}, p, slog.New(slog.DiscardHandler)
	return load.Run(ctx, o)
}
