package reservation

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// place is where a reservation is, as far as known: always its SKU, and its record once the index has it.
type place struct {
	sku    string
	record *reservations.Record
}

// locate finds the SKU of a reservation. When nobody knows the id it waits until the index has reached the store's end,
// and returns *refusals.UnknownReservation then.
func (s *Service) locate(ctx context.Context, id string) (place, error) {
	if sku, ok := s.claims.sku(id); ok {
		return place{sku: sku}, nil
	}
	return s.lookUp(ctx, id)
}

// PlaceOf returns the SKU of a reservation that is known here, once everything is known that the store holds.
func (s *Service) PlaceOf(ctx context.Context, id string) (sku string, known bool) {
	if id == "" || len(id) > validation.MaxID {
		return "", false
	}
	found, err := s.locate(ctx, id)
	return found.sku, err == nil
}

// lookUp finds the record of a reservation in the index.
func (s *Service) lookUp(ctx context.Context, id string) (place, error) {
	found, err := s.Index.Find(ctx, id)
	if err == nil && len(found) == 0 {
		found, err = s.wait(ctx, id)
	}
	if err != nil {
		return place{}, err
	}
	first := earliest(found)
	return place{sku: first.SKU, record: first}, nil
}

func (s *Service) wait(ctx context.Context, id string) ([]*reservations.Record, error) {
	limited, cancel := tokens.Limit(ctx)
	defer cancel()
	found, err := s.Index.Get(limited, id)
	switch {
	case errors.Is(err, reservations.ErrNotFound):
		return nil, &refusals.UnknownReservation{ReservationID: id}
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &tokens.NotYetVisibleError{Position: s.Index.Position(), Err: err}
	}
	return found, err
}

// earliest is the record that was placed first. Replicas that raced for an id may have left more than one.
func earliest(found []*reservations.Record) *reservations.Record {
	first := found[0]
	for _, r := range found[1:] {
		if r.Placed < first.Placed {
			first = r
		}
	}
	return first
}

// gone explains that the SKU's stream does not remember the reservation: it ended long ago.
func (p *place) gone(id string) error {
	if p.record.EndedAt == 0 {
		return &refusals.UnknownReservation{ReservationID: id}
	}
	return &stock.NotLiveError{ReservationID: id, Status: p.record.Status}
}

// warmth tells whether the index has known, at least once since the service started, everything there was: only then is
// what is neither claimed nor indexed truly new.
type warmth struct{ reached atomic.Bool }

// owned checks that an id is not another SKU's, and returns its record when it is already this one's.
func (s *Service) owned(ctx context.Context, id, sku string) (known *reservations.Record, err error) {
	found, err := s.indexed(ctx, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	for _, r := range found {
		if r.SKU == sku {
			return r, nil
		}
	}
	return nil, &stock.KeyReusedError{Key: id}
}

// indexed is what the index knows of an id, without waiting once it is warm.
func (s *Service) indexed(ctx context.Context, id string) ([]*reservations.Record, error) {
	if s.warm.reached.Load() {
		return s.Index.Find(ctx, id)
	}
	found, err := s.wait(ctx, id)
	var unknown *refusals.UnknownReservation
	if errors.As(err, &unknown) {
		s.warm.reached.Store(true)
		return nil, nil
	}
	return found, err
}
