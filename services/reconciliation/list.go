package reconciliation

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// UnknownRun says that there is no run of an id.
type UnknownRun struct{ RunID string }

func (e *UnknownRun) Error() string { return fmt.Sprintf("there is no reconciliation run %q", e.RunID) }

// MaxRefused is how many rows that could not be read are told with a run.
const MaxRefused = 1_000

// GetRun tells of a run. It returns *validation.Error, *UnknownRun and the errors of the store.
func (s *Service) GetRun(ctx context.Context, r *pb.GetRunRequest) (*pb.GetRunResponse, error) {
	var c validation.Checker
	if c.ID("run_id", r.RunId); c.Err() != nil {
		return nil, c.Err()
	}
	run, err := s.message(ctx, r.RunId)
	if err != nil {
		return nil, err
	}
	answer := &pb.GetRunResponse{Run: run}
	most := min(run.Refused, MaxRefused)
	if most == 0 { // nothing to look for in what may be a hundred million rows
		return answer, nil
	}
	err = s.events(ctx, r.RunId, 0, func(e aggregates.Event, _ uint64) bool {
		switch e := e.(type) {
		case *reconciliation.RowsTaken:
			answer.Refused = append(answer.Refused, codec.RefusedRows(e.Refused)...)
		case *reconciliation.Found:
			answer.Refused = append(answer.Refused, codec.RefusedRows(e.Refused)...)
		}
		return int64(len(answer.Refused)) < most
	})
	answer.Refused = answer.Refused[:min(len(answer.Refused), MaxRefused)]
	return answer, err
}

// message is a run as the contract writes it.
func (s *Service) message(ctx context.Context, id string) (*pb.ReconciliationRun, error) {
	x, err := s.run(ctx, id)
	if err != nil {
		return nil, err
	}
	if !x.Known {
		return nil, &UnknownRun{RunID: id}
	}
	m := &pb.ReconciliationRun{RunId: id, Header: codec.SnapshotHeader(&x.Header), StartedAt: codec.Timestamp(x.StartedAt), Rows: x.Rows, Refused: x.Refused}
	if x.Completed != nil {
		m.Totals, m.ComparedAt, m.CompletedAt = codec.ReconciliationTotals(&x.Completed.Totals), codec.Timestamp(x.Completed.ComparedAt), codec.Timestamp(x.EndedAt)
		m.Refused = x.Completed.Totals.Refused
	}
	return m, nil
}

// events reads a run's events from a revision on.
func (s *Service) events(ctx context.Context, id string, from uint64, each func(aggregates.Event, uint64) bool) error {
	var bad error
	err := s.Store.ReadStream(ctx, aggregates.ReconciliationPrefix+id, from, func(r aggregates.Record) bool {
		var e aggregates.Event
		if e, _, bad = codec.Decode(r); bad != nil {
			return false
		}
		return each(e, r.Revision)
	})
	return cmp.Or(err, bad)
}

// ListRuns lists the runs, the newest first. It returns *validation.Error and the errors of the store.
func (s *Service) ListRuns(ctx context.Context, r *pb.ListRunsRequest) (*pb.ListRunsResponse, error) {
	var c validation.Checker
	c.Text("source", r.Source, validation.MaxID)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("reconciliations", r.Source)
	from, err := placeOf(list, r.PageToken, math.MaxUint64)
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	_, err = s.List.Do(ctx, Index, metadata("list", "read", nil, s.Now()), deciding[reconciliation.List](func(x *reconciliation.List) ([]aggregates.Event, error) {
		for id := range x.Open {
			open[id] = true
		}
		return nil, nil
	}))
	if err != nil {
		return nil, err
	}
	answer := &pb.ListRunsResponse{}
	told := map[string]bool{} // one that was abandoned and goes on was listed more than once
	var bad error
	err = s.Store.ReadStreamBackwards(ctx, aggregates.ReconciliationListPrefix+Index, from, func(rec aggregates.Record) bool {
		var e aggregates.Event
		var m aggregates.Metadata
		if e, m, bad = codec.Decode(rec); bad != nil {
			return false
		}
		x, ok := e.(*reconciliation.Listed)
		if !ok || x.Totals == nil && !open[x.RunID] || x.Abandoned && open[x.RunID] || told[x.RunID] || r.Source != "" && x.Header.Source != r.Source {
			return true
		}
		if len(answer.Runs) == size {
			answer.NextPageToken = list.Encode(strconv.FormatUint(rec.Revision, 10))
			return false
		}
		told[x.RunID] = true
		answer.Runs = append(answer.Runs, listed(x, &m))
		return true
	})
	return answer, cmp.Or(err, bad)
}

func listed(x *reconciliation.Listed, m *aggregates.Metadata) *pb.ReconciliationRun {
	run := &pb.ReconciliationRun{RunId: x.RunID, Header: codec.SnapshotHeader(&x.Header), Totals: codec.ReconciliationTotals(x.Totals)}
	switch {
	case x.Totals == nil:
		run.StartedAt = codec.Timestamp(m.RecordedAt)
		return run
	case x.Abandoned:
		run.Abandoned, run.Rows, run.Totals = true, x.Totals.Rows, nil
		return run
	}
	run.CompletedAt, run.Rows, run.Refused = codec.Timestamp(m.RecordedAt), x.Totals.Rows, x.Totals.Refused
	return run
}

// placeOf reads a place in a list from a page token.
func placeOf(list tokens.List, token string, start uint64) (uint64, error) {
	text, err := list.Decode(token)
	if err != nil || text == "" {
		return start, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return 0, c.Err()
	}
	return n, nil
}

// placeShift makes one number of a revision and of a place within its event.
const placeShift = 10

// ListDiscrepancies lists what a run found. It returns *validation.Error, *UnknownRun and the errors of the store.
func (s *Service) ListDiscrepancies(ctx context.Context, r *pb.ListDiscrepanciesRequest) (*pb.ListDiscrepanciesResponse, error) {
	var c validation.Checker
	c.ID("run_id", r.RunId)
	if _, ok := pb.DiscrepancyClass_name[int32(r.Class)]; !ok {
		c.Fail("class", "must be a known class, is %d", int32(r.Class))
	}
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("discrepancies", r.RunId, strconv.Itoa(int(r.Class)))
	from, err := placeOf(list, r.PageToken, 0)
	if err != nil {
		return nil, err
	}
	if _, err := s.message(ctx, r.RunId); err != nil {
		return nil, err
	}
	answer := &pb.ListDiscrepanciesResponse{}
	bytes := 0
	err = s.events(ctx, r.RunId, from>>placeShift, func(e aggregates.Event, revision uint64) bool {
		found, ok := e.(*reconciliation.Found)
		if !ok {
			return true
		}
		for i := range found.Discrepancies {
			here := revision<<placeShift | uint64(i)
			d := &found.Discrepancies[i]
			if here < from || r.Class != 0 && d.Class != reconciliation.Class(r.Class) {
				continue
			}
			m := codec.Discrepancy(d)
			if bytes += m.SizeVT(); len(answer.Discrepancies) == size || bytes > tokens.MaxPageBytes && len(answer.Discrepancies) > 0 {
				answer.NextPageToken = list.Encode(strconv.FormatUint(here, 10))
				return false
			}
			answer.Discrepancies = append(answer.Discrepancies, m)
		}
		return true
	})
	return answer, err
}
