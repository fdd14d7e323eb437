package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
)

// forest is the tree of a store, computed anew each time.
type forest struct {
	*viewtest.History
	t *testing.T
}

func (f forest) of(size int64) (tree projection.Tree) {
	end, err := f.Store.End(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	sub, err := f.Store.Subscribe(f.t.Context(), 0, aggregates.Prefixes()...)
	if err != nil {
		f.t.Fatal(err)
	}
	defer sub.Close()
	for at := uint64(0); at < end; {
		b, err := sub.Next(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range b.Records {
			if size < 0 || tree.Size < size {
				tree.Add(tree.LeafHash(&b.Records[i]), b.Records[i].Position, nil)
			}
		}
		at = b.Through
	}
	return tree
}

func (f forest) WaitForEnd(context.Context) error { return nil }

func (f forest) Head() projection.Head {
	tree := f.of(-1)
	return projection.Head{Size: tree.Size, Position: tree.Position, Root: tree.Root()}
}

func (f forest) Root(_ context.Context, size int64) (tlog.Hash, error) {
	tree := f.of(size)
	return tree.Root(), nil
}

// changed is a tree in which one leaf is another than the store has.
type changed struct{ forest }

func (c changed) Root(ctx context.Context, size int64) (tlog.Hash, error) {
	root, err := c.forest.Root(ctx, size)
	root[0]++
	return root, err
}

func heads(t *testing.T, h *viewtest.History, tree audit.Tree, every time.Duration) *audit.Heads {
	t.Helper()
	key, _ := newKey(t)
	streams := commands.NewStreams(h.Store, commands.TreeHeads(), commands.Options{})
	t.Cleanup(func() { _ = streams.Close(context.Background()) })
	return audit.NewHeads(audit.Config{Streams: streams, Tree: tree, StoreID: "STORE", Key: key, Every: every,
		Now: func() aggregates.Instant { return h.Now }, Log: slog.New(slog.DiscardHandler)})
}

func sold(t *testing.T, h *viewtest.History) {
	h.SKU(t, "milk", &stock.StockSold{Location: "x", Quantity: 1})
}

// Replicas record at once: every head is the beginning of the tree, and each covers more than the one before.
func TestReplicasRecordHeadsThatGrow(t *testing.T) {
	h := viewtest.NewHistory(t)
	tree := forest{h, t}
	replicas := []*audit.Heads{heads(t, h, tree, 0), heads(t, h, tree, 0), heads(t, h, tree, 0)}
	for range 5 {
		sold(t, h)
		var all sync.WaitGroup
		for _, x := range replicas {
			all.Go(func() {
				if _, err := x.Record(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	v := audit.NewVerifier("")
	if err := audit.VerifyStore(t.Context(), h.Store, v, func(uint64, uint64) {}); err != nil || v.Heads < 5 {
		t.Errorf("%d heads, %v", v.Heads, err)
	}
}

func TestNoHeadIsSignedOfAStoreThatWasChanged(t *testing.T) {
	h := viewtest.NewHistory(t)
	sold(t, h)
	if _, err := heads(t, h, forest{h, t}, 0).Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	sold(t, h)
	x := heads(t, h, changed{forest{h, t}}, 0)
	var forked *domain.ForkedError
	if _, err := x.Record(t.Context()); !errors.As(err, &forked) || !x.Forked() || x.Recorded() != 0 {
		t.Errorf("got %v", err)
	}
	if newest, err := x.Newest(t.Context()); err != nil || newest.Size != 1 {
		t.Errorf("the newest is %+v, %v", newest, err)
	}
}

func TestWithoutAKeyNothingIsSigned(t *testing.T) {
	h := viewtest.NewHistory(t)
	x := heads(t, h, forest{h, t}, 0)
	x.Key = nil
	if _, err := x.Record(t.Context()); !errors.Is(err, audit.ErrNoKey) || x.VerifierKey() != "" {
		t.Errorf("got %v", err)
	}
	if _, err := x.Newest(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("got %v", err)
	}
}
