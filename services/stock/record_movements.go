package stock

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/validation"
)

const (
	// MaxMovements is the most movements of one RecordMovements.
	MaxMovements = 1_000
	// keepers is how many dead letters of one request are written at once.
	keepers = 16
)

// admitted is a request whose every movement is valid.
type admitted struct {
	facts    []Fact // those that can be recorded
	places   []int  // of each fact in the request
	rejected map[int]*Rejection
}

// RecordMovements records up to 1,000 movements, each with its own result. A movement that is not valid refuses the
// request (*validation.Error, *validation.ClockSkewError), and nothing of it is recorded. An error of the streams or the
// store leaves open which movements were recorded: the whole request may be repeated, and counts once.
func (s *Service) RecordMovements(ctx context.Context, r *pb.RecordMovementsRequest) (*pb.RecordMovementsResponse, error) {
	a, err := s.admit(ctx, r.Movements)
	if err != nil {
		return nil, err
	}
	answer := &pb.RecordMovementsResponse{Results: make([]*pb.MovementResult, len(r.Movements))}
	results, err := s.Recorder.Record(ctx, a.facts)
	if err != nil {
		return nil, err
	}
	var position uint64
	for i, result := range results {
		if result.Err == nil {
			position = max(position, result.Position)
			answer.Results[a.places[i]] = recorded(&result)
		} else if rejection := Reject(result.Err); rejection != nil {
			a.rejected[a.places[i]] = rejection
		} else {
			return nil, fmt.Errorf("movements[%d]: %w", a.places[i], result.Err)
		}
	}
	if err := s.keep(ctx, r.Movements, a.rejected, answer.Results); err != nil {
		return nil, err
	}
	answer.Token = s.Tokens.Encode(position)
	return answer, nil
}

// admit validates every movement.
func (s *Service) admit(ctx context.Context, movements []*pb.Movement) (*admitted, error) {
	var c validation.Checker
	if c.Count("movements", len(movements), 1, MaxMovements); c.Err() != nil {
		return nil, c.Err()
	}
	a := &admitted{facts: make([]Fact, 0, len(movements)), places: make([]int, 0, len(movements)), rejected: map[int]*Rejection{}}
	origin := aggregates.Metadata{CausationID: provenance.RequestID(ctx)}
	var skew error
	for i, m := range movements {
		f, err := s.Recorder.Movement(m, "", origin)
		var invalid *validation.Error
		var ahead *validation.ClockSkewError
		var rejection *Rejection
		switch {
		case err == nil:
			a.facts, a.places = append(a.facts, f), append(a.places, i)
		case errors.As(err, &rejection):
			a.rejected[i] = rejection
		case errors.As(err, &invalid):
			for _, v := range invalid.Violations {
				c.Fail(index("movements", i)+v.Field, "%s", v.Rule)
			}
		case errors.As(err, &ahead):
			if ahead.Field = index("movements", i) + ahead.Field; skew == nil {
				skew = ahead
			}
		default:
			return nil, err
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return a, skew
}

func recorded(r *Result) *pb.MovementResult {
	status := pb.MovementResult_STATUS_RECORDED
	switch {
	case r.Moved.Duplicate:
		status = pb.MovementResult_STATUS_DUPLICATE
	case r.Moved.Observed:
		status = pb.MovementResult_STATUS_OBSERVED
	}
	return &pb.MovementResult{Status: status, Effect: r.Moved.Effect, Oversold: r.Moved.Oversold, Short: r.Moved.Short}
}

// keep writes dead letters for what was rejected, several at once, since each waits for the disk.
func (s *Service) keep(ctx context.Context, movements []*pb.Movement, rejected map[int]*Rejection, into []*pb.MovementResult) error {
	var (
		room    = make(chan struct{}, keepers)
		running sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	for i, rejection := range rejected {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			id, err := s.Rejects.KeepMovement(ctx, movements[i], rejection)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("movements[%d]: keeping it as a dead letter: %w", i, err)
				return
			}
			into[i] = &pb.MovementResult{Status: pb.MovementResult_STATUS_DEAD_LETTERED, DeadLetterId: id, Reason: rejection.Reason}
		})
	}
	running.Wait()
	return failed
}
