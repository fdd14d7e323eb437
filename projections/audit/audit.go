package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// writePace is the least time between two writes: nobody waits for them.
const writePace = 100 * time.Millisecond

// Config says what the projection is made of. Store and Model must be set.
type Config struct {
	Store    projections.Store
	Model    ReadModel
	Interval int              // Interval when 0
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger     // slog.Default() when nil
}

// Projection of the tree and the index. Make it with New, then Run it.
type Projection struct {
	runner *projections.Runner
	model  ReadModel
	recent recent
	head   atomic.Pointer[Head]
}

// Head is what the tree over the first events of the store comes to.
type Head struct {
	Size     int64
	Position uint64 // of the last event; 0 when there is none
	Root     tlog.Hash
}

// New makes a projection.
func New(c Config) *Projection {
	p := &Projection{model: c.Model}
	p.head.Store(&Head{Root: (&Tree{}).Root()})
	if c.Interval == 0 {
		c.Interval = Interval
	}
	p.runner = projections.NewRunner(&fold{model: c.Model, recent: &p.recent, interval: c.Interval, publish: p.head.Store}, projections.Config{
		Name: Name, Prefixes: aggregates.Prefixes(), Store: c.Store, Workers: 1, Pace: writePace, Background: true, Now: c.Now, Log: c.Log,
	})
	return p
}

// keepTimeout bounds what is written at the end.
const keepTimeout = 2 * time.Second

// Run keeps tree and index current until ctx ends, and returns nil then. At the end it leaves behind the hashes that are only in memory, for
// Witness.
func (p *Projection) Run(ctx context.Context) error {
	err := p.runner.Run(ctx)
	last, done := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer done()
	return errors.Join(err, p.model.Keep(last, p.recent.segment(p.recent.state(), p.Head().Position).Tiles))
}

// Witness returns what a read model remembers of the leaves of the tree: all that were written, and after an orderly stop those since, too.
func Witness(ctx context.Context, m ReadModel) func(index int64) (tlog.Hash, bool) {
	var tile []node
	at := int64(-1)
	return func(index int64) (h tlog.Hash, ok bool) {
		if t := index >> TileHeight; t != at {
			tile, at = nil, t
			data, err := m.Tile(ctx, 0, t)
			if err == nil {
				tile, _ = parseNodes(data, 0, 0, len(data)/nodeBytes(0))
			}
		}
		if i := index & (TileWidth - 1); i < int64(len(tile)) {
			return tile[i].hash, true
		}
		return h, false
	}
}

// Position is the store position up to which everything is readable.
func (p *Projection) Position() uint64 { return p.runner.Position() }

// WaitFor waits until everything up to a position is readable.
func (p *Projection) WaitFor(ctx context.Context, position uint64) error {
	return p.runner.WaitFor(ctx, position)
}

// WaitForEnd waits until everything that the store holds now is readable.
func (p *Projection) WaitForEnd(ctx context.Context) error { return p.runner.WaitForEnd(ctx) }

// Status tells how far the projection has come.
func (p *Projection) Status(ctx context.Context) projections.Status { return p.runner.Status(ctx) }

// Head returns the tree over everything that is readable.
func (p *Projection) Head() Head { return *p.head.Load() }

// ProveRecord proves that the tree of some size, at most the head's, holds the leaf of an index.
func (p *Projection) ProveRecord(ctx context.Context, size, index int64) (tlog.RecordProof, error) {
	if index < 0 || index >= size || size > p.Head().Size {
		return nil, fmt.Errorf("prove event %d in a tree of %d: the tree here has %d", index, size, p.Head().Size)
	}
	return tlog.ProveRecord(size, index, reader(ctx, p.hashes))
}

// ProveTree proves that a tree of some size, at most the head's, begins with a smaller one.
func (p *Projection) ProveTree(ctx context.Context, size, smaller int64) (tlog.TreeProof, error) {
	if smaller < 1 || smaller > size || size > p.Head().Size {
		return nil, fmt.Errorf("prove a tree of %d in one of %d: the tree here has %d", smaller, size, p.Head().Size)
	}
	return tlog.ProveTree(size, smaller, reader(ctx, p.hashes))
}

// Root returns the root of the tree of some size, at most the head's.
func (p *Projection) Root(ctx context.Context, size int64) (tlog.Hash, error) {
	if size < 1 || size > p.Head().Size {
		return tlog.Hash{}, fmt.Errorf("root of a tree of %d: the tree here has %d", size, p.Head().Size)
	}
	return tlog.TreeHash(size, reader(ctx, p.hashes))
}

// Index returns the number of the first event at or after a position, the tree's size when there is none.
func (p *Projection) Index(ctx context.Context, position uint64) (index int64, err error) {
	size := p.Head().Size
	n := sort.Search(int(size), func(i int) bool {
		if err != nil {
			return true
		}
		var leaf []node
		if leaf, err = p.hashes(ctx, 0, int64(i), 1); err != nil {
			return true
		}
		return leaf[0].position >= position
	})
	return int64(n), err
}

// hashes returns hashes of one tile: what is not in memory any more is written.
func (p *Projection) hashes(ctx context.Context, level int, first int64, count int) ([]node, error) {
	if nodes, ok := p.recent.nodes(level, first, count); ok {
		return nodes, nil
	}
	return hashesOf(ctx, p.model, level, first, count)
}

// Find returns positions of events that an id may be found in, after one, in order, up to limit.
func (p *Projection) Find(ctx context.Context, id string, after uint64, limit int) (list []uint64, err error) {
	digest := Digest([]byte(id))
	last, written := p.recent.find(digest, after)
	err = p.model.Runs(ctx, digest, after, func(segment uint64, data []byte) (bool, error) {
		if segment > written { // its places are among the last
			return false, nil
		}
		err := eachInRun(data, segment, digest, func(position uint64) {
			if position > after {
				list = append(list, position)
			}
		})
		return len(list) < limit, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for %q: %w", id, err)
	}
	list = append(list, last...)
	return list[:min(len(list), limit)], nil
}
