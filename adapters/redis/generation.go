package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Documents of availability are of a generation, a number, 0 at first. It stands in every partition's progress, and in the names of documents and of their index, except
// for 0. An exchange builds the next generation beside the one that serves, with a progress of its own, and then replaces one progress by the other, partition after
// partition, in one step each: that of the first partition decides. With it all marks go, so that every process finds out, and enters anew.
//
// On one server there is one partition, and that is all. On a cluster there is no step for several slots. A process that enters when partitions are of several
// generations was told of the new one by the first: it goes on with the exchange where that was cut off, and only then enters. So nobody ever reads or
// writes two generations at once.

// buildPrefix begins the name of the progress of a generation that is being built.
const buildPrefix = "availability@"

// errAnotherGeneration says that documents were exchanged while a process entered.
var errAnotherGeneration = errors.New("the documents were exchanged meanwhile")

// buildName names the progress of a generation that is being built.
func buildName(generation uint64) string { return buildPrefix + decimal(generation) }

// generationSpace is where keys of a generation are.
func (d *DB) generationSpace(space string, generation uint64) string {
	if generation == 0 {
		return space
	}
	return space + ":" + decimal(generation)
}

// generationKey is a key of a generation.
func (d *DB) generationKey(space string, generation uint64, tag string) string {
	return d.key(d.generationSpace(space, generation), tag)
}

// generationOf is the reverse of generationKey: the generation of a key, and its tag.
func (d *DB) generationOf(space, key string) (generation uint64, tag string, ok bool) {
	rest, ok := strings.CutPrefix(key, d.key(space, ""))
	if !ok {
		return 0, "", false
	}
	if strings.HasPrefix(rest, "{") {
		return 0, rest, true
	}
	number, tag, ok := strings.Cut(rest, ":")
	generation, err := strconv.ParseUint(number, 10, 64)
	return generation, tag, ok && err == nil
}

// generations returns the generation of each partition, and whether it has a progress at all.
func (g *guard) partitions(ctx context.Context) (generations []uint64, exists []bool, err error) {
	found := make([]*goredis.SliceCmd, len(g.keys))
	calls := make([]call, len(g.keys))
	for i, key := range g.keys {
		calls[i] = func(pipe goredis.Pipeliner) { found[i] = pipe.HMGet(ctx, key, "generation", "origin") }
	}
	if err := g.db.run(ctx, calls); err != nil {
		return nil, nil, err
	}
	generations, exists = make([]uint64, len(found)), make([]bool, len(found))
	for i, f := range found {
		values := f.Val()
		if text, ok := values[0].(string); ok {
			if generations[i], err = strconv.ParseUint(text, 10, 64); err != nil {
				return nil, nil, err
			}
		}
		exists[i] = values[1] != nil
	}
	return generations, exists, nil
}

// current is the generation to enter: the highest of all partitions. An exchange that was cut off is carried on.
func (g *guard) current(ctx context.Context) (generation uint64, err error) {
	if !g.generations {
		return 0, nil
	}
	generations, exists, err := g.partitions(ctx)
	if err != nil {
		return 0, err
	}
	for _, n := range generations {
		generation = max(generation, n)
	}
	if generation == 0 && !slices.Contains(exists, true) {
		return g.db.leftBehind(ctx)
	}
	for i, n := range generations {
		if n < generation && exists[i] {
			if _, err := g.switchTo(ctx, i, n, generation, standing{}); err != nil {
				return 0, err
			}
		}
	}
	return generation, nil
}

// leftBehind is the highest generation of any document: somebody may have removed all progress, and nothing else. What is there is folded on.
func (d *DB) leftBehind(ctx context.Context) (generation uint64, err error) {
	err = d.eachKey(ctx, d.key(spaceDocument, ""), func(_ context.Context, keys []string) error {
		for _, key := range keys {
			if n, _, ok := d.generationOf(spaceDocument, key); ok {
				generation = max(generation, n)
			}
		}
		return nil
	})
	return generation, err
}

// Answers of the script exchange.
const (
	switchElsewhere = iota
	switchLost
	switchDone
)

// switchTo has a generation take the place of another one in a partition. builder is empty for who did not build it.
func (g *guard) switchTo(ctx context.Context, partition int, from, to uint64, builder standing) (int, error) {
	e := &eval{script: exchange, keys: []string{g.keys[partition], g.db.key("progress", buildName(to), tagged(g.tags[partition]))},
		args: []any{decimal(from), decimal(to), g.db.originOf(from), g.db.originOf(to), builder.process, builder.mark}}
	if err := g.db.runScripts(ctx, []*eval{e}); err != nil {
		return 0, err
	}
	return e.answer.Int()
}

// superseded tells whether the documents that somebody knew who knew s were exchanged. It finds that out though the caller may be gone: an exchange would be
// taken for a loss otherwise.
func (g *guard) superseded(ctx context.Context, s standing) bool {
	if !g.generations || s.process == "" {
		return false
	}
	limited, done := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer done()
	generations, _, err := g.partitions(limited)
	for _, n := range generations {
		if n > s.generation {
			return err == nil
		}
	}
	return false
}
