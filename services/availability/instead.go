package availability

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/services/tokens"
)

// instead answers for one SKU from its stream, since the read model cannot be read.
func (s *Service) instead(ctx context.Context, sku string, l *look) (projection.Availability, error) {
	if err := s.enter(1); err != nil {
		return projection.Availability{}, err
	}
	defer s.fromStreams.Add(-1)
	ctx, cancel := s.hurry(ctx)
	defer cancel()
	found, err := s.decide(ctx, sku, l)
	if err == nil {
		s.showed(found.Position)
	}
	return found, s.explain(ctx, err)
}

// hurry bounds the wait for a stream of a store that is away: neither it nor the read model can answer then, and whoever
// asks should hear of it while that is of use.
func (s *Service) hurry(ctx context.Context) (context.Context, context.CancelFunc) {
	away := s.StoreHealth()
	if away == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, awayPatience, fmt.Errorf("%w: %w", ErrNothingToAnswerFrom, away))
}

// explain gives the error of a call that was hurried and came to nothing.
func (s *Service) explain(ctx context.Context, err error) error {
	if why := context.Cause(ctx); err != nil && errors.Is(why, ErrNothingToAnswerFrom) {
		return why
	}
	return err
}

// showed notes what an answer from a stream included: the view may be behind it.
func (s *Service) showed(position uint64) {
	for before := s.shown.Load(); before < position && !s.shown.CompareAndSwap(before, position); {
		before = s.shown.Load()
	}
}

// await waits until the view includes what a token stands for, and what was answered from streams instead of it. It returns
// projection.ErrUnreadable when the view has not got there and does not move: the streams have.
func (s *Service) await(ctx context.Context, token string) error {
	if err := s.awaitToken(ctx, token); err != nil {
		return err
	}
	shown := s.shown.Load()
	if s.View.Position() >= shown {
		return nil
	}
	if s.View.Stuck() {
		return projection.ErrUnreadable
	}
	if done, err := s.awaitBriefly(ctx, shown); done {
		return err
	}
	return projection.ErrUnreadable
}

func (s *Service) awaitToken(ctx context.Context, token string) error {
	if token == "" {
		return nil
	}
	position, err := s.Tokens.Decode("token", token)
	if err != nil {
		return err
	}
	if s.View.Position() >= position {
		return nil
	}
	limited, cancel := tokens.Limit(ctx)
	defer cancel()
	for !s.View.Stuck() {
		if done, err := s.awaitBriefly(limited, position); done {
			return err
		}
	}
	return projection.ErrUnreadable
}

// glance is how long a read with a token waits before it looks whether the view still follows the store.
const glance = 250 * time.Millisecond

// awaitBriefly waits for a glance. done is true when the waiting is over.
func (s *Service) awaitBriefly(ctx context.Context, position uint64) (done bool, err error) {
	brief, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	err = s.View.WaitFor(brief, position)
	switch late := errors.Is(err, context.DeadlineExceeded); {
	case late && ctx.Err() == nil:
		return false, nil
	case late:
		return true, &tokens.NotYetVisibleError{Position: position, Err: err}
	}
	return true, err
}

// streamAll answers for each SKU from its stream.
func (s *Service) streamAll(ctx context.Context, skus []string, channel string, way stock.Way) ([]projection.Availability, error) {
	if err := s.enter(len(skus)); err != nil {
		return nil, err
	}
	defer s.fromStreams.Add(-int64(len(skus)))
	ctx, cancel := s.hurry(ctx)
	defer cancel()
	found, err := s.decideAll(ctx, skus, channel, way)
	for i := range found {
		s.showed(found[i].Position)
	}
	return found, s.explain(ctx, err)
}

// insteadAll answers for each SKU from what is remembered, and for the others from their streams.
func (s *Service) insteadAll(ctx context.Context, skus []string, channel string, dst []projection.Availability) ([]projection.Availability, error) {
	var missing []string
	var places []int
	for i, sku := range skus {
		a, err := s.View.Get(ctx, sku, channel)
		if errors.Is(err, projection.ErrUnreadable) {
			missing, places = append(missing, sku), append(places, i)
		} else if err != nil {
			return dst, err
		}
		dst = append(dst, a)
	}
	if len(missing) == 0 {
		return dst, nil
	}
	found, err := s.streamAll(ctx, missing, channel, stock.Way{})
	for i, a := range found {
		dst[places[i]] = a
	}
	return dst, err
}

// enter takes room for answers from streams.
func (s *Service) enter(skus int) error {
	if s.fromStreams.Add(int64(skus)) > MaxInstead {
		s.fromStreams.Add(-int64(skus))
		return ErrTooManyInstead
	}
	return nil
}
