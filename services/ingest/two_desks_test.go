package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

// another is another process on a world's store: it decides for itself, and knows the locations that it has heard of.
type another struct {
	places  *places
	streams *commands.Streams[domain.State]
	desk    *ingest.DeadLetterDesk
}

// deskOf starts one whose desk works on letters.
func (w *world) deskOf(t *testing.T, letters ingest.DeadLetters, known ...string) *another {
	t.Helper()
	r := &another{places: &places{known: map[string]bool{"berlin": true, "hamburg": true}}}
	for _, id := range known {
		r.places.define(id)
	}
	r.streams = commands.NewStreams(w.outage, commands.SKUs(), commands.Options{Now: w.clock.now})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.streams.Close(ctx); err != nil && !errors.Is(err, commands.ErrUnavailable) {
			t.Error(err)
		}
	})
	r.desk = ingest.NewDeadLetterDesk(letters, stock.NewRecorder(r.streams, r.places, stock.Options{Now: w.clock.now}), w.clock.now, quiet)
	return r
}

// meanwhile has something happen before the n-th put of a letter, from 1.
type meanwhile struct {
	ingest.DeadLetters
	before map[int]func()
	puts   int
}

func (m *meanwhile) Put(ctx context.Context, l ingest.DeadLetter) (uint64, error) {
	m.puts++
	if f := m.before[m.puts]; f != nil {
		delete(m.before, m.puts)
		f()
	}
	return m.DeadLetters.Put(ctx, l)
}

func mustReplay(t *testing.T, d *ingest.DeadLetterDesk, id, actor string) ingest.DeadLetter {
	t.Helper()
	l, err := d.Replay(t.Context(), id, actor)
	if err != nil {
		t.Fatalf("replay by %s: %v", actor, err)
	}
	return l
}

// One replica knows the location and applies the letter; the other has not heard of it yet, and finds that it cannot be
// applied. Whichever writes last, the letter was applied.
func TestALetterThatOneReplicaAppliedIsNotOpenedAgainByAnother(t *testing.T) {
	const begins, finishes = 1, 2
	for name, during := range map[string]struct {
		put   int
		knows bool // the replica whose replay is interrupted by the other's
	}{
		"applied after the other began":         {begins, false},
		"applied before the other finishes":     {finishes, false},
		"refused after the other began":         {begins, true},
		"refused before the other has finished": {finishes, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))[0].ID
			letters := &meanwhile{DeadLetters: w.store.DeadLetters(), before: map[int]func(){}}
			slow, quick := w.deskOf(t, letters), w.deskOf(t, w.store.DeadLetters())
			if during.knows {
				slow.places.define("bonn")
			} else {
				quick.places.define("bonn")
			}
			letters.before[during.put] = func() { mustReplay(t, quick.desk, id, "quick") }
			if l := mustReplay(t, slow.desk, id, "slow"); l.State != ingest.Replayed {
				t.Errorf("the answer says %+v", l)
			}
			if l := w.letter(t, id); l.State != ingest.Replayed || fmt.Sprint(l.Applied) != "[1]" {
				t.Errorf("letter %+v", l)
			}
			if units, n := w.sellable(t, "a", "bonn"); units != 5 || n != 1 {
				t.Errorf("%d units by %d movements, want 5 by 1", units, n)
			}
		})
	}
}

// A replica that dies in a replay leaves a note that it began. Another one that replays the letter at the same time, in
// vain, does not take it away: the next start finishes what was begun.
func TestThatAReplayWasBegunIsNotForgottenForAnotherReplica(t *testing.T) {
	w := newWorld(t)
	id := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))[0].ID
	dying := w.deskOf(t, &cutShort{DeadLetters: w.store.DeadLetters()}, "bonn")
	letters := &meanwhile{DeadLetters: w.store.DeadLetters(), before: map[int]func(){2: func() {
		if _, err := dying.desk.Replay(t.Context(), id, "dying"); err == nil {
			t.Error("the replay was not cut short")
		}
	}}}
	mustReplay(t, w.deskOf(t, letters).desk, id, "late")
	if l := w.letter(t, id); l.State != ingest.Open || l.Note != "replay begun by dying" {
		t.Fatalf("letter %+v", l)
	}
	w.places.define("bonn")
	run(t, w.service(newLog("another", 1)))
	until(t, "the replay to be finished", func() bool { return w.letter(t, id).State == ingest.Replayed })
	if units, n := w.sellable(t, "a", "bonn"); units != 5 || n != 1 {
		t.Errorf("%d units by %d movements, want 5 by 1", units, n)
	}
}

