package reconciliation

import (
	"cmp"
	"context"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/reconciliation/classify"
	stockservice "github.com/stockfold/stockfold/services/stock"
)

// Bounds of what is looked at once for a run.
const (
	MaxLettersRead = 20_000 // open dead letters
	maxLetterFacts = 50_000 // facts in them
	maxGapsRead    = 1_000
	letterPage     = 500
)

// outside is what is known beside the streams of SKUs: what did not arrive.
type outside struct {
	letters map[string][]letterFact // by SKU
	gaps    []ingest.Gap
}

// letterFact is what a dead letter says of a SKU.
type letterFact struct {
	letter   *ingest.DeadLetter // without its bytes
	fact     stockservice.Fact
	glimpsed bool // it cannot be read as a fact; its time is when it was sent, when it does not say
	unknown  bool // what it would change cannot be made out
	byKey    bool // only its key names the SKU
}

// outside reads the open dead letters and gaps.
func (s *Service) outside(ctx context.Context) (*outside, error) {
	x := &outside{letters: map[string][]letterFact{}}
	var err error
	if x.gaps, _, err = s.Letters.OpenGaps(ctx, maxGapsRead); err != nil {
		return nil, err
	}
	q := ingest.Query{State: ingest.Open, Limit: letterPage}
	facts := 0
	for seen := 0; seen < MaxLettersRead && facts < maxLetterFacts; {
		list, more, err := s.Letters.List(ctx, q)
		if err != nil {
			return nil, err
		}
		seen += len(list)
		for i := range list {
			all := read(&list[i])
			list[i].Value, list[i].Headers, list[i].Key = nil, nil, nil
			for _, f := range all {
				if facts++; facts <= maxLetterFacts {
					x.letters[f.fact.SKU] = append(x.letters[f.fact.SKU], f)
				}
			}
		}
		if !more || len(list) == 0 {
			return x, nil
		}
		q.After = list[len(list)-1].ID
	}
	s.Log.Warn("more dead letters are open than a reconciliation looks at", "letters", MaxLettersRead, "facts", maxLetterFacts, "last", q.After)
	return x, nil
}

// read reads what a dead letter says: its facts, or what can be made out of it.
func read(l *ingest.DeadLetter) (list []letterFact) {
	for _, f := range l.Facts() {
		x := letterFact{letter: l, fact: f}
		if x.glimpsed = l.Reason == stockservice.ReasonClockSkew; x.glimpsed { // its clock is wrong
			x.fact.Metadata.OccurredAt = min(f.Metadata.OccurredAt, l.LoggedAt())
		}
		list = append(list, x)
	}
	if len(list) > 0 {
		return list
	}
	for _, g := range l.Glimpses() {
		x := letterFact{letter: l, glimpsed: true, byKey: g.ByKey, unknown: g.Movement == nil}
		x.fact.SKU, x.fact.Metadata.OccurredAt = g.SKU, cmp.Or(g.OccurredAt, l.LoggedAt())
		x.fact.Metadata.Source = aggregates.Source{System: g.Source, Document: g.Document}
		if x.fact.Movement.Location = g.Location; g.Movement != nil {
			x.fact.Movement = *g.Movement
		}
		list = append(list, x)
	}
	return list
}

// lettersAt are the dead letters about a place that occurred by the as-of time: those that say what they change, and those that do not. What a count covers is
// explained by it, whatever became of the letter.
func (x *outside) lettersAt(sku string, at spot, a *account) (list, unread []classify.Fact) {
	p := a.at(at)
	for i := range x.letters[sku] {
		l := &x.letters[sku][i]
		occurred := l.fact.Metadata.OccurredAt
		counted := l.fact.Movement.Kind == stock.KindCounted
		if occurred > a.asOf || occurred < p.inForce && !counted {
			continue
		}
		effect, known := l.effect(at, a)
		switch {
		case known && effect != 0 && len(list) < maxCandidates:
			list = append(list, l.evidence(effect))
		case !known && (l.fact.Movement.Location == "" || l.fact.Movement.Location == at.location) && len(unread) < maxCandidates:
			unread = append(unread, l.evidence(0))
		}
	}
	slices.SortStableFunc(list, func(a, b classify.Fact) int { // what was read whole comes first
		switch {
		case a.Glimpsed == b.Glimpsed:
			return 0
		case b.Glimpsed:
			return -1
		}
		return 1
	})
	return list, unread
}

