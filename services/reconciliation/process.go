package reconciliation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
)

// Times of the process.
const (
	lookEvery    = 2 * time.Second
	abandonAfter = 7 * 24 * time.Hour // a run whose chunks did not all come is taken off the list; sent again, it goes on
	patience     = 5 * time.Second    // that a call which brought a snapshot has to compare it itself
)

// Run compares snapshots that came by message, and goes on with runs that a crash left, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	trouble := ""
	for {
		err := s.round(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			trouble = ""
		case err.Error() != trouble:
			trouble = err.Error()
			s.Log.Warn("a reconciliation does not go on, will try again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// round looks at each open run once. One that makes trouble does not hold up the others; its error is returned.
func (s *Service) round(ctx context.Context) error {
	var open map[string]reconciliation.Header
	_, err := s.List.Do(ctx, Index, metadata("list", "read", nil, s.Now()), deciding[reconciliation.List](func(x *reconciliation.List) ([]aggregates.Event, error) {
		open = maps.Clone(x.Open)
		return nil, nil
	}))
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(open)) {
		if problem := s.goOn(ctx, id); problem != nil {
			err = problem
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// goOn compares a run, when it is whole.
func (s *Service) goOn(ctx context.Context, id string) error {
	if _, busy := s.busy.Load(id); busy {
		return nil
	}
	whole := false
	var state reconciliation.State
	_, err := s.Runs.Do(ctx, id, metadata(id, "read", nil, s.Now()), deciding[reconciliation.State](func(x *reconciliation.State) ([]aggregates.Event, error) {
		state, whole = *x, x.Whole()
		state.Chunks = nil
		return nil, nil
	}))
	switch {
	case err != nil:
		return err
	case state.Completed != nil:
		return s.delist(ctx, id, &state)
	case whole && s.Now() > state.RowsAt.Add(patience):
		return s.Compare(ctx, id)
	case !whole && s.Now() > max(state.StartedAt, state.RowsAt).Add(abandonAfter):
		s.Log.Warn("chunks of a snapshot did not come", "run", id, "source", state.Header.Source, "document", state.Header.Document)
		_, err = s.List.Do(ctx, Index, metadata(id, "abandon", &state.Header, s.Now()), deciding[reconciliation.List](
			func(x *reconciliation.List) ([]aggregates.Event, error) {
				return x.Abandon(id, state.Rows)
			}))
	}
	return err
}
