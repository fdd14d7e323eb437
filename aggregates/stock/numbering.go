package stock

import (
	"strings"

	"github.com/stockfold/stockfold/aggregates"
)

// How counts meet that their source numbers. The number is the source's own order of what it said; the as-of time is when
// that was so. A count is superseded when one of the same numbering (source and partition key), place and condition, with a
// higher number and as of no earlier an instant, was applied before it. It changes nothing now: it is absorbed by a later
// count, as any count that comes late; or, as of the same instant, by the very one that supersedes it, where
// without numbers the one recorded later would be in force. So counts of one numbering end the same in whichever order they arrive.

// SupersededBy names the count that supersedes another one. The zero value means that none does.
type SupersededBy struct {
	Revision uint64 // of the StockCounted event in the same stream
	Sequence string // its number
}

// Is tells whether a count is superseded.
func (s SupersededBy) Is() bool { return s.Sequence != "" }

func superseded(e aggregates.Event) bool {
	counted, ok := e.(*StockCounted)
	return ok && counted.Superseded.Is()
}

// numbered is the place of a fact in its source's own order. The zero value has none.
type numbered struct {
	numbering uint64 // follows from the source and the partition key
	sequence  string
}

func numberOf(s *aggregates.Source) numbered {
	if s.Sequence == "" {
		return numbered{}
	}
	return numbered{aggregates.Fingerprint(s.System, s.PartitionKey), s.Sequence}
}

// countNumber is the number of a count; other facts have none here.
func countNumber(e aggregates.Event, m *aggregates.Metadata) numbered {
	if _, ok := e.(*StockCounted); !ok {
		return numbered{}
	}
	return numberOf(&m.Source)
}

// before tells whether a number comes before another one of the same numbering.
func (n numbered) before(x numbered) bool {
	return n.sequence != "" && x.sequence != "" && n.numbering == x.numbering && aggregates.CompareSequences(n.sequence, x.sequence) < 0
}

// superseder returns the count with the highest number that supersedes the one which is decided, and its as-of time. Of several
// the one as of the same instant comes first.
func (q *inquiry) superseder(location string, c Condition, at aggregates.Instant) (SupersededBy, aggregates.Instant) {
	x := q.s.At(location)
	if q.number.sequence == "" || x == nil || x.journal == nil {
		return SupersededBy{}, 0
	}
	if at < x.journal.countFloor {
		answer := q.ask(question{location: location, condition: c, at: at, number: q.number})
		return answer.superseder, answer.supersededAsOf
	}
	var search question
	search.at, search.number = at, q.number
	for _, k := range x.journal.counts {
		if k.condition == c {
			search.meet(k.revision, k.asOf, k.number)
		}
	}
	return search.superseder, search.supersededAsOf
}

// supersede looks whether an event of the stream supersedes the count that is asked about.
func (q *question) supersede(l leg, revision uint64, at aggregates.Instant, number numbered) {
	if l.count && l.location == q.location && l.condition == q.condition && !l.replaced(at) {
		q.meet(revision, at, number)
	}
}

// meet keeps the best superseder among the counts it meets.
func (q *question) meet(revision uint64, asOf aggregates.Instant, number numbered) {
	if asOf < q.at || !q.number.before(number) {
		return
	}
	same, best := asOf == q.at, q.supersededAsOf == q.at
	if !q.superseder.Is() || same && !best ||
		same == best && aggregates.CompareSequences(q.superseder.Sequence, number.sequence) < 0 {
		q.superseder, q.supersededAsOf = SupersededBy{Revision: revision, Sequence: strings.Clone(number.sequence)}, asOf
	}
}
