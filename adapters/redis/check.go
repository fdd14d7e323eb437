package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

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
		if err := g.verify(ctx, s, m); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) verify(ctx context.Context, s standing, mark *goredis.StringCmd) error {
	n, err := mark.Uint64()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return err
	}
	if err != nil || n < s.mark {
		return g.lose(ctx, s, fmt.Sprintf("mark %d instead of %d", n, s.mark))
	}
	return nil
}

// standing is what reads that belong together begin with.
func (g *guard) standing(ctx context.Context) (s standing, err error) {
	err = g.db.reading(ctx, func(ctx context.Context) error {
		s, err = g.enterOnce(ctx)
		return err
	})
	return s, err
}

// read runs commands, and makes sure that Redis had lost nothing of this projection when it answered them. names are
// the keys that are read: the marks of the servers that hold them are looked at after them, in the same pipeline. Without
// names all are.
func (g *guard) read(ctx context.Context, calls []call, names ...string) error {
	s, err := g.standing(ctx)
	if err != nil {
		return err
	}
	return g.readAs(ctx, s, calls, names...)
}

// readAs is read of documents of the generation that s tells of.
func (g *guard) readAs(ctx context.Context, s standing, calls []call, names ...string) error {
	return g.db.reading(ctx, func(ctx context.Context) error {
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
		return g.verify(ctx, s, mark)
	})
}

// keep has a document that was read by who knew s found to be lost, should it be, before anything older is read: where others wrote it
// after what the marks cover, they are raised, and it must be there behind that. When that cannot be found out the document counts as not read.
func (g *guard) keep(ctx context.Context, s standing, read version, again func(context.Context, standing) (version, error)) error {
	if s.covered.includes(read) {
		return nil
	}
	limited, done := context.WithTimeout(ctx, readTimeout) // not as a reading: servers that do not hold the document may be away
	defer done()
	_, mark := g.next()
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: raise, keys: []string{key}, args: []any{s.process, s.mark, mark}}
	}
	if err := g.db.runScripts(limited, evals); err != nil {
		return err
	}
	for i, e := range evals {
		if n, err := e.answer.Int(); err != nil || n != 1 {
			return errors.Join(err, g.lose(ctx, s, "while reading, in partition "+g.tags[i]))
		}
	}
	g.raised(s.process, mark, version{})
	s.mark = mark
	is, err := again(limited, s)
	if err != nil {
		return err
	}
	if is.position < read.position || is.position == read.position && is.policies < read.policies {
		return g.lose(ctx, s, fmt.Sprintf("a document as of %d, %d instead of %d, %d", is.position, is.policies, read.position, read.policies))
	}
	return nil
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
