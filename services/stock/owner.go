package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	domain "github.com/stockfold/stockfold/aggregates/stock"
)

// owner returns the systems of record of what a fact is about, as the directory has them now, at the time it occurred; nil
// when every source is believed. It is the one place where that is looked up, for facts of RPC and Kafka alike.
//
// A fact about supply is of all locations that it changes supply of, as far as the SKU knows them: where its source is not
// believed at one of them, that one's owner is returned. One about a document that nobody has told of yet, and that names no location, is
// believed.
func (r *Recorder) owner(s *domain.State, f *Fact, occurred aggregates.Instant) *domain.Owner {
	if !f.Movement.Kind.Supplies() {
		return r.ownerAt(f.Movement.Location, factOfKind(f.Movement.Kind), occurred)
	}
	for _, place := range s.SupplyAt(&f.Movement) {
		if o := r.ownerAt(place, location.Supply, occurred); o != nil && !slices.Contains(o.Sources, f.Metadata.Source.System) {
			return o
		}
	}
	return nil
}

// OwnerOfOrders returns the systems of record of a location's orders at an instant; nil when every source is believed.
func (r *Recorder) OwnerOfOrders(id string, occurred aggregates.Instant) *domain.Owner {
	return r.ownerAt(id, location.Orders, occurred)
}

func (r *Recorder) ownerAt(id string, fact location.Fact, occurred aggregates.Instant) *domain.Owner {
	place, _ := r.locations.Location(id)
	if place.Owners == nil {
		return nil
	}
	x, ok := place.Owners.At(fact, occurred)
	if !ok {
		return nil
	}
	return &domain.Owner{Sources: x.Sources, Since: x.From, Location: id}
}

// factOfKind tells whose business a movement is: what customers take and bring back is told by tills and shops, all else
// by whoever runs the place.
func factOfKind(k domain.Kind) location.Fact {
	if k == domain.KindSold || k == domain.KindReturned {
		return location.Orders
	}
	return location.OnHand
}
