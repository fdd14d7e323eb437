package audit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/proto/codec"
)

// fold is the projection behind the tree.
type fold struct {
	model   ReadModel
	publish func(*Head)

	tree   *Tree
	nodes  []Node
	places []Place
	seen   []uint64 // digests of the event's ids so far
}

var (
	_ projections.Projection   = (*fold)(nil)
	_ projections.RecordFolder = (*fold)(nil)
)

// Load goes on from the written tree. The progress holds its size.
func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	f.nodes, f.places = nil, nil
	p, err := f.model.Progress(ctx)
	if err != nil {
		return p, err
	}
	position := uint64(0)
	if p.Own > 0 {
		if position, err = f.model.Leaf(ctx, int64(p.Own)-1); err != nil {
			return p, err
		}
	}
	f.tree, err = resume(int64(p.Own), position, reader(ctx, f.model))
	if err == nil {
		f.publish(f.head())
	}
	return p, err
}

func (f *fold) Reset(ctx context.Context) error {
	f.tree, f.nodes, f.places = &Tree{}, nil, nil
	f.publish(f.head())
	return f.model.Reset(ctx)
}

func (f *fold) head() *Head {
	return &Head{Size: f.tree.Size, Position: f.tree.Position, Root: f.tree.Root()}
}

func (f *fold) Ignores(string) bool { return false }

func (f *fold) Tend(context.Context, projections.Touch) error { return nil }

// Bytes that a node and a place take while they wait.
const nodeBytes, placeBytes = 64, 16

func (f *fold) Unwritten() int { return nodeBytes*len(f.nodes) + placeBytes*len(f.places) }

// Fold is not called: FoldRecord is.
func (f *fold) Fold(context.Context, int, *projections.Event) error {
	return errors.New("the tree is made of records")
}

// FoldRecord adds an event to the tree, and its ids to the index. An event whose bytes cannot be read has its leaf all the same.
func (f *fold) FoldRecord(_ context.Context, r *aggregates.Record) (aggregates.Instant, error) {
	f.tree.Add(f.tree.LeafHash(r), r.Position, func(level int, index int64, h tlog.Hash) {
		if level%TileHeight == 0 {
			f.nodes = append(f.nodes, Node{Level: level / TileHeight, Index: index, Hash: h, Position: r.Position * uint64(1-min(level, 1))})
		}
	})
	f.seen = f.seen[:0]
	id := r.ID.String()
	f.place([]byte(id), r.Position)
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
	f.places = append(f.places, Place{ID: digest, Position: position})
}

func (f *fold) Cut() projections.Pending {
	p := &pending{model: f.model, nodes: f.nodes, places: f.places, head: f.head(), publish: f.publish}
	f.nodes, f.places = nil, nil
	return p
}

// pending is what was folded between two cuts.
type pending struct {
	model   ReadModel
	nodes   []Node
	places  []Place
	head    *Head
	publish func(*Head)
}

func (p *pending) Empty() bool { return len(p.nodes) == 0 }

func (p *pending) Write(ctx context.Context, progress projections.Progress) error {
	progress.Own = uint64(p.head.Size)
	return p.model.Write(ctx, p.nodes, p.places, progress)
}

func (p *pending) Publish(uint64) { p.publish(p.head) }
