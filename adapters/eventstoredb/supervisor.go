package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/services/commands"
)

// supervisor keeps a client that works, one after the other.
type supervisor struct {
	config  esdb.Configuration
	opts    Options
	check   func(context.Context, *esdb.Client) error // that a new client leads to the right store
	closing context.Context
	stop    context.CancelFunc
	owned   sync.WaitGroup
	clients atomic.Int64 // made so far

	mu      sync.Mutex
	current *generation   // nil while there is none
	trouble error         // why there is none
	changed chan struct{} // closed when current or trouble change
}

func newSupervisor(config esdb.Configuration, opts Options, check func(context.Context, *esdb.Client) error) *supervisor {
	s := &supervisor{config: config, opts: opts, check: check, changed: make(chan struct{})}
	s.closing, s.stop = context.WithCancel(context.Background())
	s.owned.Go(s.run)
	return s
}

// close ends all calls and waits for everything it started.
func (s *supervisor) close() {
	s.stop()
	s.owned.Wait()
}

func (s *supervisor) run() {
	for wait := minBackoff; s.closing.Err() == nil; {
		g, err := s.connect()
		if err != nil {
			s.show(nil, err)
			sleep(s.closing, wait)
			wait = min(2*wait, maxBackoff)
			continue
		}
		wait = minBackoff
		s.show(g, nil)
		s.watch(g)
		if s.closing.Err() == nil { // else it was let go
			s.show(nil, errLost)
		}
		s.owned.Go(func() { g.bury(2 * s.opts.Timeout) }) // the client's own bound of a call, and some
	}
	s.show(nil, errClosed)
}

// connect makes a client and has it find a server. Nobody else uses the client before it has found one: in a client that
// does not, callers wait for ever.
func (s *supervisor) connect() (*generation, error) {
	g := newGeneration(s.closing)
	config := s.config
	config.Logger = esdbLog(s.opts.Log, func(leader string) { s.follow(g, leader) })
	client, err := esdb.NewClient(&config)
	if err != nil {
		g.retire()
		g.cut()
		return nil, err
	}
	g.client = client
	s.clients.Add(1)
	ctx, cancel := context.WithTimeout(g.ctx, s.opts.ProbeTimeout)
	defer cancel()
	for {
		err = s.ask(ctx, g)
		if err == nil || ctx.Err() != nil || judge(err) != tryAgain {
			break
		}
		sleep(ctx, minBackoff) // on its way to the leader, or the server is starting
	}
	if err != nil {
		g.bury(0) // nobody uses it
		return nil, errors.Join(explain(err), g.abandoned())
	}
	return g, nil
}

// ask has the client asked for the store's identity, and returns by ctx's end.
func (s *supervisor) ask(ctx context.Context, g *generation) error {
	if !g.enter() {
		return errLost
	}
	done := make(chan error, 1)
	go func() {
		defer g.leave()
		done <- guarded(func() error { return s.check(ctx, g.client) })
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow is called by the client, where it keeps its connection, when it is about to connect to the leader that a node named.
// Were that one not to answer, the client would forget the new connection without closing it, each time a node names it. So
// it is asked first, over a connection of its own; when it does not answer, the client's keeper ends here, with no
// connection left open, and the next client begins with what the connection string names.
func (s *supervisor) follow(g *generation, leader string) {
	config := s.config
	config.Address, config.DnsDiscover, config.GossipSeeds = leader, false, nil
	config.Logger = esdbLog(s.opts.Log, nil)
	c, err := esdb.NewClient(&config)
	if err == nil {
		_, err = c.GetServerVersion()
		_ = c.Close() // says nil
	}
	if err != nil {
		g.abandon(fmt.Errorf("%w: the leader that a node named, %s, does not answer: %v", errLost, leader, err))
		runtime.Goexit()
	}
}

// show lets callers see the client that works, or why there is none.
func (s *supervisor) show(g *generation, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case g != nil && s.trouble != nil:
		s.opts.Log.Info("connected to EventStoreDB")
	case g == nil && trouble != errClosed && (s.trouble == nil || s.trouble.Error() != trouble.Error()):
		s.opts.Log.Warn("not connected to EventStoreDB, trying again", "error", trouble)
	}
	s.current, s.trouble = g, trouble
	close(s.changed)
	s.changed = make(chan struct{})
}

// watch returns once a client has lost its server.
func (s *supervisor) watch(g *generation) {
	tick := time.NewTicker(s.opts.ProbeEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.probe(g); err != nil && s.closing.Err() == nil {
			s.opts.Log.Warn("EventStoreDB does not answer, connecting anew", "error", err)
			g.retire()
			g.cut()
			return
		}
	}
}

// probe asks the server for something small. An answer of any kind is one.
func (s *supervisor) probe(g *generation) error {
	ctx, cancel := context.WithTimeout(g.calls, s.opts.ProbeTimeout)
	defer cancel()
	err := s.ask(ctx, g)
	if ctx.Err() != nil || errors.Is(err, errAnotherStore) || err != nil && judge(err) == reconnect {
		return err
	}
	return nil
}

// acquire waits for a client that works. The caller leaves it after use.
func (s *supervisor) acquire(ctx context.Context) (*generation, error) {
	for {
		s.mu.Lock()
		g, trouble, changed := s.current, s.trouble, s.changed
		s.mu.Unlock()
		if g != nil && g.enter() {
			return g, nil
		}
		if s.closing.Err() != nil {
			return nil, errClosed
		}
		select {
		case <-changed:
		case <-s.closing.Done():
			return nil, errClosed
		case <-ctx.Done():
			if trouble == nil {
				trouble = errLost
			}
			return nil, fmt.Errorf("%w: %w; the last attempt to connect: %v", commands.ErrUnavailable, ctx.Err(), trouble)
		}
	}
}

// health is nil while there is a client that works.
func (s *supervisor) health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return nil
	}
	return fmt.Errorf("%w: not connected to EventStoreDB: %v", commands.ErrUnavailable, s.trouble)
}

