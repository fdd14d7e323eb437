package commands_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/commands"
)

// sealsFit tells where a stream's seals do not follow from its events, and how many events it has.
func sealsFit(t *testing.T, s commands.Store, stream string) (events int) {
	t.Helper()
	var before codec.Seal
	err := s.ReadStream(t.Context(), stream, 0, func(r aggregates.Record) bool {
		want := codec.NextSeal(before, r.Stream, r.Revision, &r.NewEvent)
		if got, _, sealed := codec.CutSeal(r.Data); sealed && got != want {
			t.Errorf("event %d of %s has seal %x, should have %x", r.Revision, stream, got, want)
		}
		before = want
		events++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

var one = decideFunc(func(*tally) ([]aggregates.Event, error) {
	sold := &stock.StockSold{Location: "x", Quantity: 1}
	return []aggregates.Event{sold, sold}, nil
})

// Replicas write one stream past each other, appends have unknown outcomes, states come from snapshots and are dropped: each
// event carries the seal that follows from the ones before.
func TestSealsFollowFromTheStreamWhateverHappens(t *testing.T) {
	s := openStore(t)
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	s.around(func(next func() (commands.Appended, error)) (commands.Appended, error) {
		mu.Lock()
		lost := random.IntN(4)
		mu.Unlock()
		if lost == 0 { // not written, and nobody knows
			return commands.Appended{}, commands.ErrUnknownOutcome
		}
		appended, err := next()
		if err == nil && lost == 1 { // written, and nobody knows
			return commands.Appended{}, commands.ErrUnknownOutcome
		}
		return appended, err
	})
	var all sync.WaitGroup
	for replica := range 3 {
		all.Go(func() {
			for life := range 4 {
				x := newStreams(t, s, commands.Options{MaxMemory: 1})
				for i := range 60 {
					for range 20 { // until others let it
						_, err := x.Do(t.Context(), fmt.Sprint(i%2), key("%d-%d-%d", replica, life, i), one)
						if !errors.Is(err, commands.ErrUnavailable) && !errors.Is(err, commands.ErrContended) {
							break
						}
					}
				}
			}
		})
	}
	all.Wait()
	if n := sealsFit(t, s, "sku-0") + sealsFit(t, s, "sku-1"); n < 3*4*60 {
		t.Errorf("only %d events", n)
	}
}

// A stream that began before there were seals goes on with them, from a snapshot or without.
func TestAStreamThatBeganWithoutSealsGoesOnWithThem(t *testing.T) {
	s := openStore(t)
	var old []aggregates.NewEvent
	for i := range 5 {
		m := key("old-%d", i)
		data, err := codec.Encode(nil, &stock.StockSold{Location: "x", Quantity: 1}, &m)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, aggregates.NewEvent{ID: aggregates.NewEventID("sku-milk", m.IdempotencyKey, 0, data), Type: "StockSold", Data: data})
	}
	if _, err := s.Append(t.Context(), "sku-milk", 0, old); err != nil {
		t.Fatal(err)
	}
	for life := range 3 {
		x := commands.NewStreams(s, kind(), commands.Options{})
		for i := range 40 {
			if _, err := x.Do(t.Context(), "milk", key("%d-%d", life, i), one); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Close(t.Context()); err != nil { // saves the state
			t.Fatal(err)
		}
	}
	if n := sealsFit(t, s, "sku-milk"); n != 5+3*80 {
		t.Errorf("%d events", n)
	}
}

// An append that is repeated writes the very same bytes.
func TestARepeatedAppendHasTheSameSeals(t *testing.T) {
	s := &remembering{store: openStore(t)}
	s.around(func(next func() (commands.Appended, error)) (commands.Appended, error) {
		if len(s.batches) < 3 {
			return commands.Appended{}, commands.ErrUnknownOutcome
		}
		return next()
	})
	if _, err := newStreams(t, s, commands.Options{}).Do(t.Context(), "milk", key("a"), one); err != nil {
		t.Fatal(err)
	}
	if len(s.batches) != 3 || s.batches[0] != s.batches[2] || sealsFit(t, s, "sku-milk") != 2 {
		t.Errorf("%d appends: %q", len(s.batches), s.batches)
	}
}

// remembering keeps what was to be appended.
type remembering struct {
	*store
	batches []string
}

func (r *remembering) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	r.batches = append(r.batches, fmt.Sprint(events))
	return r.store.Append(ctx, stream, next, events)
}
