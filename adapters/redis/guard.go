package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections"
)

// maxMarks is how many processes have a mark in a partition; the oldest are forgotten. Who finds its mark missing begins
// again, so forgetting too many is harmless.
const maxMarks = 64

// guard keeps the progress of a projection, and finds out when Redis has lost what was written.
//
// In every partition this process has a mark, a number that it raises with each write, after the documents. Redis
// changes in order, and a server that loses something loses the end: so as long as the marks are what they were raised to,
// everything that this process wrote, or relied on when it raised them, is there. Nobody else raises them, so others
// who repair a loss cannot hide it.
type guard struct {
	db   *DB
	name string   // of the projection
	tags []string // of its partitions
	keys []string // of the progress in each

	turn chan struct{} // holds one while a write is under way

	mu      sync.Mutex
	process string // names the mark; "" before entering
	mark    uint64 // every partition has it at least
	tried   uint64 // the highest that was tried
	lost    error  // why nothing may be read or written
}

// guardOf returns the guard of a projection, the same one each time.
func (d *DB) guardOf(name string, tags []string) *guard {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guards[name]
	if g == nil {
		g = &guard{db: d, name: name, tags: tags, turn: make(chan struct{}, 1)}
		for _, tag := range tags {
			g.keys = append(g.keys, d.key("progress", name, tagged(tag)))
		}
		d.guards[name] = g
	}
	return g
}

// standing is what a guard knew at one moment.
type standing struct {
	process string
	mark    uint64
}

func (g *guard) now() (standing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return standing{g.process, g.mark}, g.lost
}

// next is a mark higher than all before.
func (g *guard) next() (s standing, mark uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tried++
	return standing{g.process, g.mark}, g.tried
}

// raised notes that every partition has a mark.
func (g *guard) raised(process string, mark uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == process {
		g.mark = max(g.mark, mark)
	}
}

// lose notes a loss that somebody found who knew s, and returns it.
func (g *guard) lose(s standing, what string) error {
	err := fmt.Errorf("%w (projection %s: %s)", ErrLost, g.name, what)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process != s.process {
		return err // it was found before, and mended
	}
	if g.lost == nil {
		g.db.opts.Log.Error("Redis lost what was written to it; the read model is not used until it is repaired",
			"projection", g.name, "redis", g.db.where, "found", what)
	}
	g.lost = err
	return err
}

// progress raises the marks and returns the lowest progress of all partitions. After a loss it takes new marks.
func (g *guard) progress(ctx context.Context) (p projections.Progress, err error) {
	if err := g.begin(ctx); err != nil {
		return p, err
	}
	s, mark := g.next()
	least := "-1"
	if s.mark > 0 {
		least = strconv.FormatUint(s.mark, 10)
	}
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: enter, keys: []string{key}, args: []any{g.db.origin, s.process, least, mark, maxMarks}}
	}
	if err := g.db.runScripts(ctx, evals); err != nil {
		return p, err
	}
	for i, e := range evals {
		one, err := g.entered(s, e.answer)
		if err != nil {
			return projections.Progress{}, err
		}
		if i == 0 || before(one, p) {
			p = one
		}
	}
	g.raised(s.process, mark)
	return p, nil
}

// begin names a new mark before the first use, and after a loss. The servers are looked at first.
func (g *guard) begin(ctx context.Context) error {
	if s, lost := g.now(); s.process != "" && lost == nil {
		return nil
	}
	if err := g.db.inspect(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == "" || g.lost != nil {
		g.process = fmt.Sprintf("%012x-%s", time.Now().UnixMilli(), rand.Text()[:8]) // in order of age
		g.mark, g.tried, g.lost = 0, 0, nil
	}
	return nil
}

// entered reads what the script enter answered.
func (g *guard) entered(s standing, answer *goredis.Cmd) (p projections.Progress, err error) {
	parts, err := answer.StringSlice()
	if err != nil || len(parts) != 2 {
		return p, fmt.Errorf("enter: unexpected answer of Redis at %s: %v", g.db.where, answer)
	}
	switch parts[0] {
	case "origin":
		return p, fmt.Errorf("%w: under %q they are of %q, this is %q", ErrForeign, g.db.prefix, parts[1], g.db.origin)
	case "lost":
		return p, g.lose(s, "mark "+parts[1]+" instead of "+strconv.FormatUint(s.mark, 10))
	}
	if parts[1] == "" {
		return p, nil
	}
	return p, p.UnmarshalBinary([]byte(parts[1]))
}

func before(a, b projections.Progress) bool {
	return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Own, b.Own)) < 0
}

// write has documents written, and the progress after them, one write at a time. It looks for losses before, since what the
// documents were made of was read from Redis, and with the progress.
func (g *guard) write(ctx context.Context, p projections.Progress, documents func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	if err := g.check(ctx); err != nil {
		return err
	}
	if err := documents(ctx); err != nil {
		return err
	}
	return g.advance(ctx, p)
}

// advance writes the progress to every partition.
func (g *guard) advance(ctx context.Context, p projections.Progress) error {
	stored, err := p.AppendBinary(nil)
	if err != nil {
		return err
	}
	s, mark := g.next()
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: advance, keys: []string{key}, args: []any{s.process, s.mark, mark, decimal(p.Position), decimal(p.Own), stored}}
	}
	if err := g.db.runScripts(ctx, evals); err != nil {
		return err
	}
	for i, e := range evals {
		if n, err := e.answer.Int(); err != nil || n != 1 {
			return g.lose(s, "while writing, in partition "+g.tags[i])
		}
	}
	g.raised(s.process, mark)
	return nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// enterOnce enters unless that was done.
