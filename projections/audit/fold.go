package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/proto/codec"
)

// fold is the projection behind the tree.
type fold struct {
	model    ReadModel
	recent   *recent
	interval int
	publish  func(*Head)

	tree *Tree
	seen []uint64 // digests of the event's ids so far

	written int64 // size of the tree in the last segment; used by Load and Write only
}

var (
	_ projections.Projection   = (*fold)(nil)
	_ projections.RecordFolder = (*fold)(nil)
)

// Load goes on from the last segment. The progress holds the size of its tree.
func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	p, err := f.model.Progress(ctx)
	if err != nil {
		return p, err
	}
	size, position := int64(p.Own), uint64(0)
	levels, err := edges(ctx, f.model, size)
	if err != nil {
		return p, err
	}
	if size > 0 {
		last, err := hashesOf(ctx, f.model, 0, size-1, 1)
		if err != nil {
			return p, err
		}
		position = last[0].position
	}
	stored := func(ctx context.Context, level int, first int64, count int) ([]node, error) {
		return hashesOf(ctx, f.model, level, first, count)
	}
	if f.tree, err = resume(size, position, reader(ctx, stored)); err == nil {
		f.written = size
		f.publish(f.head())
		f.recent.begin(levels, position)
	}
	return p, err
}

// edges reads the incomplete tiles of a tree of some size.
func edges(ctx context.Context, m ReadModel, size int64) (levels []edge, err error) {
	for level := 0; size>>(level*TileHeight) > 0; level++ {
		n := size >> (level * TileHeight)
		e := edge{first: n &^ (TileWidth - 1)}
		if n > e.first {
			if e.nodes, err = hashesOf(ctx, m, level, e.first, int(n-e.first)); err != nil {
				return nil, err
			}
		}
		levels = append(levels, e)
	}
	return levels, nil
}

// hashesOf reads hashes of one tile from the model.
func hashesOf(ctx context.Context, m ReadModel, level int, first int64, count int) ([]node, error) {
	data, err := m.Tile(ctx, level, first>>TileHeight)
	if err != nil {
		return nil, err
	}
	nodes, err := parseNodes(data, level, int(first&(TileWidth-1)), count)
	if err != nil {
		return nil, fmt.Errorf("tile %d: %w", first>>TileHeight, err)
	}
	return nodes, nil
}

func (f *fold) Reset(ctx context.Context) error {
	f.tree, f.written = &Tree{}, 0
	f.publish(f.head())
	f.recent.begin(nil, 0)
	return f.model.Reset(ctx)
}

func (f *fold) head() *Head {
	return &Head{Size: f.tree.Size, Position: f.tree.Position, Root: f.tree.Root()}
}

func (f *fold) Ignores(string) bool { return false }

func (f *fold) Tend(context.Context, projections.Touch) error { return nil }

// Bytes that a hash and a place take in memory.
const nodeRoom, placeRoom = 40, 16

func (f *fold) Unwritten() int {
	f.recent.mu.RLock()
	defer f.recent.mu.RUnlock()
	n := placeRoom * len(f.recent.places)
	for i := range f.recent.levels {
		n += nodeRoom * len(f.recent.levels[i].nodes)
	}
	return n
}

// Fold is not called: FoldRecord is.
func (f *fold) Fold(context.Context, int, *projections.Event) error {
	return errors.New("the tree is made of records")
}

// FoldRecord adds an event to the tree, and its ids to the index. An event whose bytes cannot be read has its leaf all the same.
func (f *fold) FoldRecord(_ context.Context, r *aggregates.Record) (aggregates.Instant, error) {
	leaf := f.tree.LeafHash(r)
	f.recent.mu.Lock()
	defer f.recent.mu.Unlock()
	f.tree.Add(leaf, r.Position, func(level int, _ int64, h tlog.Hash) {
		if level%TileHeight == 0 {
			f.recent.add(level/TileHeight, node{hash: h, position: r.Position * uint64(1-min(level, 1))})
		}
	})
	f.seen = f.seen[:0]
	var room [36]byte
	f.place(r.ID.Append(room[:0]), r.Position)
	if order, ok := strings.CutPrefix(r.Stream, aggregates.OrderPrefix); ok {
		f.place([]byte(order), r.Position)
	}
	recorded, _ := codec.EachID(r, func(_ codec.IDKind, id []byte) { f.place(id, r.Position) })
	return recorded, nil
}

// place notes where an id is found, once per event.
func (f *fold) place(id []byte, position uint64) {
	digest := Digest(id)
	if slices.Contains(f.seen, digest) {
		return
	}
	f.seen = append(f.seen, digest)
	f.recent.places = append(f.recent.places, place{digest, position})
}

func (f *fold) Cut() projections.Pending {
	return &pending{fold: f, head: f.head(), state: f.recent.state()}
}

// pending is what there was at a cut.
type pending struct {
	fold  *fold
	head  *Head
	state state
}

// Empty is false when it is time for a segment.
func (p *pending) Empty() bool { return p.head.Size-p.fold.written < int64(p.fold.interval) }

// Write writes a segment when there is enough for one. The stored progress says no more than what is in segments.
func (p *pending) Write(ctx context.Context, progress projections.Progress) error {
	if p.Empty() {
		return nil
	}
	f := p.fold
	progress.Own = uint64(p.head.Size)
	if err := f.model.Write(ctx, f.recent.segment(p.state, p.head.Position), progress); err != nil {
		return err
	}
	f.written = p.head.Size
	f.recent.drop(p.state, p.head.Position)
	return nil
}

func (p *pending) Publish(uint64) { p.fold.publish(p.head) }