// effect is what a letter would change at a place; known is false when that cannot be said.
func (l *letterFact) effect(at spot, a *account) (effect int64, known bool) {
	m := &l.fact.Movement
	if l.unknown {
		return 0, false
	}
	q := m.Quantity
	if m.Decimal != "" {
		var err error
		if q, err = stock.ParseDecimal(m.Decimal, &a.item); err != nil {
			return 0, false
		}
	}
	if m.Kind != stock.KindCounted {
		return effects(m.Kind.EventType(), m.Location, m.Condition, m.To, q)[at], true
	}
	if at != (spot{m.Location, m.Condition}) {
		return 0, true
	}
	p := a.at(at)
	return p.leads(q, l.fact.Metadata.OccurredAt) - p.held, true
}

// evidence tells of a letter.
func (l *letterFact) evidence(effect int64) classify.Fact {
	what := l.fact.Movement.Kind.EventType()
	origin := ""
	switch {
	case l.byKey:
		what, origin = "message", "its key names the SKU, and nothing else of it can be read"
	case l.unknown:
		what, origin = "message", "how many units it is about cannot be read"
	case l.glimpsed:
		origin = "read out of a message that breaks rules"
	}
	return classify.Fact{ID: l.letter.ID, What: what + " in the dead letters for " + l.letter.Reason, Source: l.fact.Metadata.Source.System,
		Document: l.fact.Metadata.Source.Document, OccurredAt: l.fact.Metadata.OccurredAt, Effect: effect, Glimpsed: l.glimpsed, Origin: origin}
}

// gapsOf are the gaps that may be about a SKU: of its key; and of the location's, or of none, in the numbers of a source that told of it.
// What is missing had been sent when the gap was noticed: a count as of later covers it.
func (x *outside) gapsOf(sku string, at spot, a *account) (list []classify.Gap) {
	covered := a.at(at).inForce
	for i := range x.gaps {
		g := &x.gaps[i]
		shared := (g.PartitionKey == at.location || g.PartitionKey == "") && a.sources[g.System]
		if g.PartitionKey != sku && !shared || g.Since < covered || len(list) >= maxCandidates {
			continue
		}
		list = append(list, classify.Gap{ID: g.LetterID, Source: g.System, Key: g.PartitionKey, First: g.First, Last: g.Last, Missing: g.Missing})
	}
	return list
}

// queued marks the late facts that were in the message log by the as-of time.
func (s *Service) queued(ctx context.Context, late []classify.Fact, ends *logEnds) {
	for i := range late {
		f := &late[i]
		if f.Topic == "" || s.MessageLog == nil {
			continue
		}
		end, ok := ends.at(ctx, s.MessageLog, f.Topic, f.Partition)
		if f.Queued = ok && f.Offset < end; f.Queued {
			f.Origin += ", in the log by the as-of time"
		}
	}
}

// logEnds remembers where logs ended at an instant.
type logEnds struct {
	asOf aggregates.Instant
	ends map[partition]logEnd
}

type partition struct {
	topic string
	id    int32
}

type logEnd struct {
	offset int64
	ok     bool
}

func (l *logEnds) at(ctx context.Context, log Log, topic string, id int32) (int64, bool) {
	key := partition{topic, id}
	end, known := l.ends[key]
	if !known {
		end.offset, end.ok = log.EndAt(ctx, topic, id, l.asOf.Time())
		l.ends[key] = end
	}
	return end.offset, end.ok
}

// risk is a difference times what a unit costs, in minor units, rounded half up; the largest number when it does not fit.
func risk(difference int64, r *reconciliation.Row, decimals int) int64 {
	return scaled(difference, r.UnitCost, decimals)
}
