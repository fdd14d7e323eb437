package redis_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/projections/availability"
)

func TestContractsOnACluster(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	contracts(t, "redis+cluster://"+servers[0].Addr())
}

// One master of three is emptied, or goes back to an old dump: the progress on the others hides nothing.
func TestAMasterOfAClusterLosesData(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	url := fmt.Sprintf("redis+cluster://%s?addr=%s", servers[0].Addr(), servers[1].Addr())
	s := newShop(t)
	r := s.run(url)
	s.receive(0, 30, 10)
	s.seen(r)
	dumps := [][]byte{servers[0].Save(), servers[1].Save(), servers[2].Save()}
	s.receive(0, 30, 5)
	s.seen(r)
	for i, server := range servers {
		s.whileHonest(r, func() {
			s.receive(0, 30, 1)
			if i == 0 {
				server.Do("FLUSHALL")
			} else {
				server.Kill()
				server.Restore(dumps[i])
				server.Run()
				redistest.AwaitText(t, server, "cluster_state:ok", "CLUSTER", "INFO")
			}
			s.receive(0, 30, 1)
		})
		s.seen(r)
		r.foundLoss(t)
		other := s.run(url)
		s.seen(other)
		other.stop()
	}
}

// A master goes down for good; its replica lacks the last writes.
func TestAClusterFailsOver(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 1)
	s := newShop(t)
	r := s.run("redis+cluster://" + servers[0].Addr())
	s.receive(0, 30, 10)
	s.seen(r)
	for _, replica := range servers[3:] {
		redistest.AwaitText(t, replica, "master_link_status:up", "INFO", "replication")
		for _, master := range servers[:3] {
			if strings.Contains(replica.Do("ROLE"), fmt.Sprint(master.Port)) {
				redistest.Unlink(replica, master)
			}
		}
	}
	s.receive(0, 30, 1) // no replica gets this
	s.seen(r)
	s.whileHonest(r, func() {
		servers[0].Kill()
		redistest.AwaitText(t, servers[1], "cluster_state:fail", "CLUSTER", "INFO")
		s.receive(0, 30, 1)
		redistest.AwaitText(t, servers[1], "cluster_state:ok", "CLUSTER", "INFO")
	})
	s.seen(r)
	r.foundLoss(t)
	s.seen(s.run("redis+cluster://" + servers[1].Addr()))
}

func TestASentinelFailsOver(t *testing.T) {
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port), "--repl-diskless-sync-delay", "0")
	redistest.AwaitText(t, replica, "master_link_status:up", "INFO", "replication")
	sentinels := redistest.StartSentinels(t, "mymaster", master, 3, 1)
	url := fmt.Sprintf("redis+sentinel://%s/mymaster?addr=%s", sentinels[0].Addr(), sentinels[1].Addr())
	s := newShop(t)
	r := s.run(url)
	s.receive(0, 20, 10)
	s.seen(r)
	redistest.Unlink(replica, master)
	s.receive(0, 20, 5) // the replica does not get this
	s.seen(r)
	s.whileHonest(r, func() {
		master.Kill()
		s.receive(0, 20, 1)
		redistest.AwaitText(t, replica, "role:master", "INFO", "replication")
	})
	s.seen(r)
	r.foundLoss(t)
	s.seen(s.run(url))
}

// rights are what a user needs, as deploy/redis.md says.
func rights(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "deploy", "redis.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if rule, ok := strings.CutPrefix(strings.TrimSpace(line), "ACL SETUSER stockfold on "); ok {
			return strings.Fields(rule)[1:] // after the password
		}
	}
	t.Fatal("deploy/redis.md has no line ACL SETUSER stockfold on …")
	return nil
}

func TestAUserNeedsTheRightsThatThePageSays(t *testing.T) {
	server := redistest.Start(t)
	server.Do(append([]string{"ACL", "SETUSER", "stockfold", "on", ">p@ss:w/rd"}, rights(t)...)...)
	s := newShop(t)
	r := s.run("redis://stockfold:" + url.QueryEscape("p@ss:w/rd") + "@" + server.Addr())
	s.receive(0, 20, 10)
	s.seen(r)
	server.Do("FLUSHALL")
	s.receive(0, 20, 1)
	s.seen(r)
	s.exchange(r)
	s.seen(r)
	s.wantShown(server)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := r.Scan(t.Context(), "", 10)
	ok(err)
	ok(r.db.Policies().Reset(t.Context()))
	ok(r.db.Reservations().Reset(t.Context()))
	_, err = r.db.Reservations().List(t.Context(), "sku", true, 0, 1)
	ok(err)
	if log := server.Do("ACL", "LOG"); log != "" {
		t.Errorf("refused: %s", log)
	}
}

