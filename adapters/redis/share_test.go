package redis_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stockfold/stockfold/adapters/redis/redistest"
)

// documentsLookedAt counts what the script that stores a document does each time, once there is one.
var documentsLookedAt = regexp.MustCompile(`cmdstat_exists:calls=(\d+)`)

// documentWrites is how many documents a server was sent.
func documentWrites(t *testing.T, server *redistest.Server) int {
	t.Helper()
	found := documentsLookedAt.FindStringSubmatch(server.Do("INFO", "commandstats"))
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Three replicas fold the same events, and show them all; what one of them has written the others need not write. Most often they
// do not, and when the one that writes is gone another does.
func TestReplicasShareTheWriting(t *testing.T) {
	server := redistest.Start(t)
	s := newShop(t)
	replicas := []*replica{s.run("redis://" + server.Addr()), s.run("redis://" + server.Addr()), s.run("redis://" + server.Addr())}
	const rounds = 100
	receive := func() {
		for range rounds {
			s.receive(0, 1, 1)
			for _, r := range replicas {
				s.seen(r)
			}
		}
	}
	receive()
	first := documentWrites(t, server)
	t.Logf("%d documents written for %d events, by 3 replicas", first, rounds)
	if first >= 3*rounds {
		t.Error("every replica wrote every document")
	}
	for len(replicas) > 1 {
		replicas[0].stop()
		replicas = replicas[1:]
		before := documentWrites(t, server)
		receive()
		n := documentWrites(t, server) - before
		t.Logf("%d documents written for %d events, by %d replicas", n, rounds, len(replicas))
	}
	other := s.run("redis://" + server.Addr()) // sees what is stored
	s.seen(other)
}

// Who relies on what another has written finds its loss as well: with three replicas that share the writing, what Redis loses under
// load is built again, whoever had written it, and nobody is told anything old.
func TestWhatReplicasShareIsBuiltAgainWhenItIsLost(t *testing.T) {
	server := redistest.Start(t)
	s := newShop(t)
	replicas := []*replica{s.run("redis://" + server.Addr()), s.run("redis://" + server.Addr()), s.run("redis://" + server.Addr())}
	s.receive(0, 20, 10)
	for _, r := range replicas {
		s.seen(r)
	}
	dump := server.Save()
	for _, lose := range []func(){
		func() { server.Do("FLUSHALL") },
		func() { server.Kill(); server.Restore(dump); server.Run() },
	} {
		s.whileHonest(replicas[1], func() {
			s.receive(0, 30, 1)
			lose()
			s.receive(0, 30, 1)
			awaitStored(t, server, s)
		})
		for _, r := range replicas {
			s.seen(r)
		}
		other := s.run("redis://" + server.Addr()) // sees what is stored
		s.seen(other)
		other.stop()
	}
}
