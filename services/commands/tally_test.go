package commands_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// tally is a small aggregate for these tests: units taken from a limited amount, each key once.
type tally struct {
	Taken int64
	Keys  map[string]bool
}

const limit = 100

var errSoldOut = errors.New("sold out")

func (s *tally) evolve(e aggregates.Event, m aggregates.Metadata) {
	if s.Keys == nil {
		s.Keys = map[string]bool{}
	}
	s.Taken += e.(*stock.StockSold).Quantity
	s.Keys[m.IdempotencyKey] = true
}

func kind() commands.Kind[tally] {
	return commands.Kind[tally]{
		Prefix: "sku-",
		Evolve: (*tally).evolve,
		Schema: "tally.v1",
		Marshal: func(s *tally) ([]byte, error) {
			b := binary.AppendVarint(nil, s.Taken)
			for k := range s.Keys {
				b = append(append(b, byte(len(k))), k...)
			}
			return b, nil
		},
		Unmarshal: func(s *tally, b []byte) error {
			v, n := binary.Varint(b)
			if n <= 0 {
				return errors.New("damaged")
			}
			s.Taken, s.Keys = v, map[string]bool{}
			for b = b[n:]; len(b) > 0; b = b[1+b[0]:] {
				s.Keys[string(b[1:1+b[0]])] = true
			}
			return nil
		},
		Size: func(s *tally) int { return 64 + 32*len(s.Keys) },
	}
}

// take wants units while the limit allows.
type take struct {
	units int64
	left  int64 // result
}

func (t *take) Decide(s *tally, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if s.Keys[m.IdempotencyKey] {
		t.left = limit - s.Taken
		return nil, nil
	}
	if s.Taken+t.units > limit {
		return nil, errSoldOut
	}
	t.left = limit - s.Taken - t.units
	return []aggregates.Event{&stock.StockSold{Location: "x", Quantity: t.units}}, nil
}

// look reads.
type look struct{ taken int64 }

func (l *look) Decide(s *tally, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	l.taken = s.Taken
	return nil, nil
}

// decideFunc makes an intention of a function.
type decideFunc func(s *tally) ([]aggregates.Event, error)

func (f decideFunc) Decide(s *tally, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return f(s)
}

func key(format string, args ...any) aggregates.Metadata {
	return aggregates.Metadata{IdempotencyKey: fmt.Sprintf(format, args...)}
}

// store is the real embedded store in memory, with faults that a test switches on.
type store struct {
	commands.Store
	appending func(next func() (commands.Appended, error)) (commands.Appended, error) // around every append
	mu        sync.Mutex
	read      atomic.Int64 // records handed out by ReadStream
}

func openStore(t *testing.T) *store {
	t.Helper()
	s, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &store{Store: s}
}

// around puts a fault around every append from now on.
func (s *store) around(f func(next func() (commands.Appended, error)) (commands.Appended, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appending = f
}

func (s *store) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	s.mu.Lock()
	around := s.appending
	s.mu.Unlock()
	if around == nil {
		return s.Store.Append(ctx, stream, next, events)
	}
	return around(func() (commands.Appended, error) { return s.Store.Append(ctx, stream, next, events) })
}

func (s *store) ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error {
	return s.Store.ReadStream(ctx, stream, from, func(r aggregates.Record) bool {
		s.read.Add(1)
		return each(r)
	})
}

func newStreams(t *testing.T, s commands.Store, o commands.Options) *commands.Streams[tally] {
	t.Helper()
	x := commands.NewStreams(s, kind(), o)
	t.Cleanup(func() {
		if err := x.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return x
}

// taken asks on the stream itself, by a fresh reader that knows nothing.
func taken(t *testing.T, s commands.Store, id string) int64 {
	t.Helper()
	var l look
	if _, err := newStreams(t, s, commands.Options{}).Do(t.Context(), id, key("look"), &l); err != nil {
		t.Fatal(err)
	}
	return l.taken
}
