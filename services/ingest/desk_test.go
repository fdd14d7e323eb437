package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

// takeIn takes messages in and returns the dead letters that there are then.
func (w *world) takeIn(t *testing.T, messages ...ingest.Message) []ingest.DeadLetter {
	t.Helper()
	log := newLog(topic, 1)
	log.append(0, messages...)
	w.ledger.mu.Lock()
	clear(w.ledger.saved)
	w.ledger.mu.Unlock()
	if err := w.store.SaveOffset(t.Context(), topic, 0, ingest.Progress{LogID: log.id}); err != nil {
		t.Fatal(err)
	}
	taken(t, w, log, int64(len(messages)))
	return w.letters(t)
}

// register describes a SKU.
type register struct{ request domain.RegisterRequest }

func (r register) Decide(s *domain.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	_, events, err := domain.Register(s, r.request, m, now)
	return events, err
}

func (w *world) register(t *testing.T, sku string, decimals int) {
	t.Helper()
	m := aggregates.Metadata{IdempotencyKey: fmt.Sprint("register ", sku, decimals)}
	if _, err := w.streams.Do(t.Context(), sku, m, register{domain.RegisterRequest{Unit: "kg", Decimals: decimals}}); err != nil {
		t.Fatal(err)
	}
}

func TestADeadLetterIsAppliedOnceItsLocationIsDefined(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, movement("m1", "a", "bonn", 5, "received"), movement("m2", "a", "bonn", 2, "sold"), movement("m3", "a", "kiel", 1, "received"))
	s := w.service(log)
	run(t, s)
	w.ledger.await(t, topic, 0, 3)
	if n := len(w.letters(t)); n != 3 {
		t.Fatalf("%d letters, want 3", n)
	}
	w.places.define("bonn")
	w.desk.PolicyChanged(policies.Change{LocationDefined: "bonn"})
	until(t, "the replays", func() bool { units, _ := w.sellable(t, "a", "bonn"); return units == 3 })
	until(t, "the letters to be done", func() bool { return len(w.letters(t)) == 1 })
	if left := w.letters(t)[0]; left.Location != "kiel" || left.Attempts != 1 {
		t.Errorf("letter left: %+v", left)
	}
	until(t, "the replays to be counted", func() bool { return s.Stats().Replayed == 2 })
	if x := s.Stats(); x.Kept[stock.ReasonUnknownLocation] != 3 {
		t.Errorf("stats %+v", x)
	}
	source := w.sources(t, "a")[0].Source
	if source.Topic != topic || source.MessageID == "" {
		t.Errorf("the replayed fact says nothing of its origin: %+v", source)
	}
}

func TestLettersWhoseLocationWasDefinedWhileStoppedAreReplayedAtStart(t *testing.T) {
	w := newWorld(t)
	letters := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))
	w.close(t)
	w.open(t)
	w.places.define("bonn")
	run(t, w.service(newLog(topic, 1)))
	until(t, "the replay", func() bool { return w.letter(t, letters[0].ID).State == ingest.Replayed })
	if l := w.letter(t, letters[0].ID); l.Note != "replayed by stockfold" || l.Attempts != 2 {
		t.Errorf("letter %+v", l)
	}
}

// definedLate defines a location right after it was looked up in vain, and has the desk look for letters before the
// letter is there.
type definedLate struct {
	ingest.DeadLetters
	w      *world
	once   sync.Once
	listed chan struct{}
}

func (d *definedLate) List(ctx context.Context, q ingest.Query) ([]ingest.DeadLetter, bool, error) {
	letters, more, err := d.DeadLetters.List(ctx, q)
	d.listed <- struct{}{}
	return letters, more, err
}

func (d *definedLate) Put(ctx context.Context, l ingest.DeadLetter) (uint64, error) {
	d.once.Do(func() {
		<-d.listed // at start
		d.w.places.define(l.Location)
		d.w.desk.PolicyChanged(policies.Change{LocationDefined: l.Location})
		<-d.listed // and found nothing
	})
	return d.DeadLetters.Put(ctx, l)
}

