package reconciliation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// finish carries out what the run found and kept, within its limits, and completes it. What is corrected, and by which movement, follows from the run's stream alone;
// a movement counts once. So whoever goes on after a crash, or does the same beside another, corrects nothing twice.
func (c *comparison) finish(ctx context.Context) error {
	t := totals{Totals: reconciliation.Totals{}}
	err := c.each(ctx, 0, func(e aggregates.Event, _ uint64) error {
		switch e := e.(type) {
		case *reconciliation.RowsTaken:
			t.Rows, t.Refused = t.Rows+int64(len(e.Rows)), t.Refused+int64(len(e.Refused))
		case *reconciliation.Found:
			t.Refused += int64(len(e.Refused))
			t.unreadable += int64(len(e.Refused))
			for i := range e.Discrepancies {
				t.add(&e.Discrepancies[i])
				if err := c.correct(ctx, &t, e.Part, i, &e.Discrepancies[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.Matched = t.Rows - t.unreadable - t.said
	return c.complete(ctx, t.Totals)
}

// complete ends the run.
func (c *comparison) complete(ctx context.Context, t reconciliation.Totals) error {
	completed := reconciliation.Completed{Totals: t, ComparedAt: c.until}
	out, err := c.Runs.Do(ctx, c.id, metadata(c.id, "complete", &c.header, c.Now()), deciding[reconciliation.State](
		func(x *reconciliation.State) ([]aggregates.Event, error) {
			return reconciliation.Complete(x, completed)
		}))
	if err != nil {
		return err
	}
	if out.Recorded > 0 {
		c.count(c.header.Source, &t)
	}
	state, err := c.run(ctx, c.id)
	return cmp.Or(err, c.delist(ctx, c.id, &state))
}

// totals are what a run came to, in the making.
type totals struct {
	reconciliation.Totals
	said       int64 // rows that differ
	unreadable int64 // rows that could not be compared
	tried      int64 // units of corrections, those included that count already
}

func (t *totals) add(d *reconciliation.Discrepancy) {
	t.Discrepancies++
	t.said++
	if d.Line == 0 {
		t.said-- // a complete snapshot leaves it out: there is no row
	}
	if d.Class == reconciliation.Duplicate {
		for _, e := range d.Evidence[min(1, len(d.Evidence)):] {
			if e.Kind == "row" {
				t.said++
			}
		}
	}
	i, known := slices.BinarySearchFunc(t.Classes, d.Class, func(x reconciliation.ClassTotal, c reconciliation.Class) int { return cmp.Compare(x.Class, c) })
	if !known {
		t.Classes = slices.Insert(t.Classes, i, reconciliation.ClassTotal{Class: d.Class})
	}
	t.Classes[i].Discrepancies++
	t.Classes[i].Units = addUp(t.Classes[i].Units, magnitude(minus(d.Said, d.Held)))
	if d.Currency == "" {
		return
	}
	j, known := slices.BinarySearchFunc(t.ValueAtRisk, d.Currency, func(x reconciliation.CurrencyTotal, c string) int { return cmp.Compare(x.Currency, c) })
	if !known {
		t.ValueAtRisk = slices.Insert(t.ValueAtRisk, j, reconciliation.CurrencyTotal{Currency: d.Currency})
	}
	t.ValueAtRisk[j].Minor = addUp(t.ValueAtRisk[j].Minor, d.ValueAtRisk)
}

// correct carries a proposal out, when it is within the limits.
func (c *comparison) correct(ctx context.Context, t *totals, part int64, index int, d *reconciliation.Discrepancy) error {
	units := magnitude(d.Proposed)
	if !d.WithinLimits || c.header.Policy != reconciliation.Correct {
		return nil
	}
	if t.tried+units > c.header.MaxTotalUnits {
		t.tried = c.header.MaxTotalUnits // nothing more is corrected, however little
		return nil
	}
	t.tried += units
	id := fmt.Sprintf("reconciliation-%s-%d-%d", c.id, part, index)
	done, err := c.adjusted(ctx, d.SKU, id)
	if err != nil {
		return err
	}
	if !done {
		if done, err = c.adjust(ctx, id, d); err != nil {
			return err
		}
	}
	if done {
		t.Corrected, t.CorrectedUnits = t.Corrected+1, t.CorrectedUnits+units
	}
	return nil
}

// adjusted tells whether a correction was recorded, however long ago: a SKU remembers the keys of a day or more, its stream all.
func (c *comparison) adjusted(ctx context.Context, sku, movement string) (done bool, err error) {
	var bad error
	err = c.Store.ReadStreamBackwards(ctx, aggregates.SKUPrefix+sku, ^uint64(0), func(r aggregates.Record) bool {
		var m aggregates.Metadata
		if _, m, bad = codec.Decode(r); bad != nil {
			return false
		}
		done = m.Source.MessageID == movement && m.Source.System == c.header.Source
		return !done && m.RecordedAt >= c.until.Add(-validation.MaxAhead) // not before it was compared, by whichever clock
	})
	return done, cmp.Or(err, bad)
}

// adjust records a correction; done is false when it is not taken.
func (c *comparison) adjust(ctx context.Context, id string, d *reconciliation.Discrepancy) (done bool, err error) {
	fact, err := c.Recorder.Movement(&pb.Movement{MovementId: id, Source: c.header.Source, Sku: d.SKU, Location: d.Location, Quantity: d.Proposed,
		OccurredAt: codec.Timestamp(c.header.AsOf), Document: c.header.Document, CorrelationId: c.id, Actor: "reconciliation",
		Kind: &pb.Movement_Adjusted_{Adjusted: &pb.Movement_Adjusted{Reason: "reconciliation run " + c.id,
			Condition: pb.Condition(conditions[d.Condition]) + pb.Condition_CONDITION_SELLABLE}}}, "", aggregates.Metadata{CausationID: c.id})
	if err == nil {
		var results []stock.Result
		if results, err = c.Recorder.Record(ctx, []stock.Fact{fact}); err == nil {
			err, done = results[0].Err, !results[0].Moved.Observed
		}
	}
	if r := stock.Reject(err); r != nil {
		c.Service.Log.Warn("a correction is not possible", "run", c.id, "sku", d.SKU, "location", d.Location, "reason", r.Message)
		return false, nil
	}
	return done && err == nil, err
}

// delist takes a completed run off the list of those that are open.
func (s *Service) delist(ctx context.Context, id string, state *reconciliation.State) error {
	if state.Completed == nil {
		return nil
	}
	_, err := s.List.Do(ctx, Index, metadata(id, "end", &state.Header, s.Now()), deciding[reconciliation.List](func(x *reconciliation.List) ([]aggregates.Event, error) {
		return x.End(id, state.Completed.Totals)
	}))
	return err
}

// count adds a run to the statistics.
func (s *Service) count(source string, t *reconciliation.Totals) {
	s.stats.runs.Add(1)
	s.stats.discrepancies.Add(t.Discrepancies)
	s.stats.corrected.Add(t.Corrected)
	for _, c := range t.Classes {
		if int(c.Class) < len(s.stats.classes) {
			s.stats.classes[c.Class].Add(c.Discrepancies)
		}
	}
	bad := t.Discrepancies + t.Refused
	last := LastRun{Ratio: float64(bad) / float64(max(t.Matched+bad, 1)), ValueAtRisk: map[string]int64{}}
	for _, v := range t.ValueAtRisk {
		last.ValueAtRisk[v.Currency] = v.Minor
	}
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	if _, known := s.stats.last[source]; known || len(s.stats.last) < MaxSources {
		if s.stats.last == nil {
			s.stats.last = map[string]LastRun{}
		}
		s.stats.last[source] = last
	}
}

// addUp adds amounts that are not negative, up to the largest that fits.
func addUp(a, b int64) int64 {
	if c := a + b; c >= 0 {
		return c
	}
	return 1<<63 - 1
}
