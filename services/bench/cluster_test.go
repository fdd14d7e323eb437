package bench

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
)

func TestTheStoresAreStartedAndEnded(t *testing.T) {
	c, err := startCluster(t.Context(), fakePrograms(t, honest), Options{KafkaLibs: NoApacheKafka}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := healthy(t.Context(), strings.TrimSuffix(strings.TrimPrefix(c.EventStore, "esdb://"), "?tls=false")); err != nil {
		t.Error(err)
	}
	if err := brokerAnswers(t.Context(), c.Kafka); err != nil {
		t.Error(err)
	}
	if _, err := exec.LookPath("redis-server"); (err != nil) != c.noRedis || (c.Redis == "") != c.noRedis {
		t.Errorf("redis-server is installed: %t; the cluster: %+v", err == nil, c.Stores)
	}
	if told := strings.Join(c.notes, "\n"); !strings.Contains(told, "EventStoreDB's protocol") || !strings.Contains(told, "Apache Kafka is missing: the run was to do without") {
		t.Errorf("told:\n%s", told)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	for _, m := range c.members {
		if err := syscall.Kill(m.pid(), 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s still runs: %v", m.name, err)
		}
	}
}

// What is missing is said, and is no failure.
func TestWithoutRedisTheServiceKeepsItsDocuments(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c, err := startCluster(t.Context(), fakePrograms(t, honest), Options{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	told := strings.Join(c.notes, "\n")
	if !c.noRedis || c.Redis != "" || !strings.Contains(told, "Redis is missing") || !strings.Contains(told, "java is not installed here") || len(c.members) != 2 {
		t.Errorf("%+v\n%s", c.Stores, told)
	}
}

func TestAStoreThatDoesNotStartFailsTheRun(t *testing.T) {
	p := fakePrograms(t, honest)
	p.EventStore = func(string, string) []string { return []string{wordEvents, "", "nowhere"} }
	if _, err := startCluster(t.Context(), p, Options{}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "event store ended by itself") {
		t.Errorf("error: %v", err)
	}
}

// An EventStoreDB that was named is used, and its password is not told.
func TestAnEventStoreThatWasThereBefore(t *testing.T) {
	const given = "esdb://admin:secret@127.0.0.1:2113?tls=false"
	c, err := startCluster(t.Context(), fakePrograms(t, honest), Options{EventStore: given, KafkaLibs: NoApacheKafka}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if c.EventStore != given || c.members[0].pid() != 0 || c.notes[0] != "EventStoreDB at 127.0.0.1:2113" {
		t.Errorf("%+v %q", c.Stores, c.notes)
	}
	if got := hostOf("esdb://a:b@[::1"); strings.Contains(got, "b@") {
		t.Error(got)
	}
}

func TestApacheKafkaIsFound(t *testing.T) {
	bin, libs := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	if err := os.WriteFile(filepath.Join(bin, "java"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := findApacheKafka(libs); err == nil || !strings.Contains(err.Error(), libs) {
		t.Errorf("an empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(libs, "kafka_2.13-4.3.1.jar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := findApacheKafka(libs)
	if err != nil || a.version != "4.3.1" || a.libs != libs || a.java != filepath.Join(bin, "java") {
		t.Errorf("%+v (%v)", a, err)
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	if _, err := findApacheKafka(""); err == nil {
		t.Error("found where nothing is")
	}
	where, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(where, "stockfold"), 0o700), os.Symlink(libs, filepath.Join(where, "stockfold", "kafka-1"))); err != nil {
		t.Fatal(err)
	}
	if a, err := findApacheKafka(""); err != nil || a.version != "4.3.1" {
		t.Errorf("%+v (%v)", a, err)
	}
	if args := a.run("kafka.Kafka", "p"); !slices.Contains(args, filepath.Join(libs, "*")) || args[len(args)-1] != "p" {
		t.Errorf("%q", args)
	}
}

func TestAnApacheKafkaThatCannotBeFormattedIsAnError(t *testing.T) {
	a := apacheKafka{java: "/bin/false", libs: t.TempDir()}
	dir := filepath.Join(t.TempDir(), "kafka")
	if _, err := a.prepare(t.Context(), dir, "127.0.0.1:1", "127.0.0.1:2"); err == nil || !strings.Contains(err.Error(), "format") {
		t.Errorf("error: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "server.properties"))
	if err != nil || !strings.Contains(string(text), "listeners=PLAIN://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n") {
		t.Errorf("%s (%v)", text, err)
	}
}

func TestTheTopicOfHopsIsMadeOnce(t *testing.T) {
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	broker, err := fakeBroker(ports[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	for range 2 {
		if err := makeHopTopic(t.Context(), ports[0]); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{catalogue: newCatalogue(MinSKUs), cluster: &cluster{Stores: Stores{Kafka: ports[0]}}}
	h, err := kafkaHop(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.once(t.Context()), h.once(t.Context()), h.close()); err != nil {
		t.Error(err)
	}
	conn, err := kafka.DialLeader(t.Context(), "tcp", ports[0], hopTopic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.ReadLastOffset(); err != nil || n != 2 {
		t.Errorf("%d messages (%v)", n, err)
	}
}
