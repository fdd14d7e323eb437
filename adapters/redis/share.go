package redis

import (
	"context"
	"time"

	"github.com/stockfold/stockfold/projections"
)

// Replicas fold the same events into the same documents, and one of them is enough to write those down. A process whose last
// documents were written by another one waits a moment for that to happen again, before it writes them itself; one whose were not
// writes at once. So one of them writes, as a rule, and when it is gone another one does with its next write.
const (
	yieldFor   = 20 * time.Millisecond
	yieldEvery = 2 * time.Millisecond
)

// writeShared is write for documents that other processes write as well, none of which includes more policies than p.Own says, or
// policies says. Nothing is written when everything that p tells of, and policies, is stored already.
func (g *guard) writeShared(ctx context.Context, p projections.Progress, policies uint64, documents func(context.Context) error) error {
	return g.write(ctx, p, func(ctx context.Context) (bool, error) {
		covered, err := g.await(ctx, p.Position, max(p.Own, policies))
		if err != nil || covered {
			return covered, err
		}
		return false, documents(ctx)
	})
}

// await tells whether others have stored a progress, within the time that this process yields to them.
func (g *guard) await(ctx context.Context, position, own uint64) (covered bool, err error) {
	for began := time.Now(); ; {
		covered, err = g.rely(ctx, position, own)
		if err != nil || covered || !g.yields || time.Since(began) >= yieldFor {
			g.yields = covered
			return covered, err
		}
		select {
		case <-time.After(yieldEvery):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// rely raises the marks where a progress is stored already. When it is in every partition, what it tells of is as safe as if this
// process had written it: a server that loses it loses the mark as well, which came later.
func (g *guard) rely(ctx context.Context, position, own uint64) (covered bool, err error) {
	s, mark := g.next()
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: rely, keys: []string{key}, args: []any{s.process, s.mark, mark, decimal(position), decimal(own)}}
	}
	if err := g.db.runScripts(ctx, evals); err != nil {
		return false, err
	}
	covered = true
	for i, e := range evals {
		switch n, err := e.answer.Int(); {
		case err != nil:
			return false, err
		case n == 0:
			return false, g.lose(ctx, s, "before writing, in partition "+g.tags[i])
		case n == 1:
			covered = false
		}
	}
	if covered {
		g.raised(s.process, mark, version{position, own})
	}
	return covered, nil
}