func TestALocationDefinedWhileItsLetterIsWrittenIsNotMissed(t *testing.T) {
	w := newWorld(t)
	late := &definedLate{DeadLetters: w.store.DeadLetters(), w: w, listed: make(chan struct{}, 100)}
	w.desk = ingest.NewDeadLetterDesk(late, w.recorder, w.clock.now, quiet)
	log := newLog(topic, 1)
	run(t, w.service(log))
	log.append(0, movement("m1", "a", "bonn", 5, "received"))
	until(t, "the replay", func() bool { units, _ := w.sellable(t, "a", "bonn"); return units == 5 })
}

func TestAReplayThatFailsStaysWithItsNewReason(t *testing.T) {
	w := newWorld(t)
	letters := w.takeIn(t, ce(ingest.TypeMovement, "m1", `{"sku":"kg","location":"bonn","decimal":"1.25","received":{}}`))
	if letters[0].Reason != stock.ReasonUnknownLocation {
		t.Fatalf("letter %+v", letters[0])
	}
	w.register(t, "kg", 1)
	w.places.define("bonn")
	w.clock.advance(time.Minute)
	l, err := w.desk.Replay(t.Context(), letters[0].ID, "ann")
	if err != nil || l.State != ingest.Open || l.Reason != stock.ReasonTooManyDecimals || l.Location != "" || l.Attempts != 2 ||
		l.LastTriedAt != w.clock.now() || !strings.Contains(l.Note, "ann") {
		t.Errorf("letter %+v, %v", l, err)
	}
	w.register(t, "kg", 2)
	if l, err = w.desk.Replay(t.Context(), l.ID, "ann"); err != nil || l.State != ingest.Replayed || l.Note != "replayed by ann" {
		t.Errorf("letter %+v, %v", l, err)
	}
	if units, _ := w.sellable(t, "kg", "bonn"); units != 125 {
		t.Errorf("%d units, want 125", units)
	}
	if l, err = w.desk.Replay(t.Context(), l.ID, "bob"); err != nil || l.Note != "replayed by ann" {
		t.Errorf("replayed again: %+v, %v", l, err)
	}
	if _, n := w.sellable(t, "kg", "bonn"); n != 1 {
		t.Errorf("%d movements, want 1", n)
	}
}

func TestDiscardedLettersStayDiscarded(t *testing.T) {
	w := newWorld(t)
	m := movement("m1", "a", "bonn", 5, "received")
	id := w.takeIn(t, m)[0].ID
	for range 2 {
		if l, err := w.desk.Discard(t.Context(), id, "test data", "ann"); err != nil || l.State != ingest.Discarded ||
			l.Note != "discarded by ann: test data" {
			t.Errorf("discard: %+v, %v", l, err)
		}
	}
	if left := w.takeIn(t, m); len(left) != 0 { // delivered again
		t.Errorf("letters %+v, want none", left)
	}
	var closed *ingest.StateError
	if _, err := w.desk.Replay(t.Context(), id, "ann"); !errors.As(err, &closed) {
		t.Errorf("replay of a discarded letter: %v", err)
	}
	w.places.define("bonn")
	id2 := w.takeIn(t, m, movement("m2", "a", "kiel", 5, "received"))[0].ID
	w.places.define("kiel")
	if _, err := w.desk.Replay(t.Context(), id2, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Discard(t.Context(), id2, "x", "ann"); !errors.As(err, &closed) {
		t.Errorf("discard of an applied letter: %v", err)
	}
	for _, call := range []func(context.Context, string) error{
		func(ctx context.Context, id string) error { _, err := w.desk.Replay(ctx, id, ""); return err },
		func(ctx context.Context, id string) error { _, err := w.desk.Discard(ctx, id, "", ""); return err },
	} {
		if err := call(t.Context(), "none"); !errors.Is(err, ingest.ErrNoDeadLetter) {
			t.Errorf("a letter that is not there: %v", err)
		}
	}
}

func TestAReplayedFactOlderThanWhatIsRememberedCounts(t *testing.T) {
	w := newWorld(t)
	letters := w.takeIn(t, movement("m0", "a", "bonn", 1, "received"), received("m1", "a", 2))
	w.clock.advance(25 * time.Hour)
	w.recordByRPC(t, "later", "a", "berlin") // the SKU forgets m1's key, and keeps its offset, which is higher
	w.places.define("bonn")
	if l, err := w.desk.Replay(t.Context(), letters[0].ID, "ann"); err != nil || l.State != ingest.Replayed {
		t.Fatalf("%+v, %v", l, err)
	}
	if units, _ := w.sellable(t, "a", "bonn"); units != 1 {
		t.Errorf("%d units, want 1: the letter was taken for a duplicate", units)
	}
}

func (w *world) rpcMovement(id, sku, location string) *pb.Movement {
	return &pb.Movement{
		MovementId: id, Source: "wms", Sku: sku, Location: location, Quantity: 3, OccurredAt: timestamppb.New(w.clock.now().Time()),
		Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}},
	}
}

