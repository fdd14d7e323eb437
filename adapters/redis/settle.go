package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections/availability"
)

const (
	// settleOwn is how long a process that has exchanged lets others finish the writes that were on their way.
	settleOwn = time.Second
	// settleAfter is how long a process that finds an exchange leaves it to others to settle what remains of it.
	settleAfter = 20 * time.Second
	// settleAgain is how long it waits after it could not.
	settleAgain = 5 * time.Second
)

// settle has other programs see the documents of the current generation, and removes what is left of earlier ones. Every replica may do it, and whoever began may be
// gone: it is done as long as the progress says that it is to be.
func (a *Availability) settle(ctx context.Context) {
	for first := true; ; first = false {
		s, err := a.guard.standing(ctx)
		wait := settleAgain
		switch {
		case err == nil && s.generation == 0:
			return
		case first && err == nil && a.guard.placed(s.generation):
			wait = settleOwn
		case first:
			wait = settleAfter
		}
		if !sleep(ctx, wait) {
			return
		}
		if err != nil {
			continue
		}
		switch left, err := a.unsettled(ctx, s.generation); {
		case ctx.Err() != nil || err == nil && !left:
			return
		case err != nil:
			continue
		}
		if err := a.settleGeneration(ctx, s.generation); err == nil {
			a.db.opts.Log.Info("what was left of exchanged documents in Redis is removed", "generation", s.generation, "redis", a.db.where)
			return
		} else if ctx.Err() == nil {
			a.db.opts.Log.Warn("what is left of exchanged documents in Redis is not removed yet", "generation", s.generation, "error", err)
		}
	}
}

// unsettled tells whether there is anything to do for a generation.
func (a *Availability) unsettled(ctx context.Context, generation uint64) (left bool, err error) {
	found := make([]*goredis.SliceCmd, len(a.guard.keys))
	calls := make([]call, len(found))
	for i, key := range a.guard.keys {
		calls[i] = func(pipe goredis.Pipeliner) { found[i] = pipe.HMGet(ctx, key, "generation", "unsettled") }
	}
	if err := a.db.run(ctx, calls); err != nil {
		return false, err
	}
	for _, f := range found {
		if v := f.Val(); v[0] != decimal(generation) {
			return false, nil // it was exchanged again: whoever enters that one cares for it
		} else if v[1] != nil {
			left = true
		}
	}
	return left, nil
}

// settleGeneration goes through all keys, some at a time, twice: what has to be there comes first.
func (a *Availability) settleGeneration(ctx context.Context, generation uint64) error {
	d := a.db
	err := d.eachKey(ctx, d.key(d.generationSpace(spaceDocument, generation), "{"), func(ctx context.Context, keys []string) error {
		return a.show(ctx, generation, keys)
	})
	if err != nil {
		return err
	}
	for _, space := range []string{spaceSKU, spaceDocument, spaceSKUs, "progress"} {
		err := d.eachKey(ctx, d.key(space, ""), func(ctx context.Context, keys []string) error {
			if space == spaceSKU {
				return a.dropStrays(ctx, generation, keys)
			}
			return d.remove(ctx, slices.DeleteFunc(keys, func(key string) bool { return !d.outdated(space, key, generation) }))
		})
		if err != nil {
			return err
		}
	}
	evals := make([]*eval, len(a.guard.keys))
	for i, key := range a.guard.keys {
		evals[i] = &eval{script: settled, keys: []string{key}, args: []any{decimal(generation)}}
	}
	return d.runScripts(ctx, evals)
}

// outdated tells whether a key is of an earlier generation, or of one that was to be built before and is not any more.
func (d *DB) outdated(space, key string, generation uint64) bool {
	n, _, ok := d.generationOf(space, key)
	if rest, is := strings.CutPrefix(key, d.key("progress", buildPrefix)); is {
		number, _, _ := strings.Cut(rest, ":")
		var err error
		n, err = strconv.ParseUint(number, 10, 64)
		ok = err == nil
	}
	return ok && n < generation
}

// show writes the hashes of SKUs, which other programs read, that are of an earlier generation.
func (a *Availability) show(ctx context.Context, generation uint64, documents []string) error {
	hashes := make([]*goredis.StringCmd, len(documents))
	calls := make([]call, len(documents))
	for i, key := range documents {
		_, tag, _ := a.db.generationOf(spaceDocument, key)
		calls[i] = func(pipe goredis.Pipeliner) { hashes[i] = pipe.HGet(ctx, a.db.key(spaceSKU, tag), "generation") }
	}
	if err := a.db.run(ctx, calls); err != nil {
		return err
	}
	var found []*goredis.StringCmd
	calls = calls[:0]
	for i, key := range documents {
		if hashes[i].Val() != decimal(generation) {
			n := len(found)
			found = append(found, nil)
			calls = append(calls, func(pipe goredis.Pipeliner) { found[n] = pipe.Get(ctx, key) })
		}
	}
	if err := a.db.run(ctx, calls); err != nil {
		return err
	}
	var encoder availability.Encoder
	var evals []*eval
	for _, f := range found {
		d, err := decodeDocument(f, generation)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		e, err := a.writing(&encoder, d, generation)
		if err != nil {
			return err
		}
		evals = append(evals, e)
	}
	return a.db.runScripts(ctx, evals)
}

// dropStrays removes the hashes of SKUs that a generation does not have.
func (a *Availability) dropStrays(ctx context.Context, generation uint64, hashes []string) error {
	var evals []*eval
	for _, key := range hashes {
		if n, tag, ok := a.db.generationOf(spaceSKU, key); ok && n == 0 {
			evals = append(evals, &eval{script: dropStray, keys: []string{key, a.db.generationKey(spaceDocument, generation, tag)}, args: []any{decimal(generation)}})
		}
	}
	return a.db.runScripts(ctx, evals)
}

// sleep waits; it returns false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
