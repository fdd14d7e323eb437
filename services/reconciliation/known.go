package reconciliation

import (
	"context"

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

type letterFact struct {
	letter *ingest.DeadLetter // without its bytes
	fact   stockservice.Fact
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
	for seen := 0; seen < MaxLettersRead; seen += letterPage {
		list, more, err := s.Letters.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range list {
			all := list[i].Facts()
			list[i].Value, list[i].Headers, list[i].Key = nil, nil, nil
			for _, f := range all {
				if facts++; facts <= maxLetterFacts {
					x.letters[f.SKU] = append(x.letters[f.SKU], letterFact{&list[i], f})
				}
			}
		}
		if !more || len(list) == 0 {
			return x, nil
		}
		q.After = list[len(list)-1].ID
	}
	s.Log.Warn("more dead letters are open than a reconciliation looks at", "looked at", MaxLettersRead)
	return x, nil
}

// lettersAt are the dead letters about a place that occurred by the as-of time.
func (x *outside) lettersAt(sku string, at spot, a *account) (list []classify.Fact) {
	for _, l := range x.letters[sku] {
		m := &l.fact.Movement
		if l.fact.Metadata.OccurredAt > a.asOf || len(list) >= maxCandidates {
			continue
		}
		q := m.Quantity
		if m.Decimal != "" {
			var err error
			if q, err = stock.ParseDecimal(m.Decimal, &a.item); err != nil {
				continue
			}
		}
		effect, about := effects(m.Kind.EventType(), m.Location, m.Condition, m.To, q)[at]
		if m.Kind == stock.KindCounted && at == (spot{m.Location, m.Condition}) {
			p := a.at(at)
			effect, about = p.leads(q, l.fact.Metadata.OccurredAt)-p.held, true
		}
		if !about || effect == 0 {
			continue
		}
		list = append(list, classify.Fact{ID: l.letter.ID, What: m.Kind.EventType() + " in the dead letters for " + l.letter.Reason, Source: l.fact.Metadata.Source.System,
			Document: l.fact.Metadata.Source.Document, OccurredAt: l.fact.Metadata.OccurredAt, Effect: effect})
	}
	return list
}

// gapsOf are the gaps that may be about a SKU: of its key; and of the location's, or of none, in the numbers of a source that told of it.
func (x *outside) gapsOf(sku, location string, a *account) (list []classify.Gap) {
	for i := range x.gaps {
		g := &x.gaps[i]
		shared := (g.PartitionKey == location || g.PartitionKey == "") && a.sources[g.System]
		if g.PartitionKey != sku && !shared || len(list) >= maxCandidates {
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
