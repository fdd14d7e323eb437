package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
)

// evidence is a small store with a history, and what was kept elsewhere of it.
type evidence struct {
	*testing.T
	*Store
	key  *audit.Key
	head audit.Head // covers everything
}

type sale int64

func (n sale) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := stock.Move(s, stock.Movement{Kind: stock.KindSold, Location: "berlin", Quantity: int64(n)}, m, now)
	return events, err
}

// gather fills a store, with a recorded head in the middle, and closes it once: so that nothing is in memory that is not on disk.
func gather(t *testing.T, events int) *evidence {
	fs := vfs.NewMem()
	s := openOn(t, fs)
	key, err := audit.ReadKey(filepath.Join(t.TempDir(), "key"), s.ID(), true)
	if err != nil {
		t.Fatal(err)
	}
	e := &evidence{T: t, Store: s, key: key}
	skus := commands.NewStreams(s, commands.SKUs(), commands.Options{Exclusive: true})
	heads := commands.NewStreams(s, commands.TreeHeads(), commands.Options{Exclusive: true})
	for i := range events {
		m := aggregates.Metadata{IdempotencyKey: fmt.Sprint("sale-", i), Actor: "till"}
		if _, err := skus.Do(t.Context(), fmt.Sprint("milk-", i%2), m, sale(1+i)); err != nil {
			t.Fatal(err)
		}
		if i == events/2 {
			e.record(heads)
		}
	}
	e.head = e.sign()
	for _, closing := range []func(context.Context) error{skus.Close, heads.Close} {
		if err := closing(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	e.Store = openOn(t, fs)
	return e
}

// whole is a tree of everything that the store holds.
type whole struct{ projection.Tree }

func (e *evidence) tree() (w whole) {
	sub, err := e.Subscribe(e.Context(), 0, aggregates.Prefixes()...)
	if err != nil {
		e.Fatal(err)
	}
	defer sub.Close()
	end, _ := e.End(e.Context())
	for at := uint64(0); at < end; {
		b, err := sub.Next(e.Context())
		if err != nil {
			e.Fatal(err)
		}
		for i := range b.Records {
			w.Add(w.LeafHash(&b.Records[i]), b.Records[i].Position, nil)
		}
		at = b.Through
	}
	return w
}

func (e *evidence) sign() audit.Head {
	w := e.tree()
	h, err := e.key.Sign(e.ID(), projection.Head{Size: w.Size, Position: w.Position, Root: w.Root()}, 1)
	if err != nil {
		e.Fatal(err)
	}
	return h
}

func (e *evidence) record(heads *commands.Streams[domain.State]) {
	h := e.sign()
	m := aggregates.Metadata{IdempotencyKey: "head"}
	if _, err := heads.Do(e.Context(), aggregates.TreeHeads, m, recordHead(h)); err != nil {
		e.Fatal(err)
	}
}

type recordHead audit.Head

func (h recordHead) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return domain.Record(s, domain.TreeHeadRecorded{Size: h.Size, Position: h.Position, Root: domain.Hash(h.Root), Note: h.Note})
}

// verify verifies the store, and with a head against it.
func (e *evidence) verify(heads ...audit.Head) error {
	v := audit.NewVerifier(e.key.String())
	v.Gapless = true
	for _, h := range heads {
		if err := v.Expect(h.Note, "the vault"); err != nil {
			return err
		}
	}
	return audit.VerifyStore(e.Context(), e.Store, v, func(uint64, uint64) {})
}

// set writes a stored event past the store; nil removes it.
func (e *evidence) set(position uint64, value []byte) {
	key := appendEventKey(nil, position)
	err := e.db.Set(key, value, pebbledb.NoSync)
	if value == nil {
		err = e.db.Delete(key, pebbledb.NoSync)
	}
	if err != nil {
		e.Fatal(err)
	}
}

func (e *evidence) stored() (values [][]byte) {
	end, _ := e.End(e.Context())
	for p := uint64(1); p <= end; p++ {
		value, closer, err := e.db.Get(appendEventKey(nil, p))
		if err != nil {
			e.Fatal(err)
		}
		values = append(values, bytes.Clone(value))
		closer.Close()
	}
	return values
}

func TestAnUntouchedStoreIsProved(t *testing.T) {
	e := gather(t, 12)
	if err := e.verify(); err != nil {
		t.Error(err)
	}
	if err := e.verify(e.head); err != nil {
		t.Error(err)
	}
}

// Every byte of every event is changed, one at a time. Every change is found, and where the event can still be read,
// it is the one that is named.
func TestEveryChangedByteIsFound(t *testing.T) {
	e := gather(t, 8)
	for at, value := range e.stored() {
		position := uint64(at + 1)
		for i := range value {
			changed := bytes.Clone(value)
			changed[i] ^= 1 << (i % 8)
			e.set(position, changed)
			err := e.verify(e.head)
			if err == nil {
				t.Fatalf("byte %d of the event at position %d was changed, and nobody noticed", i, position)
			}
			var f *audit.Fault
			if errors.As(err, &f) && f.Position == position || strings.Contains(err.Error(), fmt.Sprintf("position %d", position)) {
				continue
			}
			t.Errorf("byte %d of %q, the event at position %d: %v", i, value, position, err)
		}
		e.set(position, value)
	}
	if err := e.verify(e.head); err != nil {
		t.Error(err)
	}
}

// A changed length makes another stream and another type of an event, the first without a seal: events of this kind no version ever wrote.
func TestAnEventThatIsReadAsAnotherIsNamed(t *testing.T) {
	e := gather(t, 4)
	var f frame
	if err := f.parse(3, e.stored()[2]); err != nil {
		t.Fatal(err)
	}
	_, canonical, _ := codec.CutSeal(f.data)
	e.set(3, appendFrame(nil, "sku-milk", 0, &aggregates.NewEvent{ID: f.id, Type: "1\t" + string(f.kind), Data: canonical}))
	var fault *audit.Fault
	if err := e.verify(e.head); !errors.As(err, &fault) || fault.Kind != audit.Changed || fault.Position != 3 {
		t.Errorf("got %v", err)
	}
}

func TestRemovedInsertedAndMovedEventsAreFound(t *testing.T) {
	e := gather(t, 12)
	all := e.stored()
	for name, c := range map[string]struct {
		change func(list [][]byte) [][]byte
		kind   string // "": the store itself does not read on
		at     uint64
	}{
		"one is removed":                         {func(l [][]byte) [][]byte { l[4] = nil; return l }, "", 0},
		"one is removed and all others close up": {func(l [][]byte) [][]byte { return append(slices.Delete(l, 4, 5), nil) }, audit.Removed, 5},
		"one is there twice, all others move on": {func(l [][]byte) [][]byte { return slices.Insert(l, 5, l[2]) }, audit.Inserted, 6},
		"two of a stream change places":          {func(l [][]byte) [][]byte { l[2], l[4] = l[4], l[2]; return l }, audit.Removed, 3},
		"two of different streams change places": {func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }, audit.Changed, 0},
		"the last is removed":                    {func(l [][]byte) [][]byte { l[len(l)-1] = nil; return l }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			e.T = t
			list := c.change(slices.Clone(all))
			for i, value := range list {
				e.set(uint64(i+1), value)
			}
			err := e.verify(e.head)
			var f *audit.Fault
			if err == nil || c.kind != "" && (!errors.As(err, &f) || f.Kind != c.kind || f.Position != c.at) {
				t.Errorf("got %v", err)
			}
			for i := range max(len(list), len(all)) {
				var value []byte
				if i < len(all) {
					value = all[i]
				}
				e.set(uint64(i+1), value)
			}
			if err := e.verify(e.head); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Somebody changes an event and computes all seals of its stream anew: a head shows it, and what remembers the leaves tells which event it is.
func TestAChangeWithAllSealsAnewIsFoundByAHead(t *testing.T) {
	e := gather(t, 12)
	var was projection.Tree
	var leaves []tlog.Hash
	seals := map[string]codec.Seal{}
	for i, value := range e.stored() {
		var f frame
		if err := f.parse(uint64(i+1), value); err != nil {
			t.Fatal(err)
		}
		r := aggregates.Record{NewEvent: aggregates.NewEvent{ID: f.id, Type: string(f.kind), Data: f.data}, Stream: string(f.stream), Revision: f.revision}
		leaves = append(leaves, was.LeafHash(&r))
		if i+1 == 6 { // the quantity that it says last
			r.Data[len(r.Data)-1]++
		}
		seals[r.Stream] = codec.PutSeal(seals[r.Stream], r.Stream, r.Revision, &r.NewEvent)
		e.set(uint64(i+1), value)
	}
	var f *audit.Fault
	if err := e.verify(e.head); !errors.As(err, &f) || f.Kind != audit.Changed || f.Stream != "" {
		t.Errorf("against a head: %v", err)
	}
	v := audit.NewVerifier(e.key.String())
	v.Witness = func(index int64) (tlog.Hash, bool) { return leaves[index], true }
	if err := v.Expect(e.head.Note, "the vault"); err != nil {
		t.Fatal(err)
	}
	if err := audit.VerifyStore(t.Context(), e.Store, v, func(uint64, uint64) {}); !errors.As(err, &f) || f.Position != 6 {
		t.Errorf("with a witness: %v", err)
	}
}