// generation is one client, with what is under way on it. A client whose connection broke is retired: subscriptions on it
// end, calls end by themselves. One whose server hangs is also cut off: calls end too. They do not otherwise, because the
// client reads what gRPC may still write when a call is ended from outside while it sends.
type generation struct {
	client *esdb.Client
	ctx    context.Context // ends when the client is retired
	end    context.CancelFunc
	calls  context.Context // ends when it is cut off
	cut    context.CancelFunc

	mu      sync.Mutex
	retired bool
	trouble error // why the client was abandoned
	users   int
	idle    chan struct{} // closed once it is retired and nobody uses it
}

// newGeneration has no client yet.
func newGeneration(parent context.Context) *generation {
	g := &generation{idle: make(chan struct{})}
	g.ctx, g.end = context.WithCancel(parent)
	g.calls, g.cut = context.WithCancel(parent)
	return g
}

func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired || g.ctx.Err() != nil {
		return false
	}
	g.users++
	return true
}

func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users--
	if g.retired && g.users == 0 {
		close(g.idle)
	}
}

// retire lets nothing more begin on the client.
func (g *generation) retire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.retired {
		g.retired = true
		g.end()
		if g.users == 0 {
			close(g.idle)
		}
	}
}

// abandon retires a client that answers nobody any more, and cuts it off: whoever asks it is freed when it is buried.
func (g *generation) abandon(trouble error) {
	g.mu.Lock()
	g.trouble = trouble
	g.mu.Unlock()
	g.retire()
	g.cut()
}

func (g *generation) abandoned() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trouble
}

// bury closes the client once nobody uses it: one that is closed in the middle of a call panics there. Calls end by
// themselves within patience, and at once when they are cut off. One that does not was forgotten by the client, which does
// that when it finds no server: nothing but closing it ends the wait.
func (g *generation) bury(patience time.Duration) {
	g.retire()
	ctx, done := context.WithTimeout(g.calls, patience)
	defer done()
	select {
	case <-g.idle:
	case <-ctx.Done():
		g.cut()
		rest, done := context.WithTimeout(context.Background(), forgottenAfter)
		defer done()
		select {
		case <-g.idle:
		case <-rest.Done():
		}
	}
	g.cut()
	_ = g.client.Close() // says nil
	<-g.idle
}

// lost is how a call leaves the client when the connection is gone. After the log line at which it does, the client
// would start to connect again and forget its old connection without closing it.
type lost struct{ err error }

// esdbLog hands the client's log lines on, and keeps it from connecting by itself. follow, unless it is nil, is called before it
// connects to a leader that a node named.
func esdbLog(log *slog.Logger, follow func(leader string)) esdb.LoggingFunc {
	return func(level esdb.LogLevel, format string, args ...any) {
		if follow != nil && strings.HasPrefix(format, "Connecting to leader node") && len(args) == 1 {
			follow(fmt.Sprint(args[0]))
		}
		if level == esdb.LogError && strings.HasPrefix(format, "unexpected exception") && len(args) == 1 {
			if err, ok := args[0].(error); ok && status.Code(err) == codes.Unavailable {
				panic(lost{err})
			}
		}
		if !log.Enabled(context.Background(), slog.LevelDebug) {
			return
		}
		log.Debug(fmt.Sprintf(format, args...), "from", "EventStoreDB's client", "level", level)
	}
}

// guarded calls the client. It turns what leaves the client as a panic into errors: lost, and the client's own panics when it
// is used after it was closed and when a server answers a read with what the client does not know.
func guarded(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case lost:
			err = fmt.Errorf("%w: %w", errLost, p.err)
			if judge(p.err) != reconnect {
				err = p.err
			}
		case runtime.Error:
			if !strings.Contains(p.Error(), "send on closed channel") {
				panic(p)
			}
			err = errLost
		default:
			if p != "unreachable code" {
				panic(p)
			}
			err = errUnknownAnswer
		}
	}()
	return f()
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
