package ingest

import (
	"container/list"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// How the numbers that sources give their messages are followed. A source numbers what it sends under one partition key
// to one topic, by ones, so all of a numbering comes in one partition, in order unless the source itself sends late. Per
// numbering the highest number seen is kept, and what is missing below it. The first number seen is where a numbering begins;
// nothing is missing before it. What is missing is an open gap until it has come, and a dead letter tells of it (gaps.go). A number
// that is no number of digits leaves no gaps.
//
// All of it is saved with the partition's progress, never behind it: whoever takes the partition up, on whichever replica,
// goes on from there, and what he reads again is a number seen already. So neither a crash nor a rebalance makes up a gap.

// Bounds of what is followed. Beyond them a gap may be missed, and is counted as unfollowed; none is made up.
const (
	MaxNumberings = 2_048 // of one partition; the one that was silent longest is forgotten
	MaxGaps       = 16    // open gaps of one numbering; a source with more does not number by ones, or its messages are lost
	maxSpans      = 64    // separate runs of one gap that are missing; the shortest is forgotten
)

// KeepGaps is for how long a gap is followed that nobody fills; its letter stays.
const KeepGaps = 30 * 24 * 60 * 60 * aggregates.Second

// numbering is whose numbers they are.
type numbering struct{ system, key string }

// span is a run of numbers, both ends included.
type span struct{ first, last int64 }

// gap is a run of numbers that did not come when they should have.
type gap struct {
	span                       // as it was when found
	missing []span             // in order; none once it is filled
	since   aggregates.Instant // when the message came that showed it
	offset  int64              // of that message
	version int64              // grows with each change
	told    bool               // its letter says all this
}

// track is how far a numbering has come.
type track struct {
	numbering
	last    int64
	gaps    []*gap // in order of number; filled ones until that is told
	element *list.Element
}

// sequences are the numberings of one partition. One goroutine owns them.
type sequences struct {
	tracks     map[numbering]*track
	silent     *list.List // of tracks, the one silent longest first
	changed    bool       // since they were last saved
	unfollowed uint64     // gaps not followed for a bound
}

func newSequences() *sequences {
	return &sequences{tracks: make(map[numbering]*track), silent: list.New()}
}

// note takes a number in and returns the gap that it opens or changes; at most one, nil for none.
func (x *sequences) note(of numbering, n int64, m *Message, now aggregates.Instant) (*track, *gap) {
	t := x.tracks[of]
	if t == nil {
		t = &track{numbering: of, last: n}
		x.tracks[of], t.element = t, x.silent.PushBack(t)
		x.changed = true
		x.bound()
		return t, nil
	}
	x.silent.MoveToBack(t.element)
	switch {
	case n <= t.last:
		return t, x.fill(t, n)
	case n == t.last+1:
		t.last, x.changed = n, true
		return t, nil
	}
	g := &gap{span: span{t.last + 1, n - 1}, missing: []span{{t.last + 1, n - 1}}, since: m.Time, offset: m.Offset, version: 1}
	if g.since == 0 {
		g.since = now
	}
	t.last, x.changed = n, true
	return t, x.open(t, g)
}

// open follows a gap, in place of one that nobody filled for long if need be.
func (x *sequences) open(t *track, g *gap) *gap {
	if len(t.gaps) >= MaxGaps {
		t.gaps = slices.DeleteFunc(t.gaps, func(old *gap) bool { return old.told && old.since < g.since-KeepGaps })
	}
	if len(t.gaps) >= MaxGaps {
		x.unfollowed++
		return nil
	}
	t.gaps = append(t.gaps, g)
	return g
}

// fill takes a number out of the gap it was missing from. A number that was missing nowhere was seen before.
func (x *sequences) fill(t *track, n int64) *gap {
	for _, g := range t.gaps {
		for i, s := range g.missing {
			if s.first <= n && n <= s.last {
				x.changed = true
				g.missing = slices.Replace(g.missing, i, i+1, s.without(n)...)
				x.boundSpans(g)
				g.version, g.told = g.version+1, false
				return g
			}
		}
	}
	return nil
}

func (s span) without(n int64) (rest []span) {
	if s.first < n {
		rest = append(rest, span{s.first, n - 1})
	}
	if n < s.last {
		rest = append(rest, span{n + 1, s.last})
	}
	return rest
}

func (s span) len() int64 { return s.last - s.first + 1 }

func (x *sequences) boundSpans(g *gap) {
	if len(g.missing) <= maxSpans {
		return
	}
	shortest := 0
	for i, s := range g.missing {
		if s.len() < g.missing[shortest].len() {
			shortest = i
		}
	}
	g.missing = slices.Delete(g.missing, shortest, shortest+1)
	x.unfollowed++
}

// bound forgets the numbering that was silent longest, one without gaps rather than one with.
func (x *sequences) bound() {
	if len(x.tracks) <= MaxNumberings {
		return
	}
	oldest := x.silent.Front()
	for e, n := oldest, 0; e != nil && n < MaxGaps; e, n = e.Next(), n+1 {
		if len(e.Value.(*track).gaps) == 0 {
			oldest = e
			break
		}
	}
	t := x.silent.Remove(oldest).(*track)
	delete(x.tracks, t.numbering)
	x.unfollowed += uint64(len(t.gaps))
}

// tell notes that a gap's letter says what the gap was at a version. A filled one is done with then.
func (x *sequences) tell(of numbering, first, version int64) {
	t := x.tracks[of]
	if t == nil {
		return
	}
	for i, g := range t.gaps {
		if g.first != first || g.version != version || g.told {
			continue
		}
		if g.told, x.changed = true, true; len(g.missing) == 0 {
			t.gaps = slices.Delete(t.gaps, i, i+1)
		}
		return
	}
}
