package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/ingest"
)

// numbered is a receipt of one unit, with its source's number under a key.
func numbered(n int, key string) ingest.Message {
	m := with(received(fmt.Sprint(key, "-", n), "milk", 1), "ce_sequence", fmt.Sprint(n))
	m.Key = []byte(key)
	return m
}

func (w *world) gaps(t *testing.T) (text string) {
	t.Helper()
	list, more, err := w.desk.OpenGaps(context.Background(), 100)
	if err != nil || more {
		t.Fatal(err, more)
	}
	for _, g := range list {
		text += fmt.Sprintf("%s/%s %d-%d (%d) ", g.System, g.PartitionKey, g.First, g.Last, g.Missing)
	}
	return strings.TrimSpace(text)
}

func (w *world) awaitGaps(t *testing.T, want string) {
	t.Helper()
	until(t, "gaps "+want, func() bool { return w.gaps(t) == want })
}

func TestAGapInASourcesNumbersIsAnIncidentUntilItIsFilled(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	s := w.service(log)
	stop := run(t, s)
	log.append(0, numbered(1, "a"), numbered(2, "a"), numbered(6, "a"), numbered(7, "b"))
	w.awaitGaps(t, "pos-1/a 3-5 (3)")
	letter := w.letters(t)[0]
	if letter.Reason != ingest.ReasonSequenceGap || !strings.Contains(letter.Message, "3 missing, number 3 to 5") ||
		letter.Topic != topic || letter.Offset != 2 || string(letter.Key) != "a" {
		t.Errorf("letter %+v", letter)
	}
	log.append(0, numbered(4, "a"), numbered(4, "a"))
	w.awaitGaps(t, "pos-1/a 3-5 (2)")
	w.awaitUnits(t, "milk", 5)
	stop()
	stop = run(t, w.service(log)) // another replica takes it up
	log.append(0, numbered(3, "a"), numbered(5, "a"), numbered(7, "a"), numbered(8, "b"))
	w.awaitGaps(t, "")
	w.awaitUnits(t, "milk", 9)
	stop()
	if l := w.letter(t, letter.ID); l.State != ingest.Replayed || !strings.Contains(l.Message, "3 to 5 were missing and have all come") {
		t.Errorf("once it is filled: %+v", l)
	}
	if n := s.Stats().Kept[ingest.ReasonSequenceGap]; n != 1 {
		t.Errorf("%d gaps counted", n)
	}
}

// A crash loses what was not saved; what is read again makes up no gap, and what was seen is not forgotten.
func TestACrashMakesUpNoGap(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	stop := run(t, w.service(log))
	log.append(0, numbered(1, "a"), numbered(3, "a"))
	w.awaitGaps(t, "pos-1/a 2-2 (1)")
	w.ledger.await(t, topic, 0, 2)
	var early ingest.Progress
	w.ledger.each(func(p ingest.Progress) { early = p })
	log.append(0, numbered(2, "a"), numbered(5, "a"), numbered(6, "a"), numbered(4, "a"), numbered(8, "a"))
	w.awaitGaps(t, "pos-1/a 7-7 (1)")
	stop()
	if err := w.store.SaveOffset(t.Context(), topic, 0, early); err != nil { // as if nothing of that had been saved
		t.Fatal(err)
	}
	stop = run(t, w.service(log))
	w.ledger.await(t, topic, 0, 7)
	log.append(0, numbered(9, "a"))
	w.ledger.await(t, topic, 0, 8)
	w.awaitGaps(t, "pos-1/a 7-7 (1)")
	stop()
	w.awaitUnits(t, "milk", 8)
	if open := len(w.letters(t)); open != 1 {
		t.Errorf("%d letters are open", open)
	}
}

func TestADiscardedGapStaysDiscarded(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	run(t, w.service(log))
	log.append(0, numbered(1, "a"), numbered(5, "a"))
	w.awaitGaps(t, "pos-1/a 2-4 (3)")
	id := w.letters(t)[0].ID
	var refused *ingest.NotReplayableError
	if _, err := w.desk.Replay(t.Context(), id, "ann"); !errors.As(err, &refused) {
		t.Errorf("replayed: %v", err)
	}
	if _, err := w.desk.Discard(t.Context(), id, "the source numbers its tests", "ann"); err != nil {
		t.Fatal(err)
	}
	log.append(0, numbered(3, "a"), numbered(6, "a"))
	w.awaitUnits(t, "milk", 4)
	w.ledger.await(t, topic, 0, 4)
	if l := w.letter(t, id); l.State != ingest.Discarded || w.gaps(t) != "" {
		t.Errorf("letter %+v", l)
	}
}