func TestALetterAppliedWhileItWasDiscardedSaysThatItIsApplied(t *testing.T) {
	w := newWorld(t)
	id := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))[0].ID
	other := w.deskOf(t, w.store.DeadLetters())
	letters := &meanwhile{DeadLetters: w.store.DeadLetters(), before: map[int]func(){2: func() {
		if _, err := other.desk.Discard(t.Context(), id, "not ours", "bob"); err != nil {
			t.Error(err)
		}
	}}}
	mustReplay(t, w.deskOf(t, letters, "bonn").desk, id, "ann")
	if l := w.letter(t, id); l.State != ingest.Replayed || l.Note != "replayed by ann" {
		t.Errorf("letter %+v", l)
	}
}

// The lines that one replica applied are left out for ever, also when the other, which could apply none, writes last.
func TestLinesThatOneReplicaAppliedAreKept(t *testing.T) {
	w := newWorld(t)
	w.register(t, "kg", 1)
	id := w.takeIn(t, sale("s1", `a "quantity":1`), sale("s1", `a "quantity":2`, `b "quantity":3`))[0].ID
	letters := w.store.DeadLetters()
	l := w.letter(t, id)
	l.Applied = nil // as if it had not been known when it was kept
	if _, err := letters.Put(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	quick := w.deskOf(t, letters)
	slow := w.deskOf(t, &meanwhile{DeadLetters: letters, before: map[int]func(){2: func() { mustReplay(t, quick.desk, id, "quick") }}})
	mustReplay(t, slow.desk, id, "slow")
	if l := w.letter(t, id); l.State != ingest.Open || fmt.Sprint(l.Applied) != "[2]" {
		t.Errorf("letter %+v", l)
	}
}

// unreliable loses puts, or the answers to them.
type unreliable struct {
	ingest.DeadLetters
	mu  sync.Mutex
	rng *rand.Rand
}

var errLostPut = fmt.Errorf("%w: lost", commands.ErrUnavailable)

func (u *unreliable) Put(ctx context.Context, l ingest.DeadLetter) (uint64, error) {
	u.mu.Lock()
	chance := u.rng.IntN(6)
	u.mu.Unlock()
	if chance == 0 {
		return 0, errLostPut
	}
	version, err := u.DeadLetters.Put(ctx, l)
	if chance == 1 && err == nil {
		return 0, errLostPut
	}
	return version, err
}

// Three replicas replay the same letters, over and over, in any order, on a store that loses puts and answers; some of
// them hear late of the location. In the end every letter is applied, and every movement counts once.
func TestReplicasThatReplayTheSameLettersApplyEachOnce(t *testing.T) {
	const letters, rounds = 12, 8
	w := newWorld(t)
	var messages []ingest.Message
	for i := range letters {
		messages = append(messages, movement(fmt.Sprint("m", i), fmt.Sprint("sku-", i%3), "bonn", 1<<i, "received"))
	}
	var ids []string
	for _, l := range w.takeIn(t, messages...) {
		ids = append(ids, l.ID)
	}
	var all sync.WaitGroup
	for n := range 3 {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		r := w.deskOf(t, &unreliable{DeadLetters: w.store.DeadLetters(), rng: rand.New(rand.NewPCG(uint64(n), 2))})
		all.Go(func() {
			for round := range rounds {
				if round == 2*n {
					r.places.define("bonn")
				}
				for _, i := range rng.Perm(letters) {
					if _, err := r.desk.Replay(t.Context(), ids[i], fmt.Sprint("replica ", n)); err != nil && !errors.Is(err, commands.ErrUnavailable) {
						t.Errorf("replay: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	w.places.define("bonn")
	for _, id := range ids {
		if l := mustReplay(t, w.desk, id, "the last"); l.State != ingest.Replayed || fmt.Sprint(l.Applied) != "[1]" {
			t.Errorf("letter %+v", l)
		}
	}
	seen := map[string]bool{}
	for n := range 3 {
		sku := fmt.Sprint("sku-", n)
		var want int64
		for i := n; i < letters; i += 3 {
			want += 1 << i
		}
		if units, count := w.sellable(t, sku, "bonn"); units != want || count != letters/3 {
			t.Errorf("%s: %d units by %d movements, want %d by %d", sku, units, count, want, letters/3)
		}
		for _, m := range w.sources(t, sku) {
			seen[m.Source.MessageID] = true
		}
	}
	if len(seen) != letters {
		t.Errorf("%d messages are on the streams, want %d", len(seen), letters)
	}
}
