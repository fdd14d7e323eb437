package views

import (
	"context"
	"sync"
	"time"

	"github.com/stockfold/stockfold/projections"
)

// gathered is what one projection wrote of late. It is readable at once, and stored in the database together a moment
// later: what is written again meanwhile is encoded and stored once. Values and progress stay together, so that a crash
// leaves the state after some write.
type gathered[V any] struct {
	db    *DB
	space byte
	join  func(old, now V) V // what two values of a key come to, in the order of writing
	size  func(V) int        // about, in bytes
	store func(ctx context.Context, values map[string]V, p projections.Progress) error

	turn chan struct{} // holds one while values leave

	mu       sync.RWMutex
	waiting  *layer[V] // nil when there is nothing
	leaving  *layer[V] // being stored, older than waiting; its values do not change
	deadline *time.Timer
}

// layer is some writes.
type layer[V any] struct {
	values   map[string]V
	progress projections.Progress
	bytes    int
}

// write takes values, each given to its argument, and the progress. When there is too much already, it first waits until
// that is stored.
func (g *gathered[V]) write(ctx context.Context, p projections.Progress, each func(take func(key string, v V))) error {
	if err := g.db.usable(ctx); err != nil {
		return err
	}
	if g.full() {
		if err := g.settle(ctx); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == nil {
		g.waiting = &layer[V]{values: map[string]V{}}
	}
	each(g.take)
	if later(p, g.waiting.progress) {
		g.waiting.progress = p
	}
	if g.deadline == nil {
		g.deadline = time.AfterFunc(g.db.opts.GatherFor, g.due)
	}
	if g.waiting.bytes >= g.db.opts.GatherBytes {
		g.deadline.Reset(0)
	}
	return nil
}

func (g *gathered[V]) take(key string, v V) {
	if old, ok := g.waiting.values[key]; ok {
		g.waiting.bytes -= g.size(old)
		v = g.join(old, v)
	}
	g.waiting.values[key] = v
	g.waiting.bytes += g.size(v)
}

func (g *gathered[V]) full() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.waiting != nil && g.waiting.bytes >= g.db.opts.GatherBytes
}

// due stores what has waited long enough. What cannot be stored is tried again; writes meet the same trouble once too much
// has gathered.
func (g *gathered[V]) due() {
	ctx := context.Background()
	err := g.settle(ctx)
	if err != nil && g.db.usable(ctx) == nil {
		g.db.opts.Log.Warn("read models cannot be stored, will try again", "error", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = nil
	if (err != nil || g.waiting != nil) && g.db.usable(ctx) == nil {
		g.deadline = time.AfterFunc(g.db.opts.GatherFor, g.due)
	}
}

// settle stores what was written before the call.
func (g *gathered[V]) settle(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for range 2 { // what could not be stored when it was tried last goes first
		l := g.leave()
		if l == nil {
			return nil
		}
		if err := g.store(ctx, l.values, l.progress); err != nil {
			return err
		}
		g.mu.Lock()
		g.leaving = nil
		g.mu.Unlock()
	}
	return nil
}

// leave returns what is to be stored next, nil when there is nothing.
func (g *gathered[V]) leave() *layer[V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leaving == nil {
		g.leaving, g.waiting = g.waiting, nil
	}
	return g.leaving
}

// read calls f with what was written of a key and may not be stored yet, in the order of writing.
func (g *gathered[V]) read(key string, f func(V)) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, l := range [...]*layer[V]{g.leaving, g.waiting} {
		if l == nil {
			continue
		}
		if v, ok := l.values[key]; ok {
			f(v)
		}
	}
}

// progress is the latest that was written, stored or not.
func (g *gathered[V]) progress(ctx context.Context) (projections.Progress, error) {
	var written projections.Progress
	g.mu.RLock()
	for _, l := range [...]*layer[V]{g.leaving, g.waiting} {
		if l != nil && later(l.progress, written) {
			written = l.progress
		}
	}
	g.mu.RUnlock()
	stored, err := g.db.progress(ctx, g.space)
	if err == nil && later(written, stored) {
		stored = written
	}
	return stored, err
}

// later tells whether a progress replaces another.
func later(p, old projections.Progress) bool {
	return p.Position > old.Position || p.Position == old.Position && p.Own >= old.Own
}

// exchange has everything replaced, stored or not, by what do puts into the database.
func (g *gathered[V]) exchange(ctx context.Context, do func() error) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := do(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting, g.leaving = nil, nil
	return nil
}

// reset forgets everything, stored or not; the projection's key spaces come before one. It calls done before anything is
// stored again.
func (g *gathered[V]) reset(ctx context.Context, before byte, done func()) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := g.db.reset(ctx, g.space, before); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting, g.leaving = nil, nil
	done()
	return nil
}
