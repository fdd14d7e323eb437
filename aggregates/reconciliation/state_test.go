package reconciliation

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

var monday = Header{Source: "erp", Document: "monday", AsOf: 7}

// of folds events, each a microsecond after the one before, with its place as the fingerprint.
func of(events ...aggregates.Event) *State {
	s := &State{}
	for i, e := range events {
		m := aggregates.Metadata{RecordedAt: aggregates.Instant(i + 1)}
		if r, ok := e.(*RowsTaken); ok {
			m.Fingerprint = uint64(r.Chunk)
		}
		s.Evolve(e, m)
	}
	return s
}

func rows(chunk int, last bool) *RowsTaken {
	return &RowsTaken{Chunk: chunk, Last: last, Rows: []Row{{SKU: "milk"}}}
}

func TestARunBeginsOnce(t *testing.T) {
	if events, err := Start(of(), "r", monday); err != nil || len(events) != 1 {
		t.Errorf("got %v, %v", events, err)
	}
	if events, err := Start(of(&Started{monday}), "r", monday); err != nil || len(events) != 0 {
		t.Errorf("again: %v, %v", events, err)
	}
	other := monday
	other.Policy = Correct
	var another *AnotherError
	if _, err := Start(of(&Started{monday}), "r", other); !errors.As(err, &another) || another.RunID != "r" {
		t.Errorf("another of its name: %v", err)
	}
}

func TestAChunkIsTakenOnce(t *testing.T) {
	started := &Started{monday}
	for name, x := range map[string]struct {
		state *State
		chunk *RowsTaken
		print uint64
		taken int
		err   error
	}{
		"of nothing":             {of(), rows(0, true), 0, 0, ErrNotStarted},
		"the first":              {of(started), rows(0, false), 0, 1, nil},
		"again":                  {of(started, rows(0, false)), rows(0, false), 0, 0, nil},
		"with other rows":        {of(started, rows(0, false)), rows(0, false), 9, 0, ErrOtherRows},
		"the last first":         {of(started), rows(2, true), 2, 1, nil},
		"one before it":          {of(started, rows(2, true)), rows(1, false), 1, 1, nil},
		"one behind it":          {of(started, rows(2, true)), rows(3, false), 3, 0, ErrBeyondLast},
		"the last before others": {of(started, rows(2, false)), rows(1, true), 1, 0, ErrBeyondLast},
		"another last":           {of(started, rows(2, true)), rows(1, true), 1, 0, ErrLastTwice},
		"beyond all bounds":      {of(started), rows(MaxChunks, false), 0, 0, ErrTooLong},
		"before the first":       {of(started), rows(-1, false), 0, 0, ErrTooLong},
		"too many rows":          {of(started), &RowsTaken{Rows: make([]Row, MaxChunkRows), Refused: make([]Refused, 1)}, 0, 0, ErrTooLong},
	} {
		before := fmt.Sprintf("%+v", *x.state)
		events, err := Take(x.state, *x.chunk, x.print)
		if !errors.Is(err, x.err) || len(events) != x.taken {
			t.Errorf("%s: %v, %v", name, events, err)
		}
		if after := fmt.Sprintf("%+v", *x.state); after != before {
			t.Errorf("%s: the decision changed %s to %s", name, before, after)
		}
	}
}

func TestARunIsWholeOnceEveryChunkCame(t *testing.T) {
	s := of(&Started{monday})
	for i, step := range []struct {
		chunk *RowsTaken
		whole bool
	}{{rows(2, true), false}, {rows(0, false), false}, {rows(1, false), true}} {
		if s.Evolve(step.chunk, aggregates.Metadata{RecordedAt: 9}); s.Whole() != step.whole || s.Rows != int64(i+1) || s.RowsAt != 9 {
			t.Errorf("after chunk %d: %+v", step.chunk.Chunk, s)
		}
	}
	if of(&Started{monday}).Whole() {
		t.Error("a run without chunks is whole")
	}
}

func TestPartsAreKeptInOrder(t *testing.T) {
	s := of(&Started{monday}, rows(0, true), &Found{Part: 0, Through: "milk"}, &Found{Part: 1})
	if s.Parts != 2 {
		t.Errorf("%d parts", s.Parts)
	}
	for part, want := range map[int64]error{0: ErrOvertaken, 1: ErrOvertaken, 2: nil, 3: ErrOvertaken} {
		events, err := Keep(s, Found{Part: part})
		if !errors.Is(err, want) || (err == nil) != (len(events) == 1) {
			t.Errorf("part %d: %v, %v", part, events, err)
		}
	}
	s.Evolve(&Completed{}, aggregates.Metadata{RecordedAt: 12})
	for part := range int64(4) {
		if events, err := Keep(s, Found{Part: part}); err != nil || len(events) != 0 {
			t.Errorf("part %d of a completed run: %v, %v", part, events, err)
		}
	}
	if events, err := Complete(s, Completed{}); err != nil || len(events) != 0 || s.EndedAt != 12 {
		t.Errorf("it is completed again: %v, %v", events, err)
	}
}

func TestTheListHasRunsThatAreOpen(t *testing.T) {
	l := &List{}
	tell := func(events []aggregates.Event, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			l.Evolve(e, aggregates.Metadata{})
		}
		return len(events)
	}
	if n := tell(l.Add("r", monday)) + tell(l.Add("r", monday)); n != 1 || l.Open["r"] != monday {
		t.Errorf("listed by %d events, open are %v", n, l.Open)
	}
	if n := tell(l.End("r", Totals{Rows: 1})); n != 1 || len(l.Open) != 0 {
		t.Errorf("ended by %d events, open are %v", n, l.Open)
	}
	if n := tell(l.End("r", Totals{})) + tell(l.End("none", Totals{})); n != 0 {
		t.Errorf("what is not open ended by %d events", n)
	}
	for i := range MaxOpen {
		tell(l.Add(fmt.Sprint(i), monday))
	}
	if _, err := l.Add("more", monday); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v", err)
	}
	if events, err := l.Add("7", monday); err != nil || len(events) != 0 {
		t.Errorf("one that is open: %v, %v", events, err)
	}
}