func (w *world) recordByRPC(t *testing.T, id, sku, location string) {
	t.Helper()
	f, err := w.recorder.Movement(w.rpcMovement(id, sku, location), "", aggregates.Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := w.recorder.Record(t.Context(), []stock.Fact{f})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
}

func TestAMovementByRPCIsKeptAndReplayed(t *testing.T) {
	w := newWorld(t)
	m := w.rpcMovement("m1", "a/b", "bonn")
	_, err := w.recorder.Movement(m, "", aggregates.Metadata{})
	id, err := w.desk.KeepMovement(t.Context(), m, stock.Reject(err))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.desk.KeepMovement(t.Context(), w.rpcMovement("m1", "a/b", "bonn"), &stock.Rejection{Reason: "OTHER"})
	if err != nil || again != id {
		t.Errorf("kept again as %s, %v; want %s", again, err, id)
	}
	l := w.letter(t, id)
	if l.Topic != ingest.TopicRPC || l.Reason != stock.ReasonUnknownLocation || l.Location != "bonn" || !json.Valid(l.Value) || string(l.Key) != "a/b" {
		t.Errorf("letter %+v", l)
	}
	other := w.rpcMovement("m1", "a/b", "bonn")
	other.Quantity = 4
	if different, err := w.desk.KeepMovement(t.Context(), other, &stock.Rejection{Reason: "OTHER"}); err != nil || different == id {
		t.Errorf("a movement with other contents is kept as %s, %v", different, err)
	}
	w.places.define("bonn")
	if l, err := w.desk.Replay(t.Context(), id, "ann"); err != nil || l.State != ingest.Replayed {
		t.Errorf("replay: %+v, %v", l, err)
	}
	if units, _ := w.sellable(t, "a/b", "bonn"); units != 3 {
		t.Errorf("%d units, want 3", units)
	}
}

// A sale whose id was used before: its lines that the first one had conflict, the added one is applied. However late the
// letter is replayed, that line counts once.
func TestLinesThatWereAppliedAreLeftOutOfAReplay(t *testing.T) {
	w := newWorld(t)
	letters := w.takeIn(t, sale("s1", `a "quantity":1`), sale("s1", `a "quantity":2`, `b "quantity":3`))
	if len(letters) != 1 || fmt.Sprint(letters[0].Applied) != "[2]" || !strings.Contains(letters[0].Message, "lines [2] are applied") ||
		!strings.Contains(letters[0].Message, `line 1, SKU "a"`) {
		t.Fatalf("letters %+v", letters)
	}
	if l, err := w.desk.Replay(t.Context(), letters[0].ID, "ann"); err != nil || l.State != ingest.Open || fmt.Sprint(l.Applied) != "[2]" {
		t.Errorf("replay while the id is remembered: %+v, %v", l, err)
	}
	w.clock.advance(25 * time.Hour)
	w.recordByRPC(t, "later", "a", "berlin") // both SKUs forget the sale
	w.recordByRPC(t, "later", "b", "berlin")
	if l, err := w.desk.Replay(t.Context(), letters[0].ID, "ann"); err != nil || l.State != ingest.Replayed {
		t.Fatalf("replay after the id is forgotten: %+v, %v", l, err)
	}
	if units, _ := w.sellable(t, "a", "berlin"); units != 3-1-2 {
		t.Errorf("a: %d units, want 0", units)
	}
	if units, _ := w.sellable(t, "b", "berlin"); units != 0 {
		t.Errorf("b: %d units, want 0: its line counts once", units)
	}
}

// cutShort is a store whose second write of a letter never comes: the process dies in a replay.
type cutShort struct {
	ingest.DeadLetters
	puts int
}

func (c *cutShort) Put(ctx context.Context, l ingest.DeadLetter) (uint64, error) {
	if c.puts++; c.puts > 1 {
		return 0, errors.New("died")
	}
	return c.DeadLetters.Put(ctx, l)
}

func TestAReplayCutShortIsFinishedAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	letters := w.takeIn(t, ce(ingest.TypeMovement, "m1", `{"sku":"kg","location":"berlin","decimal":"1.5","received":{}}`),
		ce(ingest.TypeMovement, "m2", `{"sku":"kg","location":"berlin","decimal":"2.5","received":{}}`))
	w.register(t, "kg", 1)
	dying := ingest.NewDeadLetterDesk(&cutShort{DeadLetters: w.store.DeadLetters()}, w.recorder, w.clock.now, quiet)
	if _, err := dying.Replay(t.Context(), letters[0].ID, "ann"); err == nil {
		t.Fatal("the replay was not cut short")
	}
	if l := w.letter(t, letters[0].ID); l.State != ingest.Open {
		t.Fatalf("letter %+v", l)
	}
	w.close(t)
	w.open(t)
	run(t, w.service(newLog("another", 1)))
	until(t, "the replay to be finished", func() bool { return w.letter(t, letters[0].ID).State == ingest.Replayed })
	if units, n := w.sellable(t, "kg", "berlin"); units != 15 || n != 1 {
		t.Errorf("%d units by %d movements, want 15 by 1", units, n)
	}
	if left := w.letters(t); len(left) != 1 || left[0].Attempts != 1 {
		t.Errorf("letters %+v, want the one that nobody asked to replay", left)
	}
}

