package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for a server.
const patience = 30 * time.Second

// Server is a redis-server process.
type Server struct {
	Port int
	Dir  string // its working directory, where dumps are

	t    testing.TB
	args []string
	bin  string
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{}
}

// Binary finds a program of Redis, or skips the test.
func Binary(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("STOCKFOLD_INTEGRATION") != "" {
		t.Fatalf("%s is not installed, and STOCKFOLD_INTEGRATION asks for it (Debian: apt-get install redis-server redis-sentinel)", name)
	}
	t.Skipf("%s is not installed (Debian: apt-get install redis-server): not tested against a real Redis", name)
	return ""
}

// Start starts a server with settings beyond the port, e.g. "--maxmemory", "10mb". It saves nothing unless told to.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := New(t, settings...)
	s.Run()
	return s
}

// New prepares a server that does not run yet.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Dir: dir, Port: FreePort(t), bin: Binary(t, "redis-server")}
	s.args = append([]string{"--bind", "127.0.0.1", "--dir", dir, "--port", strconv.Itoa(s.Port), "--save", "", "--appendonly", "no",
		"--protected-mode", "no", "--enable-debug-command", "yes", "--loglevel", "notice"}, settings...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() && s.log != nil {
			t.Logf("redis on port %d:\n%s", s.Port, s.log)
		}
		os.RemoveAll(dir)
	})
	return s
}

// Run starts the server and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	s.Launch()
	s.Await()
}

// Launch starts the process without waiting.
func (s *Server) Launch() {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(s.bin, s.args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { cmd.Wait(); close(done) }(s.cmd, s.done)
}

// Await waits until the port takes connections and is loaded.
func (s *Server) Await() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := ping(ctx, s.Addr())
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("redis on port %d does not answer: %v", s.Port, err)
		case <-s.done:
			s.t.Fatalf("redis on port %d ended:\n%s", s.Port, s.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ping asks for anything: an answer that is an error counts too, but for loading.
func ping(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	b := make([]byte, 256)
	n, err := c.Read(b)
	if err == nil && strings.HasPrefix(string(b[:n]), "-LOADING") {
		err = errors.New("loading")
	}
	return err
}

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Kill ends the server as a crash does.
func (s *Server) Kill() { s.signal(syscall.SIGKILL, true) }

// Freeze stops the server without closing anything; Thaw lets it go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP, false) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT, false) }

func (s *Server) signal(which syscall.Signal, wait bool) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	select {
	case <-s.done:
		return
	default:
	}
	s.cmd.Process.Signal(which)
	if wait {
		<-s.done
	}
}

// Do runs a command by redis-cli and returns what it says.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	return CLI(s.t, append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port)}, args...)...)
}

// ask is Do for a server that may be away.
func (s *Server) ask(args ...string) (string, error) {
	return cli(s.t, append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port)}, args...)...)
}

// CLI runs redis-cli.
func CLI(t testing.TB, args ...string) string {
	t.Helper()
	out, err := cli(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func cli(t testing.TB, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, Binary(t, "redis-cli"), append([]string{"-e"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Unlink keeps a replica from getting anything more of its master, while it stays its replica.
func Unlink(replica, master *Server) {
	replica.t.Helper()
	replica.Do("CONFIG", "SET", "masterauth", "wrong")
	replica.Do("CONFIG", "SET", "masteruser", "nobody")
	master.Do("CLIENT", "KILL", "TYPE", "replica")
	AwaitText(replica.t, replica, "master_link_status:down", "INFO", "replication")
}

// Save has the server write a dump, and returns its contents.
func (s *Server) Save() []byte {
	s.t.Helper()
	s.Do("SAVE")
	b, err := os.ReadFile(filepath.Join(s.Dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// Restore has the next Run begin with a dump; without one with nothing.
func (s *Server) Restore(dump []byte) {
	s.t.Helper()
	path := filepath.Join(s.Dir, "dump.rdb")
	err := os.Remove(path)
	if dump != nil {
		err = os.WriteFile(path, dump, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
}

// FreePort finds a port of loopback that nobody listens on; 10,000 above it is free too, for the bus of a cluster.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port > 45000 {
			port -= 25000 + port%1000
			port += os.Getpid() % 1000
			if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err != nil {
				continue
			}
			l.Close()
		}
		bus, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port+10000))
		if err != nil {
			continue
		}
		bus.Close()
		return port
	}
	t.Fatal("no free port found")
	return 0
}
