// Package kafkatest runs a real Apache Kafka for tests: one node, broker and controller in one, as a child process on
// loopback. It guarantees that the node and its directory are gone when the test is, also when the test is killed. It
// leaves to its callers what to do with the node; they may kill it, freeze it and start it again on the same directory
// and addresses.
package kafkatest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The environment that integration tests run in; .ci/integration sets it.
const (
	Enabled = "STOCKFOLD_INTEGRATION" // not empty: run them
	Libs    = "STOCKFOLD_KAFKA_LIBS"  // directory of Kafka's jars
)

// patience bounds waiting for the node; no test depends on how long it takes.
const patience = 60 * time.Second

const clusterID = "c3RvY2tmb2xkLXRlc3RzMQ"

// Options of a node.
type Options struct {
	// Listeners are more addresses than the plain one: a name in capitals, and what is spoken there (SSL, SASL_PLAINTEXT,
	// SASL_SSL).
	Listeners  map[string]string
	Users      map[string]string // passwords of users who authenticate by SCRAM
	Properties map[string]string // of the server, beside or instead of those that the node has anyway
}

// Node is a running node.
type Node struct {
	Addr string // where it serves everybody, without TLS or authentication

	t       testing.TB
	dir     string
	ports   map[string]int
	command *exec.Cmd
	watcher *watcher
}

// plain is the listener that every node has.
const (
	plain      = "PLAIN"
	controller = "CONTROLLER"
)

// Skip skips a test that needs a real Kafka where none is to be had.
func Skip(t testing.TB) {
	t.Helper()
	if os.Getenv(Enabled) == "" {
		t.Skip("needs a real Apache Kafka: run make test-integration")
	}
	if os.Getenv(Libs) == "" {
		t.Fatalf("%s must name the directory of Kafka's jars; make test-integration sets it", Libs)
	}
}

// Start starts a node and returns once it serves. It skips the test where there is no Kafka.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	Skip(t)
	n := &Node{t: t, dir: t.TempDir(), ports: map[string]int{plain: freePort(t), controller: freePort(t)}}
	n.Addr = n.at(plain)
	for name := range o.Listeners {
		n.ports[name] = freePort(t)
	}
	n.configure(o)
	format := []string{"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.path("server.properties")}
	for user, password := range o.Users {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, password))
		}
	}
	if out, err := java(format...).CombinedOutput(); err != nil {
		t.Fatalf("format Kafka's directory: %v\n%s", err, out)
	}
	t.Cleanup(n.Kill)
	n.Restart()
	return n
}

func java(args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{"-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.level=WARN", "-cp", filepath.Join(os.Getenv(Libs), "*")}, args...)...)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) at(listener string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.ports[listener]))
}

// Listener is the address of one of the listeners that were asked for.
func (n *Node) Listener(name string) string { return n.at(name) }

// configure writes the server's properties.
func (n *Node) configure(o Options) {
	n.t.Helper()
	protocols := map[string]string{plain: "PLAINTEXT", controller: "PLAINTEXT"}
	maps.Copy(protocols, o.Listeners)
	var listeners, spoken []string
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		listeners = append(listeners, name+"://"+n.at(name))
		spoken = append(spoken, name+":"+protocols[name])
	}
	properties := map[string]string{
		"process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": "1@" + n.at(controller),
		"controller.listener.names": controller, "inter.broker.listener.name": plain,
		"listeners": strings.Join(listeners, ","), "listener.security.protocol.map": strings.Join(spoken, ","),
		"log.dirs": n.path("log"), "auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0",
		"broker.session.timeout.ms": "1500", "broker.heartbeat.interval.ms": "300", // so long a killed one is still taken to be there
		"offsets.topic.num.partitions": "1", "offsets.topic.replication.factor": "1",
		"transaction.state.log.num.partitions": "1", "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
	}
	maps.Copy(properties, o.Properties)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", name, properties[name])
	}
	if err := os.WriteFile(n.path("server.properties"), []byte(text.String()), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// Restart starts a node that was killed, and returns once it serves.
func (n *Node) Restart() {
	n.t.Helper()
	if n.command != nil {
		n.t.Fatal("Kafka runs already")
	}
	log, err := os.OpenFile(n.path("output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	command := java("kafka.Kafka", n.path("server.properties"))
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		n.t.Fatalf("start Kafka: %v", err)
	}
	n.command = command
	if n.watcher, err = watch(command.Process.Pid); err != nil {
		n.t.Fatalf("watch Kafka: %v", err)
	}
	n.awaitServing()
}

func (n *Node) awaitServing() {
	n.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Addr))
	if err != nil {
		n.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for retry := time.NewTicker(50 * time.Millisecond); client.Ping(ctx) != nil; <-retry.C {
		if ctx.Err() != nil || syscall.Kill(n.command.Process.Pid, 0) != nil {
			out, _ := os.ReadFile(n.path("output"))
			n.t.Fatalf("Kafka does not serve:\n%s", out)
		}
	}
}

// Kill kills the node, as a machine that loses its power does but for what was not synced yet. Killing one that does not
// run does nothing.
func (n *Node) Kill() {
	if n.command == nil {
		return
	}
	n.watcher.stop()
	_ = n.command.Process.Kill()
	_ = n.command.Wait()
	n.command = nil
}

// Freeze stops the node where it is: it keeps its connections and answers none, until it is thawed.
func (n *Node) Freeze() { n.signal(syscall.SIGSTOP) }

// Thaw lets a frozen node go on.
func (n *Node) Thaw() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.command.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// watcher is a process that kills another one when this process ends, however it ends: it notices that nobody holds the
// other end of its input any more.
type watcher struct {
	command *exec.Cmd
	input   io.Closer
}

func watch(pid int) (*watcher, error) {
	command := exec.Command("sh", "-c", `trap "" INT HUP; read _; kill -9 "$0"`, strconv.Itoa(pid))
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &watcher{command, input}, command.Start()
}

// stop ends the watcher and leaves the process that it watches.
func (w *watcher) stop() {
	_ = w.command.Process.Kill()
	_ = w.command.Wait()
	_ = w.input.Close()
}

// freePort finds a loopback port that stays free for the node while it is down: outgoing connections take theirs from
// above, one that is opened to a free port among those may even find itself.
func freePort(t testing.TB) int {
	t.Helper()
	const lowest, highest = 20_000, 32_000
	for range 100 {
		port := lowest + rand.N(highest-lowest)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