func TestManyWhoReplayOneLetterApplyItOnce(t *testing.T) {
	w := newWorld(t)
	id := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))[0].ID
	w.places.define("bonn")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if l, err := w.desk.Replay(t.Context(), id, "ann"); err != nil || l.State != ingest.Replayed || l.Attempts != 2 {
				t.Errorf("replay: %+v, %v", l, err)
			}
		})
	}
	all.Wait()
	if units, n := w.sellable(t, "a", "bonn"); units != 5 || n != 1 {
		t.Errorf("%d units by %d movements, want 5 by 1", units, n)
	}
}

func TestAReplayDuringAnOutageMayBeRepeated(t *testing.T) {
	w := newWorld(t)
	id := w.takeIn(t, movement("m1", "a", "bonn", 5, "received"))[0].ID
	w.places.define("bonn")
	w.outage.down.Store(true)
	if _, err := w.desk.Replay(t.Context(), id, "ann"); !stock.Temporary(err) {
		t.Errorf("replay during an outage: %v", err)
	}
	w.outage.down.Store(false)
	if l, err := w.desk.Replay(t.Context(), id, "ann"); err != nil || l.State != ingest.Replayed {
		t.Errorf("replay after it: %+v, %v", l, err)
	}
}

func TestASaleIsAppliedWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	w.register(t, "kg", 1)
	letters := w.takeIn(t, sale("s1", `a "quantity":1`, `kg "decimal":"1.5"`, `b "quantity":1`),
		sale("s2", `a "quantity":1`, `kg "decimal":"1.55"`, `b "quantity":1`),
		sale("s3", `a "quantity":1`, `b "quantity":-1`))
	if len(letters) != 2 || len(letters[0].Applied)+len(letters[1].Applied) != 0 {
		t.Fatalf("letters %+v", letters)
	}
	for sku, want := range map[string]int64{"a": -1, "b": -1, "kg": -15} {
		if units, _ := w.sellable(t, sku, "berlin"); units != want {
			t.Errorf("%s: %d units, want %d", sku, units, want)
		}
	}
}
