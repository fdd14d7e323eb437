package eventstoredb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
)

// TestMain finds what any test leaves behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a store that reaches its server through a proxy.
type scene struct {
	*testing.T
	ctx   context.Context
	node  *node
	proxy *proxy
	store *eventstoredb.Store
}

func newScene(t *testing.T) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // ends a test that hangs
	t.Cleanup(cancel)
	n := newNode(t, newData(t), esdbserver.Options{})
	p := newProxy(t, n.addr)
	return &scene{T: t, ctx: ctx, node: n, proxy: p, store: open(t, p.url(), options())}
}

// event is the n-th of a stream, the same every time.
func event(stream string, n int) aggregates.NewEvent {
	return aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: "StockSold", Data: fmt.Appendf(nil, "%s/%d", stream, n)}
}

func (s *scene) append(stream string, n int) commands.Appended {
	s.Helper()
	got, err := s.store.Append(s.ctx, stream, uint64(n), []aggregates.NewEvent{event(stream, n)})
	if err != nil {
		s.Fatalf("append %d to %q: %v", n, stream, err)
	}
	return got
}

func (s *scene) length(stream string) (n int) {
	s.Helper()
	if err := s.store.ReadStream(s.ctx, stream, 0, func(r aggregates.Record) bool {
		if want := event(stream, n); r.ID != want.ID || string(r.Data) != string(want.Data) || r.Revision != uint64(n) {
			s.Errorf("event %d of %q is %+v", n, stream, r)
		}
		n++
		return true
	}); err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *scene) subscribe(prefixes ...string) projections.Subscription {
	s.Helper()
	sub, err := s.store.Subscribe(s.ctx, 0, prefixes...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { sub.Close() })
	return sub
}

// receives takes events until there were so many altogether, each stream's in order and once.
func (s *scene) receives(sub projections.Subscription, seen map[string]int, total int) {
	s.Helper()
	for _, n := range seen {
		total -= n
	}
	for total > 0 {
		b, err := sub.Next(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Revision != uint64(seen[r.Stream]) {
				s.Fatalf("revision %d of %q came after %d events", r.Revision, r.Stream, seen[r.Stream])
			}
			seen[r.Stream]++
			total--
		}
	}
}

// attempted waits until the store has tried to connect so many times more.
func (s *scene) attempted(times int64) {
	s.Helper()
	for want := s.store.Connections() + times; s.store.Connections() < want; {
		if s.ctx.Err() != nil {
			s.Fatal("the store does not try to connect")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAServerThatWasAwayForAMoment(t *testing.T) {
	s := newScene(t)
	sub, seen := s.subscribe("sku-"), map[string]int{}
	s.append("sku-a", 0)
	s.receives(sub, seen, 1)
	for round := 1; round <= 4; round++ {
		s.node.kill()
		s.node.start()
		s.append("sku-a", round)
		s.receives(sub, seen, round+1)
		if n := s.length("sku-a"); n != round+1 {
			t.Fatalf("%d events, want %d", n, round+1)
		}
	}
	s.alone()
}

// alone waits until the store has one connection open, as when nothing was ever lost.
func (s *scene) alone() {
	s.Helper()
	for s.proxy.clients() != 1 {
		if s.ctx.Err() != nil {
			s.Fatalf("%d connections are open, want 1", s.proxy.clients())
		}
		time.Sleep(time.Millisecond)
	}
}

// For as long as it takes, callers return by their deadline, and all goes on by itself when the server is back.
func TestAServerThatIsAwayForLong(t *testing.T) {
	s := newScene(t)
	sub, seen := s.subscribe("sku-"), map[string]int{}
	s.append("sku-a", 0)
	s.receives(sub, seen, 1)
	s.node.kill()
	s.attempted(3)
	if err := s.store.Health(); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("health: %v", err)
	}
	for what, call := range s.calls() {
		ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, commands.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want unavailable by the deadline", what, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(s.ctx)
		ended := make(chan error, 1)
		go func() { ended <- call(ctx) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want canceled", what, err)
		}
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.store.Append(s.ctx, "sku-a", 1, []aggregates.NewEvent{event("sku-a", 1)})
		waiting <- err
	}()
	s.attempted(3)
	s.node.start()
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	s.receives(sub, seen, 2)
	s.alone()
	if err := s.store.Health(); err != nil {
		t.Error(err)
	}
}

// calls are one of every kind.
func (s *scene) calls() map[string]func(context.Context) error {
	none := func(aggregates.Record) bool { return true }
	return map[string]func(context.Context) error{
		"append": func(ctx context.Context) error {
			_, err := s.store.Append(ctx, "sku-x", 0, []aggregates.NewEvent{event("sku-x", 0)})
			return err
		},
		"read":           func(ctx context.Context) error { return s.store.ReadStream(ctx, "sku-a", 0, none) },
		"read backwards": func(ctx context.Context) error { return s.store.ReadStreamBackwards(ctx, "sku-a", 9, none) },
		"end":            func(ctx context.Context) error { _, err := s.store.End(ctx); return err },
		"checkpoint":     func(ctx context.Context) error { return s.store.SaveCheckpoint(ctx, "c", 1) },
		"snapshot": func(ctx context.Context) error {
			return s.store.SaveSnapshot(ctx, "sku-a", "v1", commands.Snapshot{Data: []byte("x")})
		},
		"snapshot load": func(ctx context.Context) error { _, _, err := s.store.LoadSnapshot(ctx, "sku-a", "v1"); return err },
		"letters":       func(ctx context.Context) error { _, err := s.store.DeadLetters().CountOpen(ctx); return err },
		"progress":      func(ctx context.Context) error { _, _, err := s.store.LoadOffset(ctx, "t", 1); return err },
	}
}

func TestAServerThatHangs(t *testing.T) {
	s := newScene(t)
	sub, seen := s.subscribe("sku-"), map[string]int{}
	s.append("sku-a", 0)
	s.receives(sub, seen, 1)
	s.proxy.hang()
	for what, call := range s.calls() {
		ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the deadline exceeded", what, err)
		}
		cancel()
	}
	s.attempted(1) // it has noticed
	s.proxy.resume()
	s.append("sku-a", 1)
	s.receives(sub, seen, 2)
	s.alone()
}

func TestAServerThatHangsAndIsReplaced(t *testing.T) {
	s := newScene(t)
	sub, seen := s.subscribe("sku-"), map[string]int{}
	s.append("sku-a", 0)
	s.receives(sub, seen, 1)
	other := newNode(t, s.node.data, esdbserver.Options{})
	s.proxy.hang()
	s.attempted(1)
	s.proxy.lead(other.addr)
	s.proxy.cut()
	s.proxy.resume()
	s.append("sku-a", 1)
	s.receives(sub, seen, 2)
	s.alone()
}

// Data of another store is not taken for our own.
func TestAServerOfAnotherStore(t *testing.T) {
	s := newScene(t)
	s.append("sku-a", 0)
	for _, prepare := range []func(other *node){
		func(*node) {}, // nothing is in it
		func(other *node) { open(t, other.url(), options()).Close() }, // another identity is
	} {
		other := newNode(t, newData(t), esdbserver.Options{})
		prepare(other)
		s.proxy.lead(other.addr)
		s.proxy.cut()
		s.attempted(2)
		ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
		_, err := s.store.Append(ctx, "sku-a", 1, []aggregates.NewEvent{event("sku-a", 1)})
		cancel()
		if !errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), "holds another store") {
			t.Errorf("got %v", err)
		}
		s.proxy.lead(s.node.addr)
	}
	s.append("sku-a", 1)
}