// Somebody discards a gap just as some of its numbers come.
func TestAGapDiscardedWhileItIsToldStaysDiscarded(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	letters := &meanwhile{DeadLetters: w.store.DeadLetters(), before: map[int]func(){2: func() {
		if _, err := w.desk.Discard(t.Context(), w.letters(t)[0].ID, "the source numbers its tests", "ann"); err != nil {
			t.Error(err)
		}
	}}}
	run(t, ingest.New(ingest.Config{Consumer: log, Recorder: w.recorder, Now: w.clock.now, Log: quiet, Offsets: w.ledger,
		Desk: ingest.NewDeadLetterDesk(letters, w.recorder, w.clock.now, quiet)}))
	log.append(0, numbered(1, "a"), numbered(5, "a"))
	w.awaitGaps(t, "pos-1/a 2-4 (3)")
	id := w.letters(t)[0].ID
	log.append(0, numbered(3, "a"))
	w.ledger.await(t, topic, 0, 3)
	if l := w.letter(t, id); l.State != ingest.Discarded || letters.puts < 2 {
		t.Errorf("letter %+v after %d puts", l, letters.puts)
	}
}

// What went to the dead letters has come; what has no number that can be counted with leaves no gaps.
func TestWhatCameIsNotMissing(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	s := w.service(log)
	run(t, s)
	nowhere := with(movement("x", "milk", "atlantis", 1, "received"), "ce_sequence", "2")
	unknown := with(with(received("y", "milk", 1), "ce_sequence", "3"), "ce_type", "other")
	nowhere.Key, unknown.Key = []byte("a"), []byte("a")
	log.append(0, numbered(1, "a"), nowhere, unknown, numbered(4, "a"))
	for _, sequence := range []string{"2026-01", "2026-09", "", "99999999999999999999"} {
		m := with(received("s"+sequence, "milk", 1), "ce_sequence", sequence)
		m.Key = []byte("b")
		log.append(0, m)
	}
	w.ledger.await(t, topic, 0, 8)
	if got := w.gaps(t); got != "" || s.Stats().Unfollowed != 0 {
		t.Errorf("gaps %s, unfollowed %d", got, s.Stats().Unfollowed)
	}
}

func TestTheStoreBeingAwayLosesNoGap(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 1)
	s := w.service(log)
	run(t, s)
	log.append(0, numbered(1, "a"))
	w.awaitUnits(t, "milk", 1)
	w.outage.down.Store(true)
	log.append(0, numbered(4, "a"), numbered(3, "a"))
	w.awaitRefusals(t, 1)
	w.outage.down.Store(false)
	w.awaitUnits(t, "milk", 3)
	w.awaitGaps(t, "pos-1/a 2-2 (1)")
}

// An older value of a source that numbers its messages arrives late, by Kafka.
func TestAnOlderCountIsSuperseded(t *testing.T) {
	w, log := newWorld(t), newLog(topic, 2)
	s := w.service(log)
	run(t, s)
	count := func(n, units int, key string) ingest.Message {
		return with(with(movement(fmt.Sprint("c", n), "milk", "berlin", units, "counted"), "ce_sequence", fmt.Sprint(n)), "ce_partitionkey", key)
	}
	log.append(0, count(10, 12, "a"))
	w.awaitUnits(t, "milk", 12)
	log.append(1, count(9, 30, "a"))
	w.ledger.await(t, topic, 1, 1)
	if units, _ := w.sellable(t, "milk", "berlin"); units != 12 {
		t.Errorf("%d units", units)
	}
	var by domain.SupersededBy
	err := w.store.ReadStream(t.Context(), aggregates.SKUPrefix+"milk", 2, func(r aggregates.Record) bool {
		e, m, err := codec.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if by = e.(*domain.StockCounted).Superseded; m.Source.Sequence != "9" || m.Source.PartitionKey != "a" {
			t.Errorf("source %+v", m.Source)
		}
		return true
	})
	if err != nil || by != (domain.SupersededBy{Revision: 1, Sequence: "10"}) {
		t.Errorf("superseded by %+v, %v", by, err)
	}
	if d := w.recorder.Delays(); len(d) != 1 || d[0].Superseded != 1 {
		t.Errorf("counted: %+v", d)
	}
}
