package eventstoredb_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
)

// tampered is a store in which somebody changes a record on its way to whoever follows it.
type tampered struct {
	*pebble.Store
	change atomic.Pointer[func(r *aggregates.Record) (keep bool)]
}

func (s *tampered) Subscribe(ctx context.Context, after uint64, prefixes ...string) (projections.Subscription, error) {
	sub, err := s.Store.Subscribe(ctx, after, prefixes...)
	return &changing{sub, s}, err
}

type changing struct {
	projections.Subscription
	store *tampered
}

func (c *changing) Next(ctx context.Context) (projections.Batch, error) {
	b, err := c.Subscription.Next(ctx)
	change := c.store.change.Load()
	if change == nil || err != nil {
		return b, err
	}
	var kept []aggregates.Record
	for _, r := range b.Records {
		r.Data = bytes.Clone(r.Data)
		if (*change)(&r) {
			kept = append(kept, r)
		}
	}
	b.Records = kept
	return b, nil
}

type sale int64

func (n sale) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := stock.Move(s, stock.Movement{Kind: stock.KindSold, Location: "köln", Quantity: int64(n)}, m, now)
	return events, err
}

// Seals and tree come to the same through EventStoreDB's documents, and what somebody changes behind its protocol is found.
func TestAHistoryOnEventStoreDBIsVerified(t *testing.T) {
	data := &tampered{Store: newData(t)}
	server, err := esdbserver.New(t.Context(), data, esdbserver.Options{MaxAppendBytes: stockMaxAppend})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{T: t, server: server, addr: l.Addr().String(), served: make(chan error, 1)}
	go func() { n.served <- server.Serve(l) }()
	t.Cleanup(n.kill)
	s := open(t, n.url(), options())
	skus := commands.NewStreams(s, commands.SKUs(), commands.Options{})
	for i := range 6 {
		m := aggregates.Metadata{IdempotencyKey: fmt.Sprint("sale-", i), Actor: "Käthe \"till\" <1>", CorrelationID: "c", CausationID: "$x"}
		if _, err := skus.Do(t.Context(), fmt.Sprint("milk/", i%2), m, sale(1+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := skus.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	key, err := audit.ReadKey(filepath.Join(t.TempDir(), "key"), s.ID(), true)
	if err != nil {
		t.Fatal(err)
	}
	var tree projection.Tree
	var stored []aggregates.Record
	for p := range follow(t, data.Store) {
		tree.Add(tree.LeafHash(&p), p.Position, nil)
		stored = append(stored, p)
	}
	head, err := key.Sign(s.ID(), projection.Head{Size: tree.Size, Position: tree.Position, Root: tree.Root()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		v := audit.NewVerifier(key.String())
		if err := v.Expect(head.Note, "the vault"); err != nil {
			t.Fatal(err)
		}
		return audit.VerifyStore(ctx, s, v, func(uint64, uint64) {})
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for k, r := range stored {
		for i := k; i < len(r.Data); i += 3 {
			change := func(x *aggregates.Record) bool {
				if x.Position == r.Position {
					x.Data[i] ^= 1 << (i % 8)
				}
				return true
			}
			if data.change.Store(&change); verify() == nil {
				t.Fatalf("byte %d of event %d was changed, and nobody noticed", i, k)
			}
		}
		change := func(x *aggregates.Record) bool { return x.Position != r.Position }
		if data.change.Store(&change); verify() == nil {
			t.Fatalf("event %d was removed, and nobody noticed", k)
		}
	}
	data.change.Store(nil)
	if err := verify(); err != nil {
		t.Error(err)
	}
}

// follow reads the events of a store, of the streams that the tree is made of.
func follow(t *testing.T, s *pebble.Store) func(func(aggregates.Record) bool) {
	return func(yield func(aggregates.Record) bool) {
		end, err := s.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sub, err := s.Subscribe(t.Context(), 0, aggregates.Prefixes()...)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for at := uint64(0); at < end; {
			b, err := sub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range b.Records {
				r.Data = bytes.Clone(r.Data)
				if !yield(r) {
					return
				}
			}
			at = b.Through
		}
	}
}