// An append whose answer is lost may be there or not; repeated, it counts once.
func TestAnAppendOfUnknownOutcome(t *testing.T) {
	s := newScene(t)
	s.append("sku-a", 0)
	s.proxy.hang()
	ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := s.store.Append(ctx, "sku-a", 1, []aggregates.NewEvent{event("sku-a", 1)}); !errors.Is(err, commands.ErrUnknownOutcome) {
		t.Errorf("got %v, want an unknown outcome", err)
	}
	s.proxy.resume()
	first := s.append("sku-a", 1)
	if again := s.append("sku-a", 1); again != first {
		t.Errorf("got %+v, the first time %+v", again, first)
	}
	if n := s.length("sku-a"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// Connections break and servers die under load: every append that was acknowledged is there, once, and subscriptions see
// each event once and in order.
func TestFaultsUnderLoad(t *testing.T) {
	s := newScene(t)
	const writers, each = 8, 60
	name := func(g int) string { return fmt.Sprintf("sku-%d", g) }
	sub, seen := s.subscribe("sku-"), map[string]int{}
	var all sync.WaitGroup
	for g := range writers {
		all.Go(func() {
			for n := 0; n < each; {
				_, err := s.store.Append(s.ctx, name(g), uint64(n), []aggregates.NewEvent{event(name(g), n)})
				if err != nil && !errors.Is(err, commands.ErrUnavailable) || s.ctx.Err() != nil {
					t.Errorf("append: %v", err)
					return
				}
				if err == nil {
					n++
				}
			}
		})
	}
	for round := range 9 {
		s.receives(sub, seen, (round+1)*writers*each/10)
		switch round % 3 {
		case 0:
			s.proxy.cut()
		case 1:
			s.node.kill()
			s.node.start()
		case 2:
			s.proxy.hang()
			s.attempted(1)
			s.proxy.resume()
		}
	}
	all.Wait()
	s.receives(sub, seen, writers*each)
	for g := range writers {
		if n := s.length(name(g)); n != each || seen[name(g)] != each {
			t.Errorf("%s: %d events, %d handed out, want %d", name(g), n, seen[name(g)], each)
		}
	}
	s.alone()
}

func TestAfterCloseEverythingIsUnavailable(t *testing.T) {
	s := newScene(t)
	sub := s.subscribe("sku-")
	next := make(chan error, 1)
	go func() {
		for {
			if _, err := sub.Next(s.ctx); err != nil {
				next <- err
				return
			}
		}
	}()
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-next; !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("next: %v", err)
	}
	for what, call := range s.calls() {
		if err := call(s.ctx); !errors.Is(err, commands.ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	if _, err := s.store.Subscribe(s.ctx, 0); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("subscribe: %v", err)
	}
	for s.proxy.clients() != 0 && s.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

func TestAServerThatIsNotThereWhenWeStart(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	n.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if s, err := eventstoredb.Open(ctx, n.url(), options()); !errors.Is(err, commands.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v", s, err)
	}
	opened, url := make(chan error, 1), n.url()
	go func() {
		s, err := eventstoredb.Open(context.WithoutCancel(t.Context()), url, options())
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	n.start()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// A store that is closed in order has lost nothing, and says so by saying nothing.
func TestClosingIsNoTrouble(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	var log bytes.Buffer
	o := options()
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if err := open(t, n.url(), o).Close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("it logged %s", &log)
	}
}
