package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of what is remembered of the past of one location. A journal that grows beyond its bound keeps the
// latest entries, by the time they occurred.
const (
	journalMost = 64
	journalKeep = 32
	countsMost  = 16
	countsKeep  = 8
)

// journal is the recent past of one location on the occurred axis: enough to place a fact among those that
// happened after it. Whoever needs more reads the stream (History).
type journal struct {
	entries    []entry            // in order; complete from floor on
	floor      aggregates.Instant // 0: nothing was left out
	counts     []countRef         // in order of as-of; complete from countFloor on
	countFloor aggregates.Instant
}

// entry is a change of the balance at a time. At one instant counts, and what they absorb, come before movements.
type entry struct {
	at        aggregates.Instant
	delta     int64
	condition Condition
	count     bool
}

// countRef is a recorded count; of several at the same instant the last one recorded.
type countRef struct {
	asOf      aggregates.Instant
	revision  uint64
	condition Condition
	number    numbered
}

// record folds one leg of the event with this revision.
func (j *journal) record(l leg, at aggregates.Instant, revision uint64, number numbered) {
	j.add(entry{at: at, delta: l.delta, condition: l.condition, count: l.count})
	if l.absorbed.Is() {
		j.add(entry{at: l.absorbed.AsOf, delta: -l.delta, condition: l.condition, count: true})
	}
	if l.count && !l.replaced(at) {
		j.addCount(countRef{asOf: at, revision: revision, condition: l.condition, number: number})
	}
}

// add keeps an entry in its place; entries of one place are one, unless their sum would not fit.
func (j *journal) add(e entry) {
	if e.delta == 0 || e.at < j.floor {
		return
	}
	i := len(j.entries)
	for i > 0 && compareEntries(j.entries[i-1], e) > 0 {
		i--
	}
	if i > 0 && compareEntries(j.entries[i-1], e) == 0 {
		last := &j.entries[i-1]
		if sum, ok := add(last.delta, e.delta); ok {
			last.delta = sum
			if sum == 0 {
				j.entries = slices.Delete(j.entries, i-1, i)
			}
			return
		}
	}
	j.entries = slices.Insert(j.entries, i, e)
	if len(j.entries) > journalMost {
		j.trim()
	}
}

// trim drops the oldest entries, whole instants at a time.
func (j *journal) trim() {
	cut := len(j.entries) - journalKeep
	j.floor = j.entries[cut-1].at + 1
	for cut < len(j.entries) && j.entries[cut].at < j.floor {
		cut++
	}
	j.entries = slices.Delete(j.entries, 0, cut)
}

func (j *journal) addCount(c countRef) {
	if c.asOf < j.countFloor {
		return
	}
	i := len(j.counts)
	for i > 0 && compareCounts(j.counts[i-1], c) > 0 {
		i--
	}
	if i > 0 && compareCounts(j.counts[i-1], c) == 0 {
		j.counts[i-1].revision, j.counts[i-1].number = c.revision, c.number
		return
	}
	j.counts = slices.Insert(j.counts, i, c)
	if len(j.counts) > countsMost {
		cut := len(j.counts) - countsKeep
		j.countFloor = j.counts[cut-1].asOf + 1
		for cut < len(j.counts) && j.counts[cut].asOf < j.countFloor {
			cut++
		}
		j.counts = slices.Delete(j.counts, 0, cut)
	}
}

// firstCountAfter finds the earliest recorded count of a condition with an as-of after an instant. It does not know when
// that reaches back beyond what is remembered.
func (j *journal) firstCountAfter(c Condition, at aggregates.Instant) (found AbsorbedBy, known bool) {
	if j == nil {
		return AbsorbedBy{}, true
	}
	for i := len(j.counts) - 1; i >= 0 && j.counts[i].asOf > at; i-- {
		if x := j.counts[i]; x.condition == c {
			found = AbsorbedBy{Revision: x.revision, AsOf: x.asOf}
		}
	}
	return found, at >= j.countFloor-1
}

// changeAfter sums up what changed in a condition after the counts of an instant.
func (j *journal) changeAfter(c Condition, at aggregates.Instant) (sum int64, known, fits bool) {
	if j == nil {
		return 0, true, true
	}
	fits = true
	for i := len(j.entries) - 1; i >= 0 && fits; i-- {
		x := j.entries[i]
		if x.at < at || x.at == at && x.count {
			break
		}
		if x.condition == c {
			sum, fits = add(sum, x.delta)
		}
	}
	return sum, at >= j.floor, fits
}

// compareEntries orders by time, counts before movements, then by condition.
func compareEntries(a, b entry) int {
	switch {
	case a.at != b.at:
		return order(a.at < b.at)
	case a.count != b.count:
		return order(a.count)
	default:
		return int(a.condition) - int(b.condition)
	}
}

func compareCounts(a, b countRef) int {
	if a.asOf != b.asOf {
		return order(a.asOf < b.asOf)
	}
	return int(a.condition) - int(b.condition)
}

func order(before bool) int {
	if before {
		return -1
	}
	return 1
}