func TestPasswordsAreNotSaid(t *testing.T) {
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "stockfold", "on", ">right", "~*", "+@all")
	for _, u := range []string{
		"redis://stockfold:s3cret@" + server.Addr(), "redis://:s3cret@127.0.0.1:1", "redis://u:s3cret@127.0.0.1:nowhere", "redis://u:s3/cret@[",
		"redis://u:s3cret@127.0.0.1/x", "redis://u:s3cret@127.0.0.1/0?what=1", "http://u:s3cret@127.0.0.1", "rediss://u:s3cret@127.0.0.1?ca_file=/none",
		"redis+sentinel://u:s3cret@127.0.0.1", "redis+cluster://u:s3cret@127.0.0.1/1",
	} {
		db, err := redis.Open(redis.URL(u), redis.Options{Log: quiet})
		if err == nil {
			_, err = db.Availability().Progress(t.Context())
			db.Close()
		}
		if err == nil || strings.Contains(err.Error(), "s3") {
			t.Errorf("%s: got %v", u, err)
		}
		for _, text := range []string{redis.URL(u).String(), fmt.Sprint(redis.URL(u)), fmt.Sprintf("%+v", struct{ U redis.URL }{redis.URL(u)})} {
			if strings.Contains(text, "s3") {
				t.Errorf("%s is shown as %s", u, text)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	c := redistest.NewCertificates(t)
	server := redistest.StartTLS(t, c, "--requirepass", "secret")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := fmt.Sprintf("rediss://%s?password_file=%s&ca_file=%s&cert_file=%s&key_file=%s", server.Addr(), password, c.CA, c.Cert, c.Key)
	if _, err := open(t, whole).Availability().Progress(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := redistest.NewCertificates(t)
	for name, u := range map[string]string{
		"an authority not trusted": fmt.Sprintf("rediss://%s?password_file=%s&cert_file=%s&key_file=%s", server.Addr(), password, c.Cert, c.Key),
		"another authority":        strings.Replace(whole, c.CA, stranger.CA, 1),
		"another name":             whole + "&server_name=warehouse",
		"no certificate":           fmt.Sprintf("rediss://%s?password_file=%s&ca_file=%s", server.Addr(), password, c.CA),
		"no TLS":                   fmt.Sprintf("redis://%s?password_file=%s", server.Addr(), password),
	} {
		if _, err := open(t, u).Availability().Progress(t.Context()); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Who takes a cluster for a server, or the reverse, or names a master that nobody knows, is told so.
func TestAURLOfAnotherKindSaysWhatItMustBe(t *testing.T) {
	one, node := redistest.Start(t), redistest.StartCluster(t, 3, 0)[0]
	sentinel := redistest.StartSentinels(t, "shop", redistest.Start(t), 1, 0)[0]
	for u, says := range map[string]string{
		"redis://" + node.Addr():                        "begin the URL with redis+cluster",
		"redis+cluster://" + one.Addr():                 "begin the URL with redis,",
		"redis+sentinel://" + sentinel.Addr() + "/mall": "knows no master of the name",
	} {
		if _, err := open(t, u).Availability().Progress(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", u, err, says)
		}
	}
}

// A master with so few slots that its losses would show nowhere.
func TestAClusterThatCannotBeWatchedIsRefused(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	nodes := strings.Fields(servers[0].Do("CLUSTER", "MYID"))
	args := []string{"--cluster", "reshard", servers[0].Addr(), "--cluster-from", nodes[0], "--cluster-to",
		servers[1].Do("CLUSTER", "MYID"), "--cluster-slots", "5400", "--cluster-yes"}
	redistest.CLI(t, args...)
	db := open(t, "redis+cluster://"+servers[0].Addr())
	if _, err := db.Availability().Progress(t.Context()); !errors.Is(err, redis.ErrUnguarded) {
		t.Errorf("got %v", err)
	}
}

var _ availability.ReadModel = (*redis.Availability)(nil)
