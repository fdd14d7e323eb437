package redis

import (
	"context"

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
