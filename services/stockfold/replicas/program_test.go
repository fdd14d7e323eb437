package replicas

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// program is a process of the binary that can be killed and started again with the same settings.
type program struct {
	t    *testing.T
	name string
	path string // of the binary
	args []string
	log  string // file that takes what it says
	cmd  *exec.Cmd
	done chan struct{}
}

// build builds the binary of a working copy.
func build(t *testing.T, copy string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stockfold")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./services/stockfold")
	cmd.Dir = copy
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	return path
}

// newProgram prepares a process that does not run yet. It is killed when the test ends, and what it said last is shown
// when the test failed.
func newProgram(t *testing.T, path, name string, args ...string) *program {
	p := &program{t: t, name: name, path: path, args: args, log: filepath.Join(t.TempDir(), strings.ReplaceAll(name, " ", "-")+".log")}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said last:\n%s", p.name, p.tail())
		}
	})
	return p
}

// start starts the process and does not wait until it serves.
func (p *program) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd, done, started := exec.Command(p.path, p.args...), make(chan struct{}), make(chan error)
	cmd.Stderr = log
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "STOCKFOLD_") })
	shield(cmd)
	go func() { // lives as long as the process, which the system ties to the thread that started it
		defer log.Close()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	p.cmd, p.done = cmd, done
}

// kill ends the process as a crash does.
func (p *program) kill() { p.end(syscall.SIGKILL) }

// stop asks the process to end.
func (p *program) stop() { p.end(syscall.SIGTERM) }

func (p *program) end(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s) // it may have ended
	<-p.done
	p.cmd = nil
}

func (p *program) tail() string {
	const most = 4 << 10
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// freeAddresses finds loopback addresses that stay free while a program is down: the system gives outgoing connections
// ports from above.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	const lowest, highest = 10_000, 32_000
	var found []string
	for tries := 0; len(found) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", lowest+rand.IntN(highest-lowest)))
		if err != nil {
			if tries > 1000 {
				t.Fatalf("find a free port: %v", err)
			}
			continue
		}
		defer l.Close() // all are held until the last is found, so that they differ
		found = append(found, l.Addr().String())
	}
	return found
}