func (g *guard) enterOnce(ctx context.Context) (standing, error) {
	s, lost := g.now()
	if lost != nil || s.mark > 0 {
		return s, lost
	}
	if _, err := g.progress(ctx); err != nil {
		return s, err
	}
	return g.now()
}

// check looks whether every mark is what it was raised to.
func (g *guard) check(ctx context.Context) error {
	s, err := g.enterOnce(ctx)
	if err != nil {
		return err
	}
	return g.checkAt(ctx, s, g.keys)
}

// checkAt looks at the marks of some partitions.
func (g *guard) checkAt(ctx context.Context, s standing, keys []string) error {
	marks := make([]*goredis.StringCmd, len(keys))
	calls := make([]call, len(keys))
	for i, key := range keys {
		calls[i] = func(pipe goredis.Pipeliner) { marks[i] = pipe.HGet(ctx, key, "w:"+s.process) }
	}
	if err := g.db.run(ctx, calls); err != nil {
		return err
	}
	for _, m := range marks {
		if err := g.verify(s, m); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) verify(s standing, mark *goredis.StringCmd) error {
	n, err := mark.Uint64()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return err
	}
	if err != nil || n < s.mark {
		return g.lose(s, fmt.Sprintf("mark %d instead of %d", n, s.mark))
	}
	return nil
}

// read runs commands, and makes sure that Redis had lost nothing of this projection when it answered them. names are
// the keys that are read: the marks of the servers that hold them are looked at after them, in the same pipeline. Without
// names all are.
func (g *guard) read(ctx context.Context, calls []call, names ...string) error {
	return g.db.reading(ctx, func(ctx context.Context) error {
		s, err := g.enterOnce(ctx)
		if err != nil {
			return err
		}
		if len(names) != 1 || len(g.keys) > 1 && g.db.cluster == nil {
			if err := g.db.run(ctx, calls); err != nil {
				return err
			}
			return g.checkAt(ctx, s, g.keys)
		}
		key, err := g.beside(ctx, names[0])
		if err != nil {
			return g.db.explain(ctx, err)
		}
		var mark *goredis.StringCmd
		calls = append(calls, func(pipe goredis.Pipeliner) { mark = pipe.HGet(ctx, key, "w:"+s.process) })
		if err := g.db.run(ctx, calls); err != nil {
			return err
		}
		return g.verify(s, mark)
	})
}

// beside returns the progress that lies on the same server as a key.
func (g *guard) beside(ctx context.Context, name string) (string, error) {
	if g.db.cluster == nil || len(g.keys) == 1 {
		return g.keys[0], nil
	}
	owner, err := g.db.cluster.MasterForKey(ctx, name)
	if err != nil {
		return "", err
	}
	// A key's own run of slots is most likely on the same server.
	first := int(crc16(hashTag(name))) % slots / (slots / len(g.keys))
	for i := range g.keys {
		key := g.keys[(first+i)%len(g.keys)]
		other, err := g.db.cluster.MasterForKey(ctx, key)
		if err != nil {
			return "", err
		}
		if other.Options().Addr == owner.Options().Addr {
			return key, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrUnguarded, owner.Options().Addr)
}

// hashTag is the part of one of our keys that places it.
func hashTag(key string) string {
	for i := range len(key) {
		if key[i] == '{' {
			for j := i + 1; j < len(key); j++ {
				if key[j] == '}' {
					return key[i+1 : j]
				}
			}
		}
	}
	return key
}

// reset removes the progress, then the documents, then the progress again: another process that enters in between may
// have written documents that are gone, and begins once more.
func (g *guard) reset(ctx context.Context, spaces ...string) error {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	if err := g.forget(ctx); err != nil {
		return err
	}
	for _, space := range spaces {
		if err := g.db.removeAll(ctx, g.db.key(space, "")); err != nil {
			return err
		}
	}
	if err := g.forget(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	g.process, g.lost = "", nil
	g.mu.Unlock()
	_, err := g.progress(ctx)
	return err
}

// forget removes the progress and all marks: everybody begins from scratch.
func (g *guard) forget(ctx context.Context) error {
	calls := make([]call, len(g.keys))
	for i, key := range g.keys {
		calls[i] = func(pipe goredis.Pipeliner) { pipe.Unlink(ctx, key) }
	}
	return g.db.run(ctx, calls)
}

// removeAll removes every key with a prefix.
func (d *DB) removeAll(ctx context.Context, prefix string) error {
	err := d.eachServer(ctx, func(ctx context.Context, c *goredis.Client) error {
		var cursor uint64
		for {
			keys, next, err := c.Scan(ctx, cursor, prefix+"*", 1000).Result()
			if err != nil {
				return err
			}
			pipe := c.Pipeline()
			for _, key := range keys {
				pipe.Unlink(ctx, key)
			}
			if _, err := pipe.Exec(ctx); err != nil && len(keys) > 0 {
				return err
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	return d.explain(ctx, err)
}

// maxSilence is how many looks in a row may fail before a watch gives up.
const maxSilence = 4

// watch looks for losses until ctx ends, and returns nil then. It returns what it found, or why it could not look.
func (g *guard) watch(ctx context.Context) error {
	tick := time.NewTicker(g.db.opts.WatchEvery)
	defer tick.Stop()
	for silent, n := 0, 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		limited, done := context.WithTimeout(ctx, readTimeout)
		err := g.check(limited)
		if err == nil {
			err = g.db.inspect(limited)
		}
		done()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			silent = 0
		case !unanswered(err) || errors.Is(err, ErrLost) || errors.Is(err, ErrEvicts):
			return err
		default:
			if silent++; silent >= maxSilence {
				return err
			}
		}
	}
}
