package stock

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	domain "github.com/stockfold/stockfold/aggregates/stock"
)

// owner returns the systems of record of what a movement is about, as the directory has them now, at the time it occurred; nil
// when every source is believed. It is the one place where that is looked up, for facts of RPC and Kafka alike.
func (r *Recorder) owner(m *domain.Movement, occurred aggregates.Instant) *domain.Owner {
	place, _ := r.locations.Location(m.Location)
	if place.Owners == nil {
		return nil
	}
	x, ok := place.Owners.At(factOfKind(m.Kind), occurred)
	if !ok {
		return nil
	}
	return &domain.Owner{Sources: x.Sources, Since: x.From}
}

// factOfKind tells whose business a movement is: what customers take and bring back is told by tills and shops, all else
// by whoever runs the place.
func factOfKind(k domain.Kind) location.Fact {
	if k == domain.KindSold || k == domain.KindReturned {
		return location.Orders
	}
	return location.OnHand
}
