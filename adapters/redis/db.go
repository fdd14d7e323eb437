package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections"
)

var (
	// ErrLost says that Redis does not hold what this process wrote: it was emptied, restarted without its data, rolled
	// back, or failed over without the last writes. Loading the progress begins the repair.
	ErrLost = errors.New("redis lost what was written to it: the read model is built again from what is left")
	// ErrEvicts says that Redis may throw away documents when it is full.
	ErrEvicts = errors.New("redis evicts keys when it is full, and with them documents; set maxmemory-policy to noeviction")
	// ErrForeign says that the keys were made from another event store, or in another format.
	ErrForeign = errors.New("the keys in Redis are of another event store or format; choose another prefix (?prefix=NAME), or remove them")
	// ErrUnguarded says that losses of a master of the cluster could go unnoticed.
	ErrUnguarded = errors.New("a master of the cluster holds too few slots in a row to be watched over; share the slots out evenly, among at most " +
		"16 masters")
	// ErrOld says that the server is too old.
	ErrOld = errors.New("redis must be of version 7.0 or later")
	// ErrUnreachable says that Redis did not answer a moment ago, and is not asked for another moment.
	ErrUnreachable = errors.New("redis does not answer")
)

// ErrExchanged says that other documents have taken the place of those that this process read and wrote. Loading the progress leads to them. It is an ErrLost, of
// nothing that would have to be built again, and a projections.ErrReload.
var ErrExchanged error = exchanged{}

type exchanged struct{}

func (exchanged) Error() string {
	return "a replica exchanged the documents in Redis: the new ones are to be loaded"
}

func (exchanged) Unwrap() []error { return []error{ErrLost, projections.ErrReload} }

// formatVersion is that of the layout, formatOfGenerations that of generations after the first. Another one is not read.
const (
	formatVersion       = "1"
	formatOfGenerations = "2"
)

// pause is for how long Redis is not asked for documents after it did not answer: readers go elsewhere at once.
const pause = 250 * time.Millisecond

// readTimeout bounds a read of one document, with all its retries.
const readTimeout = time.Second

// A pipeline has at most maxPipeline commands, and is sent when it has pipelineBytes.
const (
	maxPipeline   = 512
	pipelineBytes = 1 << 20
)

// Options of a database. The zero value is usable.
type Options struct {
	// StoreID names the event store that the documents are built from. When it is empty that is not checked.
	StoreID string
	// WatchEvery is how often losses are looked for when nothing is written; DefaultWatchEvery when 0.
	WatchEvery time.Duration
	Log        *slog.Logger // slog.Default() when nil
}

// DefaultWatchEvery is how often losses are looked for when nothing is written.
const DefaultWatchEvery = 500 * time.Millisecond

// DB is a connection to Redis. Its read models are safe for use by several goroutines.
type DB struct {
	client  goredis.UniversalClient
	cluster *goredis.ClusterClient // nil for one server
	prefix  string
	tags    []string // of the partitions
	opts    Options
	where   string
	down    atomic.Int64 // not asked before, in nanoseconds since 1970

	mu     sync.Mutex
	guards map[string]*guard
}

