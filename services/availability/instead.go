package availability

import (
	"context"
	"errors"

	projection "github.com/stockfold/stockfold/projections/availability"
)

// instead answers for one SKU from its stream, since the read model cannot be read.
func (s *Service) instead(ctx context.Context, sku, channel string) (projection.Availability, error) {
	if err := s.enter(1); err != nil {
		return projection.Availability{}, err
	}
	defer s.fromStreams.Add(-1)
	return s.decide(ctx, sku, channel)
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
	if err := s.enter(len(missing)); err != nil {
		return dst, err
	}
	defer s.fromStreams.Add(-int64(len(missing)))
	found, err := s.decideAll(ctx, missing, channel)
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
