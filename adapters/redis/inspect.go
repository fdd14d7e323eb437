package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// leastVersion is the first of Redis whose scripts say what they need.
const leastVersion = 7

// inspect looks whether the servers can be trusted with documents: of a version that is known, evicting nothing now nor
// since the models were last built, each watched over by a partition.
//
// What a server had evicted is kept beside the models. When it evicted more since, documents may be among it: the
// progress of every model is removed, and all is built again.
func (d *DB) inspect(ctx context.Context) error {
	var mu sync.Mutex
	var found []server
	err := d.eachServer(ctx, func(ctx context.Context, c *goredis.Client) error {
		text, err := c.Info(ctx, "server", "memory", "stats").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		found = append(found, readInfo(c.Options().Addr, text))
		return nil
	})
	if err != nil {
		return d.explain(ctx, err)
	}
	if err := d.evicted(ctx, found); err != nil {
		return err
	}
	for _, s := range found {
		if err := s.check(); err != nil {
			return err
		}
	}
	return d.covered(ctx, found)
}

// server is what a server tells of itself.
type server struct {
	addr, runID, version, policy string
	maxMemory, evicted           uint64
	used, data                   uint64 // bytes
}

func readInfo(addr, text string) server {
	s := server{addr: addr}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name {
		case "run_id":
			s.runID = value
		case "redis_version":
			s.version = value
		case "maxmemory_policy":
			s.policy = value
		case "maxmemory":
			s.maxMemory, _ = strconv.ParseUint(value, 10, 64)
		case "used_memory":
			s.used, _ = strconv.ParseUint(value, 10, 64)
		case "used_memory_dataset":
			s.data, _ = strconv.ParseUint(value, 10, 64)
		case "evicted_keys":
			s.evicted, _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return s
}

func (s server) check() error {
	major, _, _ := strings.Cut(s.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < leastVersion {
		return fmt.Errorf("%w; %s has %q", ErrOld, s.addr, s.version)
	}
	// Other policies throw away only keys with an end, and none of ours has one.
	if s.maxMemory > 0 && strings.HasPrefix(s.policy, "allkeys") {
		return fmt.Errorf("%w; on %s it is %s", ErrEvicts, s.addr, s.policy)
	}
	return nil
}

// evicted has everything built again when a server evicted keys since that was last done.
func (d *DB) evicted(ctx context.Context, found []server) error {
	key := d.key("evictions")
	for _, s := range found {
		if s.evicted == 0 {
			continue
		}
		known, err := d.client.HGet(ctx, key, s.runID).Uint64()
		if err != nil && !errors.Is(err, goredis.Nil) {
			return d.explain(ctx, err)
		}
		if s.evicted <= known {
			continue
		}
		d.opts.Log.Error("Redis evicted keys, perhaps documents; the read models are built again", "redis", s.addr, "keys", s.evicted-known)
		if err := d.forgetAll(ctx); err != nil {
			return err
		}
		if err := d.client.HSet(ctx, key, s.runID, s.evicted).Err(); err != nil {
			return d.explain(ctx, err)
		}
	}
	return nil
}

// forgetAll removes the progress of every model, those that this process does not use as well.
func (d *DB) forgetAll(ctx context.Context) error {
	return d.eachKey(ctx, d.key("progress", ""), d.forget)
}

// covered makes sure that every server that holds slots holds a partition too.
func (d *DB) covered(ctx context.Context, found []server) error {
	if d.cluster == nil {
		return nil
	}
	watched := map[string]bool{}
	for _, tag := range d.tags {
		owner, err := d.cluster.MasterForKey(ctx, tagged(tag))
		if err != nil {
			return d.explain(ctx, err)
		}
		watched[owner.Options().Addr] = true
	}
	for _, s := range found {
		if !watched[s.addr] {
			return fmt.Errorf("%w; %s", ErrUnguarded, s.addr)
		}
	}
	return nil
}
