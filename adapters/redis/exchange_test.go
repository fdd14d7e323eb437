package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// rebuild is a replica that builds all documents anew.
func (s *shop) rebuild(r *replica) (*availability.Beside, *redis.Beside) {
	s.t.Helper()
	built, err := r.db.Beside(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	local, err := views.Open("views", views.Options{FS: vfs.NewMem(), Log: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	b := availability.StartBeside(availability.BesideConfig{Store: s.Store, Documents: built.Availability(), Policies: local.Policies(), Log: quiet})
	s.t.Cleanup(func() { b.Stop(); local.Close() })
	ctx, done := context.WithTimeout(s.t.Context(), patience)
	defer done()
	if err := b.WaitForEnd(ctx); err != nil {
		s.t.Fatalf("%v; %+v", err, b.Status(ctx))
	}
	return b, built
}

// exchange has a replica build all documents anew, and put them in their place.
func (s *shop) exchange(r *replica) {
	s.t.Helper()
	b, built := s.rebuild(r)
	err := r.Exchange(s.t.Context(), func(ctx context.Context, least uint64) error {
		if err := b.Finish(ctx, least); err != nil {
			return err
		}
		return built.Exchange(ctx)
	})
	if err := errors.Join(err, built.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// corrupt has documents say that three more lie in berlin, behind everybody's back, and makes one that nothing is the reason of. It may be called once.
func (s *shop) corrupt(url string, skus ...string) {
	s.t.Helper()
	db, err := redis.Open(redis.URL(url), redis.Options{StoreID: s.Store.ID(), Log: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	m := db.Availability()
	progress, err := m.Progress(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var wrong []*availability.Document
	for _, sku := range skus {
		d, err := m.Read(s.t.Context(), sku)
		if err != nil || d == nil {
			s.t.Fatalf("read %q: %v, %v", sku, d, err)
		}
		d.Balances.At("berlin").OnHand[stock.Sellable] += 3
		d.Position += 1_000_000 // so that nothing that comes repairs it
		wrong = append(wrong, d.Mending())
	}
	stranger := &availability.Document{SKU: "stranger", Position: 7}
	if err := m.Write(s.t.Context(), append(wrong, stranger.Mending()), progress); err != nil {
		s.t.Fatal(err)
	}
}

// wantShown waits until other programs read what is right, and nothing is left of what was exchanged.
func (s *shop) wantShown(servers ...*redistest.Server) {
	s.t.Helper()
	all := func(pattern string) (keys []string) {
		for _, server := range servers {
			keys = append(keys, strings.Fields(server.Do("--scan", "--pattern", pattern))...)
		}
		return keys
	}
	var wrong string
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		wrong = ""
		for sku, want := range s.want {
			got := ""
			for _, server := range servers {
				if text := server.Do("HGET", "stockfold:sku:{"+sku+"}", "ats:web"); text != "" && !strings.HasPrefix(text, "MOVED") {
					got = text
				}
			}
			if got != fmt.Sprint(want) {
				wrong = fmt.Sprintf("%s is %q, want %d", sku, got, want)
			}
		}
		if server := servers[0]; server.Do("EXISTS", "stockfold:sku:{stranger}") == "1" {
			wrong = "the stranger is there"
		}
		if n := len(all("stockfold:document:*")); n != 2*len(s.want) { // "sku N" is two fields
			wrong = fmt.Sprintf("%d documents of %d SKUs", n/2, len(s.want))
		}
		if keys := all("stockfold:progress:availability@*"); len(keys) > 0 {
			wrong = fmt.Sprintf("%q are left", keys)
		}
		if wrong == "" {
			return
		}
	}
	s.t.Fatal(wrong)
}

// Replicas fold, write and read while one of them exchanges what is wrong in Redis. Each goes over to the new documents, nobody is told anything old, and what other
// programs read follows.
func TestReplicasGoOverToExchangedDocuments(t *testing.T) {
	server := redistest.Start(t)
	url := "redis://" + server.Addr()
	s := newShop(t)
	replicas := []*replica{s.run(url), s.run(url), s.run(url)}
	s.receive(0, 30, 10)
	for _, r := range replicas {
		s.seen(r)
	}
	s.corrupt(url, "sku 20", "sku 29")
	for round := range 3 {
		s.whileHonest(replicas[1], func() {
			s.whileHonest(replicas[2], func() {
				s.receive(0, 10, 1)
				s.exchange(replicas[round%2])
				s.receive(5, 15, 1)
			})
		})
		for _, r := range replicas {
			s.seen(r)
			if r.losses.found.Load() > 0 {
				t.Error("an exchange is taken for a loss")
			}
		}
		s.wantShown(server)
	}
	other := s.run(url)
	s.seen(other)
	other.stop()
	if got := server.Do("HGET", "stockfold:progress:availability:{0}", "origin"); got != "2 "+s.Store.ID() {
		t.Errorf("versions that know nothing of generations would read %q", got)
	}
}

// The documents of a generation that was exchanged are lost like any others.
func TestExchangedDocumentsAreBuiltAgainWhenTheyAreLost(t *testing.T) {
	server := redistest.Start(t)
	url := "redis://" + server.Addr()
	s := newShop(t)
	r, other := s.run(url), s.run(url)
	s.receive(0, 20, 10)
	s.seen(r)
	s.exchange(r)
	s.seen(r)
	s.seen(other)
	s.wantShown(server)
	dump := server.Save()
	for name, lose := range map[string]func(){
		"emptied":          func() { server.Do("FLUSHALL") },
		"rolled back":      func() { server.Kill(); server.Restore(dump); server.Run() },
		"progress removed": func() { server.Do("DEL", "stockfold:progress:availability:{0}") },
	} {
		s.receive(0, 25, 1)
		s.seen(r)
		s.whileHonest(other, func() {
			lose()
			s.receive(0, 20, 1)
			awaitStored(t, server, s)
		})
		s.seen(r)
		s.seen(other)
		if r.losses.found.Swap(0) == 0 {
			t.Errorf("%s: no loss was found", name)
		}
	}
}

// A failover takes an exchange back, which the new master has not heard of: all go back to the documents that it has, and can exchange them again.
func TestAFailoverTakesAnExchangeBack(t *testing.T) {
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port), "--repl-diskless-sync-delay", "0")
	redistest.AwaitText(t, replica, "master_link_status:up", "INFO", "replication")
	sentinels := redistest.StartSentinels(t, "mymaster", master, 3, 1)
	url := fmt.Sprintf("redis+sentinel://%s/mymaster?addr=%s", sentinels[0].Addr(), sentinels[1].Addr())
	s := newShop(t)
	r, other := s.run(url), s.run(url)
	s.receive(0, 20, 10)
	s.seen(r)
	s.seen(other)
	redistest.Unlink(replica, master)
	s.exchange(r)
	s.receive(0, 20, 5)
	s.seen(r)
	s.seen(other)
	s.whileHonest(other, func() {
		master.Kill()
		s.receive(0, 20, 1)
		redistest.AwaitText(t, replica, "role:master", "INFO", "replication")
	})
	s.seen(r)
	s.seen(other)
	s.exchange(other)
	s.seen(r)
	s.seen(other)
	s.wantShown(replica)
}

// One master of three goes back to before an exchange, the others do not: what it lost is built again in the new generation, and nobody is told anything old.
func TestAMasterThatForgetsAnExchange(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	url := fmt.Sprintf("redis+cluster://%s?addr=%s", servers[0].Addr(), servers[1].Addr())
	s := newShop(t)
	r, other := s.run(url), s.run(url)
	s.receive(0, 30, 10)
	s.seen(r)
	s.seen(other)
	for i, server := range servers {
		dump := server.Save()
		s.exchange([]*replica{r, other}[i%2])
		s.receive(0, 30, 5)
		s.seen(r)
		s.seen(other)
		s.whileHonest(other, func() {
			server.Kill()
			server.Restore(dump)
			server.Run()
			redistest.AwaitText(t, server, "cluster_state:ok", "CLUSTER", "INFO")
			s.receive(0, 35, 1)
		})
		s.seen(r)
		s.seen(other)
		entered := s.run(url)
		s.seen(entered)
		entered.stop()
	}
}

// A Redis that two generations would fill is left alone.
func TestWhereThereIsNoRoomNothingIsBuilt(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "40mb", "--maxmemory-policy", "noeviction")
	db := open(t, "redis://"+server.Addr())
	server.Do("DEBUG", "POPULATE", "100000", "filler", "100")
	_, err := db.Beside(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Do("DEBUG", "POPULATE", "100000", "more", "100")
	if _, err := db.Beside(t.Context()); !errors.Is(err, availability.ErrNoRoom) || !strings.Contains(err.Error(), server.Addr()) {
		t.Errorf("got %v; %s", err, server.Do("INFO", "memory"))
	}
}

// models is what tests of the adapter alone work with: 40 documents of position 9000, and 40 others of 700 that are built beside.
type models struct {
	t      *testing.T
	url    string
	db     *redis.DB
	beside *redis.Beside
}

func (m *models) list(from, to int, position uint64) (list []*availability.Document) {
	for i := from; i < to; i++ {
		list = append(list, &availability.Document{SKU: fmt.Sprintf("sku %d", i), Position: position})
	}
	return list
}

func newModels(t *testing.T, url string) *models {
	t.Helper()
	m := &models{t: t, url: fmt.Sprintf("%s?prefix=test-%d", url, prefixes.Add(1))}
	m.db = open(t, m.url)
	m.write(m.db.Availability(), 0, 40, 9000)
	m.beside = m.build(m.db)
	return m
}

func (m *models) build(db *redis.DB) *redis.Beside {
	m.t.Helper()
	b, err := db.Beside(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(b.Availability(), 20, 60, 700)
	return b
}

func (m *models) write(a *redis.Availability, from, to int, position uint64) {
	m.t.Helper()
	_, err := a.Progress(m.t.Context())
	if err := errors.Join(err, a.Write(m.t.Context(), m.list(from, to, position), at(position))); err != nil {
		m.t.Fatal(err)
	}
}

// finds is what a process finds that enters: a progress, and what all documents are of.
func (m *models) finds(a *redis.Availability) (progress uint64, documents map[uint64]int) {
	m.t.Helper()
	p, err := a.Progress(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	list, err := a.Scan(m.t.Context(), "", 100)
	if err != nil {
		m.t.Fatal(err)
	}
	documents = map[uint64]int{}
	for _, d := range list {
		one, err := a.Read(m.t.Context(), d.SKU)
		if err != nil || one == nil || one.Position != d.Position {
			m.t.Fatalf("%q: %v, %v", d.SKU, one, err)
		}
		documents[d.Position]++
	}
	return p.Position, documents
}

func (m *models) want(a *redis.Availability, progress, position uint64) {
	m.t.Helper()
	if p, found := m.finds(a); p != progress || found[position] != 40 || len(found) != 1 {
		m.t.Fatalf("progress %d, documents by position %v; want %d, and 40 of %d", p, found, progress, position)
	}
}

// A process dies after each step of an exchange. Whoever enters then, one or several at once, finds the old documents or the new ones, and nothing of both; so do those
// who were there.
func TestAProcessThatDiesInAnExchangeLeavesEither(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	url := "redis+cluster://" + servers[0].Addr()
	for step := range open(t, url).Partitions() + 1 {
		m := newModels(t, url)
		witness := open(t, m.url).Availability()
		m.want(witness, 9000, 9000)
		if err := m.beside.ExchangeSome(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		m.db.Close()
		if step == 0 {
			m.want(open(t, m.url).Availability(), 9000, 9000)
			m.want(witness, 9000, 9000)
			continue
		}
		_, err := witness.Scan(t.Context(), "", 100)
		if !errors.Is(err, redis.ErrExchanged) || !errors.Is(err, redis.ErrLost) || !errors.Is(err, projections.ErrReload) {
			t.Fatalf("after %d steps: who reads what was exchanged is told %v", step, err)
		}
		if err := witness.Write(t.Context(), nil, at(9001)); !errors.Is(err, redis.ErrLost) {
			t.Fatalf("after %d steps: who writes is told %v", step, err)
		}
		var entering sync.WaitGroup
		for range 3 {
			db := open(t, m.url)
			entering.Go(func() {
				if p, err := db.Availability().Progress(t.Context()); err != nil || p.Position != 700 {
					t.Errorf("after %d steps: entered at %+v, %v", step, p, err)
				}
			})
		}
		entering.Wait()
		m.want(witness, 700, 700)
		m.write(witness, 20, 60, 701)
		m.want(open(t, m.url).Availability(), 701, 701)
		if err := witness.SettleNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.want(witness, 701, 701)
	}
}

// A master that lost what was built on it is not taken for whole: everything is folded again from its beginning.
func TestWhatAPartitionLostOfAnExchangeIsBuiltAgain(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0)
	m := newModels(t, "redis+cluster://"+servers[0].Addr())
	if err := m.beside.ForgetBuilt(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if err := m.beside.Exchange(t.Context()); !errors.Is(err, redis.ErrExchangeLost) || !errors.Is(err, availability.ErrNotExchanged) {
		t.Fatalf("got %v", err)
	}
	m.want(m.db.Availability(), 9000, 9000)
	second := m.build(m.db)
	if err := errors.Join(second.ExchangeSome(t.Context(), 5), second.ForgetBuilt(t.Context(), 7)); err != nil { // after the first partitions had gone over
		t.Fatal(err)
	}
	if p, _ := m.finds(open(t, m.url).Availability()); p != 0 {
		t.Errorf("goes on from %d", p)
	}
}

// Of two replicas that build at once one exchanges, and the other's is of no use any more.
func TestOneOfTwoExchanges(t *testing.T) {
	server := redistest.Start(t)
	m := newModels(t, "redis://"+server.Addr())
	other := open(t, m.url)
	late := m.build(other)
	if err := m.beside.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := late.Exchange(t.Context()); !errors.Is(err, redis.ErrExchangedElsewhere) || !errors.Is(err, availability.ErrNotExchanged) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(late.Close(), m.beside.Close()); err != nil {
		t.Fatal(err)
	}
	m.want(m.db.Availability(), 700, 700)
	m.want(other.Availability(), 700, 700)
	if err := m.db.Availability().SettleNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys := server.Do("--scan", "--pattern", "*document*"); strings.Count(keys, "document:1:") != 40 || strings.Count(keys, "document") != 40 {
		t.Errorf("there are %s", keys)
	}
}

// Nobody knows whether an exchange was done whose answer did not come. What took the place stays; what did not cannot any more.
func TestAnExchangeOfUnknownOutcome(t *testing.T) {
	server := redistest.Start(t)
	m := newModels(t, "redis://"+server.Addr())
	if err := m.beside.ExchangeSome(t.Context(), 1); err != nil { // and nobody hears of it
		t.Fatal(err)
	}
	if err := m.beside.Close(); err != nil {
		t.Fatal(err)
	}
	m.want(open(t, m.url).Availability(), 700, 700)

	m = newModels(t, "redis://"+server.Addr())
	if err := m.beside.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.beside.ExchangeSome(t.Context(), 1); !errors.Is(err, redis.ErrExchangeLost) { // it comes late
		t.Errorf("got %v", err)
	}
	m.want(m.db.Availability(), 9000, 9000)
	if err := m.build(m.db).Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.want(m.db.Availability(), 700, 700)
	server.Kill()
	if err := m.beside.Close(); err == nil {
		t.Error("what is not known to be unused was removed")
	}
}

// What was evicted, or is of another history, takes what is being built with it: nobody takes that for whole.
func TestWhatIsBuiltIsLostWithTheRest(t *testing.T) {
	server := redistest.Start(t)
	m := newModels(t, "redis://"+server.Addr())
	if err := m.db.Availability().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.beside.Exchange(t.Context()); !errors.Is(err, redis.ErrExchangeLost) {
		t.Errorf("got %v", err)
	}
	m.write(m.db.Availability(), 0, 40, 3)
	m.want(m.db.Availability(), 3, 3)
}

// A write to the old documents that was on its way when they were exchanged changes nothing that other programs read.
func TestAWriteOfAnEarlierGenerationIsNotShown(t *testing.T) {
	server := redistest.Start(t)
	m := newModels(t, "redis://"+server.Addr())
	_, prefix, _ := strings.Cut(m.url, "?prefix=")
	hash := prefix + ":sku:{sku 30}"
	late := m.db.LateWrite(m.list(30, 31, 9999))
	if err := m.beside.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.db.Availability().SettleNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := late(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := server.Do("HGET", hash, "position"); got != "700" {
		t.Errorf("other programs read position %q", got)
	}
	m.want(m.db.Availability(), 700, 700)
	second := m.build(m.db)
	late = m.db.LateWrite(m.list(30, 31, 9999))
	if err := errors.Join(second.Exchange(t.Context()), m.db.Availability().SettleNow(t.Context()), late(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := server.Do("HGET", hash, "position"); got != "700" {
		t.Errorf("other programs read position %q", got)
	}
	m.want(m.db.Availability(), 700, 700)
}