// Open prepares connections; it calls nobody, so that Redis may be away. It returns an error for a URL that is wrong.
func Open(u URL, o Options) (*DB, error) {
	if o.WatchEvery == 0 {
		o.WatchEvery = DefaultWatchEvery
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	t, err := u.parse()
	if err != nil {
		return nil, err
	}
	quietLibrary()
	d := &DB{client: goredis.NewUniversalClient(t.options), prefix: t.prefix, opts: o, where: u.String(), guards: map[string]*guard{},
		tags: makeTags(1)}
	if t.cluster {
		d.cluster = d.client.(*goredis.ClusterClient)
		d.tags = makeTags(clusterPartitions)
	}
	return d, nil
}

// originOf tells format and event store of the documents of a generation. Versions that know nothing of generations refuse those after the first.
func (d *DB) originOf(generation uint64) string {
	if generation == 0 {
		return formatVersion + " " + d.opts.StoreID
	}
	return formatOfGenerations + " " + d.opts.StoreID
}

// Close ends every connection.
func (d *DB) Close() error { return d.client.Close() }

// Connections counts the connections open now.
func (d *DB) Connections() int { return int(d.client.PoolStats().TotalConns) }

// quietLibrary keeps the client library from writing to standard error by itself: its errors are returned as well.
var quietLibrary = sync.OnceFunc(func() { goredis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// key joins the parts of a key.
func (d *DB) key(parts ...string) string { return d.prefix + ":" + strings.Join(parts, ":") }

// partitioned is the key of a name's partition.
func (d *DB) partitioned(space, name string) string {
	return d.key(space, tagged(d.tags[partition(name, len(d.tags))]))
}

// eachServer calls f with every server that holds documents, one after the other for one server, at once for a cluster.
func (d *DB) eachServer(ctx context.Context, f func(context.Context, *goredis.Client) error) error {
	if d.cluster != nil {
		return d.cluster.ForEachMaster(ctx, f)
	}
	return f(ctx, d.client.(*goredis.Client))
}

// call is a command of a pipeline.
type call func(goredis.Pipeliner)

// run sends commands in pipelines. Commands on keys of one slot are run in order. It returns the first error; commands
// may have been run all the same.
func (d *DB) run(ctx context.Context, calls []call) error {
	for len(calls) > 0 {
		n := min(len(calls), maxPipeline)
		pipe := d.client.Pipeline()
		for _, c := range calls[:n] {
			c(pipe)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			return d.explain(ctx, err)
		}
		calls = calls[n:]
	}
	return nil
}

// eval is a script with what it is run with.
type eval struct {
	script *script
	keys   []string
	args   []any
	answer *goredis.Cmd
}

func (e *eval) bytes() (n int) {
	for _, a := range e.args {
		switch a := a.(type) {
		case string:
			n += len(a)
		case []byte:
			n += len(a)
		}
	}
	return n
}

// runScripts runs scripts in pipelines, and loads them to the servers that do not have them.
func (d *DB) runScripts(ctx context.Context, evals []*eval) error {
	for len(evals) > 0 {
		n, bytes := 0, 0
		for n < len(evals) && n < maxPipeline && bytes < pipelineBytes {
			bytes += evals[n].bytes()
			n++
		}
		if err := d.runBatch(ctx, evals[:n]); err != nil {
			return err
		}
		evals = evals[n:]
	}
	return nil
}

// maxLoads is how often scripts are loaded for one batch: servers may change meanwhile.
const maxLoads = 3

func (d *DB) runBatch(ctx context.Context, evals []*eval) error {
	for load := 0; ; load++ {
		err := d.tryBatch(ctx, evals)
		if !goredis.HasErrorPrefix(err, "NOSCRIPT") || load == maxLoads {
			return d.explain(ctx, err)
		}
		err = d.eachServer(ctx, func(ctx context.Context, c *goredis.Client) error {
			for _, s := range scripts {
				if err := c.ScriptLoad(ctx, s.body).Err(); err != nil {
					return fmt.Errorf("load script %q: %w", s.name, err)
				}
			}
			return nil
		})
		if err != nil {
			return d.explain(ctx, err)
		}
	}
}

func (d *DB) tryBatch(ctx context.Context, evals []*eval) error {
	pipe := d.client.Pipeline()
	for _, e := range evals {
		e.answer = pipe.EvalSha(ctx, e.script.sha, e.keys, e.args...)
	}
	_, err := pipe.Exec(ctx)
	for _, e := range evals { // a script missing anywhere is what to mend first
		if one := e.answer.Err(); goredis.HasErrorPrefix(one, "NOSCRIPT") {
			return one
		}
	}
	if errors.Is(err, goredis.Nil) {
		for _, e := range evals {
			if one := e.answer.Err(); one != nil && !errors.Is(one, goredis.Nil) {
				return one
			}
		}
		return nil
	}
	return err
}

// explain says what failed where. The library's errors name servers, never passwords.
func (d *DB) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if d.cluster != nil && unanswered(err) { // a server that is gone says nothing of who took over
		d.cluster.ReloadState(context.WithoutCancel(ctx))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("redis at %s: %w", d.where, context.Cause(ctx))
	}
	if goredis.HasErrorPrefix(err, "OOM") {
		return fmt.Errorf("redis at %s is out of memory and takes no writes; give it more, see maxmemory: %w", d.where, err)
	}
	return fmt.Errorf("redis at %s: %w%s", d.where, err, hint(err))
}

// hint says what is wrong with the URL of a server that answers so; "" when it may be right.
func hint(err error) string {
	switch text := err.Error(); {
	case goredis.HasErrorPrefix(err, "MOVED"):
		return "; this server is one of a cluster: begin the URL with redis+cluster, or rediss+cluster for TLS"
	case strings.Contains(text, "cluster support disabled"):
		return "; this server is not one of a cluster: begin the URL with redis, or rediss for TLS"
	case strings.Contains(text, "all sentinels") && strings.HasSuffix(text, goredis.Nil.Error()):
		return "; a sentinel answered, and knows no master of the name that follows the host in the URL"
	}
	return ""
}

// reading bounds a read, and fails at once shortly after Redis did not answer another one.
func (d *DB) reading(ctx context.Context, read func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if time.Now().UnixNano() < d.down.Load() {
		return fmt.Errorf("%w at %s", ErrUnreachable, d.where)
	}
	limited, done := context.WithTimeout(ctx, readTimeout)
	defer done()
	err := read(limited)
	if err != nil && ctx.Err() == nil && unanswered(err) {
		d.down.Store(time.Now().Add(pause).UnixNano())
	}
	return err
}

// unanswered tells whether an error is of the way to a server, and not the server's answer, nor ours.
func unanswered(err error) bool {
	var answer goredis.Error
	return !errors.As(err, &answer) && !errors.Is(err, ErrLost)
}
