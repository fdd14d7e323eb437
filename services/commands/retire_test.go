package commands_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// held saves no snapshot until it is let.
type held struct {
	*store
	let    chan struct{}
	saving atomic.Int64
}

func (s *held) SaveSnapshot(ctx context.Context, stream, schema string, x commands.Snapshot) error {
	s.saving.Add(1)
	select {
	case <-s.let:
		return s.store.SaveSnapshot(ctx, stream, schema, x)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// block is a state that counts as so many bytes.
type block struct{ bytes int }

func blocks(bytes int) commands.Kind[block] {
	return commands.Kind[block]{
		Prefix: "sku-", Schema: "block/1",
		Evolve:    func(s *block, _ aggregates.Event, _ aggregates.Metadata) { s.bytes = bytes },
		Marshal:   func(*block) ([]byte, error) { return nil, nil },
		Unmarshal: func(s *block, _ []byte) error { s.bytes = bytes; return nil },
		Size:      func(s *block) int { return s.bytes },
	}
}

// once records an event of each of so many streams.
func once(t *testing.T, x *commands.Streams[block], streams int) {
	t.Helper()
	one := func(*block) ([]aggregates.Event, error) {
		return []aggregates.Event{&stock.StockSold{Location: "x", Quantity: 1}}, nil
	}
	for i := range streams {
		if _, err := x.Do(t.Context(), fmt.Sprint("sku", i), key("one"), blockFunc(one)); err != nil {
			t.Fatal(err)
		}
	}
}

type blockFunc func(*block) ([]aggregates.Event, error)

func (f blockFunc) Decide(s *block, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return f(s)
}

func TestStatesBeingSavedAreWithinAPartOfTheMemory(t *testing.T) {
	s := &held{store: openStore(t), let: make(chan struct{})}
	const bytes, most = 3000, 10
	x := commands.NewStreams(s, blocks(bytes), commands.Options{Exclusive: true, MaxMemory: 8 * most * 4000})
	once(t, x, 400)
	if st := x.Stats(); st.Evicted == 0 {
		t.Fatalf("%+v", st)
	}
	close(s.let)
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.saving.Load() - int64(400-x.Stats().Evicted); n > most+2 {
		t.Errorf("%d states of %d bytes were being saved at once", n, bytes)
	}
}

func TestALargeStateIsNotSavedForOneEvent(t *testing.T) {
	x := commands.NewStreams(openStore(t), blocks(100_000), commands.Options{Exclusive: true, MaxMemory: 1_000_000})
	once(t, x, 300)
	if st := x.Stats(); st.Evicted == 0 || st.Snapshots != 0 {
		t.Errorf("%d evicted, %d saved", st.Evicted, st.Snapshots)
	}
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
