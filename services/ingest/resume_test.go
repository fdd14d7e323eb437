package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/stock"
)

func TestWhereReadingGoesOn(t *testing.T) {
	const saved = aggregates.Instant(1_800_000_000_000_000)
	at100 := Progress{Next: 100, LogID: "x", SavedAt: saved}
	cases := map[string]struct {
		saved  Progress
		known  bool
		log    Bounds
		want   Progress
		reason string
		lost   int64
	}{
		"for the first time, from the start": {log: Bounds{"x", 7, 9}, want: Progress{Next: 7, LogID: "x"}},
		"where it was left":                  {saved: at100, known: true, log: Bounds{"x", 0, 200}, want: at100},
		"at the very end":                    {saved: at100, known: true, log: Bounds{"x", 100, 100}, want: at100},
		"the broker begins to tell identities": {saved: Progress{Next: 100, SavedAt: saved}, known: true, log: Bounds{"x", 0, 200},
			want: at100},
		"the broker no longer tells identities": {saved: at100, known: true, log: Bounds{"", 0, 200}, want: at100},
		"messages were deleted unread": {saved: at100, known: true, log: Bounds{"x", 130, 200},
			want: Progress{Next: 130, LogID: "x", SavedAt: saved}, reason: ReasonMessagesLost, lost: 30},
		"another log, though it is longer": {saved: at100, known: true, log: Bounds{"y", 0, 500},
			want: Progress{Next: 0, Epoch: 1, LogID: "y"}, reason: ReasonLogReplaced},
		"another log for the second time": {saved: Progress{Next: 5, Epoch: 1, LogID: "y"}, known: true, log: Bounds{"z", 3, 4},
			want: Progress{Next: 3, Epoch: 2, LogID: "z"}, reason: ReasonLogReplaced},
		"a shorter log without identity": {saved: Progress{Next: 100, SavedAt: saved}, known: true, log: Bounds{"", 0, 20},
			want: Progress{Next: 0, Epoch: 1}, reason: ReasonLogReplaced},
		"the same log without its end": {saved: at100, known: true, log: Bounds{"x", 10, 90},
			want:   Progress{Next: 10, Epoch: 1, LogID: "x", AppliedBelow: 100, AppliedBefore: saved.Add(-12 * time.Hour)},
			reason: ReasonLogReplaced},
	}
	for name, c := range cases {
		got, found := resolve(c.saved, c.known, c.log)
		if got != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, c.want)
		}
		switch {
		case found == nil && c.reason != "":
			t.Errorf("%s: no incident, want %s", name, c.reason)
		case found != nil && (found.rejection.Reason != c.reason || found.lost != c.lost):
			t.Errorf("%s: incident %+v, want %s, lost %d", name, found, c.reason, c.lost)
		}
	}
}

func TestWhatWasAppliedBeforeALogLostItsEnd(t *testing.T) {
	p := Progress{Next: 0, Epoch: 1, AppliedBelow: 100, AppliedBefore: 5000}
	for _, c := range []struct {
		offset int64
		time   aggregates.Instant
		want   bool
	}{{99, 4999, true}, {100, 4999, false}, {99, 5000, false}, {99, 0, false}} {
		if got := p.appliedEarlier(&Message{Offset: c.offset, Time: c.time}); got != c.want {
			t.Errorf("offset %d at %d: %v, want %v", c.offset, c.time, got, c.want)
		}
	}
	if (&Progress{Next: 50}).appliedEarlier(&Message{Offset: 1, Time: 1}) {
		t.Error("without such an incident nothing is left out")
	}
}

func TestLetterIdsAreInOrderOfTimeAndTellMessagesApart(t *testing.T) {
	ids := []string{
		letterID(-1, "a"), letterID(1_000, "a"), letterID(999_000_000, "a"), letterID(1_700_000_000_000_000, "a"),
		letterID(1_700_000_000_001_000, "a"),
	}
	for i := 1; i < len(ids); i++ {
		if ids[i] <= ids[i-1] {
			t.Errorf("%s does not come after %s", ids[i], ids[i-1])
		}
	}
	if letterID(5, "a", "bc") == letterID(5, "ab", "c") {
		t.Error("two messages have one id")
	}
	again := letterID(1_700_000_000_000_000, "a")
	if again != ids[3] {
		t.Errorf("one message has ids %s and %s", ids[3], again)
	}
	if n := len(letterID(1<<62, "a")); n != len(ids[0]) {
		t.Errorf("a time far ahead makes an id of %d characters, want %d", n, len(ids[0]))
	}
}

func TestPausesGrowUpToABound(t *testing.T) {
	b := backoff{}
	for i := range 100 {
		if p := b.next(); p > lastPause || p < min(firstPause<<min(i, 10), lastPause)*3/4 {
			t.Fatalf("pause %d is %v", i, p)
		}
	}
}

func TestAMessageTooLargeToKeepIsNamed(t *testing.T) {
	m := &Message{Topic: "t", Partition: 3, Offset: 7, Key: []byte("k"), Value: make([]byte, maxKeptBytes)}
	l := letterOf(m, 0, &stock.Rejection{Reason: ReasonMalformed, Message: "not JSON"})
	if l.Value != nil || !strings.Contains(l.Message, "8388609 bytes") || l.Topic != "t" || l.Offset != 7 {
		t.Errorf("letter %+v", l)
	}
	m.Value = m.Value[1:]
	if l := letterOf(m, 0, &stock.Rejection{}); len(l.Value) != len(m.Value) {
		t.Errorf("%d bytes are kept of %d", len(l.Value), len(m.Value))
	}
}

func TestTheLogTellsOfLettersNowAndThen(t *testing.T) {
	var c counters
	var told []uint64
	for i := range 30 {
		told = append(told, c.kept("A", aggregates.Instant(i)*aggregates.Second))
	}
	if want := "[1 0 0 0 0 0 0 0 0 0 10 0 0 0 0 0 0 0 0 0 10 0 0 0 0 0 0 0 0 0]"; fmt.Sprint(told) != want {
		t.Errorf("told of %v", told)
	}
	if c.kept("B", 0) != 1 || c.reasons["A"] != 30 {
		t.Error("each reason is told of by itself, and each letter counts")
	}
}
