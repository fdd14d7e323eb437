package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StartCluster starts a cluster of some masters, each with a number of replicas, and waits until it is whole.
func StartCluster(t testing.TB, masters, replicas int) []*Server {
	t.Helper()
	var servers []*Server
	args := []string{"--cluster", "create"}
	for i := range masters * (1 + replicas) {
		s := New(t, "--cluster-enabled", "yes", "--cluster-config-file", fmt.Sprintf("nodes-%d.conf", i), "--cluster-node-timeout", "1000",
			"--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
		s.Run()
		servers, args = append(servers, s), append(args, s.Addr())
	}
	CLI(t, append(args, "--cluster-replicas", fmt.Sprint(replicas), "--cluster-yes")...)
	for _, s := range servers {
		AwaitText(t, s, "cluster_state:ok", "CLUSTER", "INFO")
	}
	return servers
}

// StartSentinels starts sentinels that watch over a master, and waits until they know each other and its replicas.
func StartSentinels(t testing.TB, name string, master *Server, n, replicas int) []*Server {
	t.Helper()
	var sentinels []*Server
	for range n {
		s := New(t)
		path := filepath.Join(s.Dir, "sentinel.conf")
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %d %d\nsentinel down-after-milliseconds %s 500\n"+
			"sentinel failover-timeout %s 2000\n", s.Port, s.Dir, name, master.Port, n/2+1, name, name)
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		s.args = []string{path, "--sentinel"}
		s.Run()
		sentinels = append(sentinels, s)
	}
	for _, s := range sentinels {
		AwaitText(t, s, fmt.Sprintf("slaves=%d,sentinels=%d", replicas, n), "INFO", "sentinel")
	}
	return sentinels
}

// AwaitText waits until a command says something. A server cuts its clients off when it becomes a master.
func AwaitText(t testing.TB, s *Server, text string, command ...string) {
	t.Helper()
	var got string
	var err error
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if got, err = s.ask(command...); err == nil && strings.Contains(got, text) {
			return
		}
	}
	t.Fatalf("redis on port %d: %s does not say %q: %s, %v", s.Port, strings.Join(command, " "), text, got, err)
}
