package redis

import (
	"context"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

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
func (g *guard) forget(ctx context.Context) error { return g.db.forget(ctx, g.keys) }

// forget removes progress, and leaves which generation it is of.
func (d *DB) forget(ctx context.Context, keys []string) error {
	evals := make([]*eval, len(keys))
	for i, key := range keys {
		evals[i] = &eval{script: forget, keys: []string{key}}
	}
	return d.runScripts(ctx, evals)
}

// removeAll removes every key with a prefix.
func (d *DB) removeAll(ctx context.Context, prefix string) error {
	return d.eachKey(ctx, prefix, d.remove)
}

// remove removes keys.
func (d *DB) remove(ctx context.Context, keys []string) error {
	calls := make([]call, len(keys))
	for i, key := range keys {
		calls[i] = func(pipe goredis.Pipeliner) { pipe.Unlink(ctx, key) }
	}
	return d.run(ctx, calls)
}

// scanned is about how many keys are looked at in one go.
const scanned = 1000

// eachKey calls each, server after server, with the keys that have a prefix, some at a time. A key may come twice.
func (d *DB) eachKey(ctx context.Context, prefix string, each func(ctx context.Context, keys []string) error) error {
	var turn sync.Mutex
	var failed error // of each
	err := d.eachServer(ctx, func(ctx context.Context, c *goredis.Client) error {
		var cursor uint64
		for {
			keys, next, err := c.Scan(ctx, cursor, escapeGlob.Replace(prefix)+"*", scanned).Result()
			if err != nil {
				return err
			}
			turn.Lock()
			if failed == nil {
				failed = each(ctx, keys)
			}
			err = failed
			turn.Unlock()
			if err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	if failed != nil {
		return failed
	}
	return d.explain(ctx, err)
}

var escapeGlob = strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[")
