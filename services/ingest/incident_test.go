package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// afterIncident runs a service on a log to which something happened while the service was away, and returns the letter
// that reports it.
func afterIncident(t *testing.T, w *world, log *memLog, end int64) (*ingest.Service, ingest.DeadLetter) {
	t.Helper()
	w.ledger.mu.Lock()
	clear(w.ledger.saved)
	w.ledger.mu.Unlock()
	s := w.service(log)
	run(t, s)
	w.ledger.await(t, topic, 0, end)
	letters := w.letters(t)
	if len(letters) != 1 {
		t.Fatalf("letters %+v, want one that reports the incident", letters)
	}
	if !strings.Contains(s.Status()[0].Error, letters[0].Message) {
		t.Errorf("status %+v does not tell of it", s.Status()[0])
	}
	return s, letters[0]
}

// taken runs a service until it has taken in a log's messages.
func taken(t *testing.T, w *world, log *memLog, end int64) {
	t.Helper()
	stop := run(t, w.service(log))
	w.ledger.await(t, topic, 0, end)
	stop()
}

func TestRetentionThatRanPastUsIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1))
	taken(t, w, log, 1)
	log.append(0, received("m1", "a", 2), received("m2", "a", 4), received("m3", "a", 8))
	log.deleteBefore(0, 3)

	s, letter := afterIncident(t, w, log, 4)
	if letter.Reason != ingest.ReasonMessagesLost || letter.Offset != 1 || !strings.Contains(letter.Message, "2 messages, offsets 1 to 2") {
		t.Errorf("letter %+v", letter)
	}
	if x := s.Stats(); x.Lost != 2 || x.Replaced != 0 {
		t.Errorf("stats %+v", x)
	}
	w.awaitUnits(t, "a", 9)
	if _, err := w.desk.Replay(t.Context(), letter.ID, "ann"); err == nil || !strings.Contains(err.Error(), "discard it") {
		t.Errorf("replay of a report: %v", err)
	}
	if l, err := w.desk.Discard(t.Context(), letter.ID, "sent again", "ann"); err != nil || l.State != ingest.Discarded {
		t.Errorf("discard of a report: %+v, %v", l, err)
	}
}

func TestALogUnderTheSameNameIsReadFromItsStart(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1), received("m1", "a", 2))
	taken(t, w, log, 2)
	log.replace("log-2")
	log.append(0, received("n0", "a", 4), received("n1", "a", 8), received("m1", "a", 2), received("n2", "a", 16))

	s, letter := afterIncident(t, w, log, 4)
	if letter.Reason != ingest.ReasonLogReplaced {
		t.Errorf("letter %+v", letter)
	}
	if x := s.Stats(); x.Replaced != 1 || x.Duplicates != 1 || x.Facts != 3 {
		t.Errorf("stats %+v", x)
	}
	w.awaitUnits(t, "a", 31)
	if m := w.sources(t, "a")[2].Source; m.Topic != topic+"#1" || m.Offset != 0 {
		t.Errorf("origin of the first message of the new log: %+v", m)
	}
}

// The keys of the old log's messages are forgotten by then; offsets of the new log must not be taken for theirs.
func TestOffsetsOfAnotherLogAreNotTakenForDuplicates(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1), received("m1", "a", 2), received("m2", "a", 4))
	taken(t, w, log, 3)
	w.clock.advance(25 * time.Hour)
	log.append(0, received("m3", "a", 8)) // makes the SKU forget the keys before
	taken(t, w, log, 4)
	log.replace("log-2")
	log.append(0, received("n0", "a", 16), received("n1", "a", 32))
	afterIncident(t, w, log, 2)
	w.awaitUnits(t, "a", 63)
}

func TestALogThatLostItsEndCountsOnce(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	old := received("m0", "a", 1)
	old.Time = aggregates.At(today.Add(-48 * time.Hour))
	log.append(0, old, received("m1", "a", 2), received("m2", "a", 4), received("m3", "a", 8))
	taken(t, w, log, 4)
	w.clock.advance(25 * time.Hour)
	log.append(0, received("m4", "a", 16)) // makes the SKU forget the keys before
	taken(t, w, log, 5)
	log.cut(0, 1)
	fresh := received("n0", "a", 32)
	fresh.Time = w.clock.now()
	log.append(0, fresh)

	_, letter := afterIncident(t, w, log, 2)
	if letter.Reason != ingest.ReasonLogReplaced || !strings.Contains(letter.Message, "lost its end") {
		t.Errorf("letter %+v", letter)
	}
	w.awaitUnits(t, "a", 63)
}

func TestAnIncidentFoundTwiceIsOneLetter(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1))
	taken(t, w, log, 1)
	before, _, err := w.store.LoadOffset(t.Context(), topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	log.replace("log-2")
	log.append(0, received("n0", "a", 2))
	stop := run(t, w.service(log))
	w.awaitUnits(t, "a", 3)
	stop()
	if err := w.store.SaveOffset(t.Context(), topic, 0, before); err != nil { // as if a crash had lost the progress
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	afterIncident(t, w, log, 1)
	w.awaitUnits(t, "a", 3)
}

func TestABrokerThatHasJustTakenOverIsNoIncident(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1), received("m1", "a", 2))
	taken(t, w, log, 2)
	log.behind = 2
	log.append(0, received("m2", "a", 4))
	run(t, w.service(log))
	w.awaitUnits(t, "a", 7)
	if letters := w.letters(t); len(letters) != 0 {
		t.Errorf("letters %+v", letters)
	}
}

// A partition without messages has a place to go on from, too: without it, what came and was deleted while the service
// was away would be missing in silence.
func TestRetentionThatRanPastAnEmptyPartitionIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	stop := run(t, w.service(log))
	until(t, "the partition to be known", func() bool {
		_, known, err := w.store.LoadOffset(t.Context(), topic, 0)
		return err == nil && known
	})
	stop()
	log.append(0, received("m0", "a", 1), received("m1", "a", 2), received("m2", "a", 4))
	log.deleteBefore(0, 2)

	_, letter := afterIncident(t, w, log, 3)
	if letter.Reason != ingest.ReasonMessagesLost || letter.Offset != 0 || !strings.Contains(letter.Message, "2 messages, offsets 0 to 1") {
		t.Errorf("letter %+v", letter)
	}
	w.awaitUnits(t, "a", 4)
}

// What was read before the log deleted it is not lost, however long the store takes to be there again.
func TestWhatWasReadOutlivesItsDeletion(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	for i := range 5 {
		log.append(0, received(fmt.Sprint("m", i), "a", 1))
	}
	w.outage.down.Store(true)
	s := w.service(log)
	run(t, s)
	w.awaitRefusals(t, 1)
	log.skip(0, 99)
	log.append(0, received("m99", "a", 1))
	w.awaitRefusals(t, w.outage.refused.Load()+2)
	w.outage.down.Store(false)
	w.ledger.await(t, topic, 0, 100)
	w.awaitUnits(t, "a", 6)
	if lost := s.Stats().Lost; lost != 94 {
		t.Errorf("%d messages are said to be lost, want 94", lost)
	}
}
