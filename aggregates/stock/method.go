package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Way is how units are to be handed over, and where. The zero value is any way, anywhere.
type Way struct {
	Method   string
	Location string // no other counts
}

// Is tells whether anything is asked for.
func (w Way) Is() bool { return w != Way{} }

// sitesBy are the policy's sites that may serve a way at now, first choice first. It returns *MethodError.
func (p *Policy) sitesBy(w Way, now aggregates.Instant) ([]site, error) {
	method, known := p.method(w.Method)
	if w.Method != "" && !known {
		return nil, &MethodError{Method: w.Method}
	}
	list := make([]site, 0, len(p.Sites))
	for rank, location := range p.Sites {
		switch {
		case w.Location != "" && location != w.Location:
		case w.Method != "" && !method.Serves(p.SiteAt(rank), now):
		default:
			list = append(list, site{location, rank})
		}
	}
	return list, nil
}

// AvailableBy is the ATS of the SKU for a way of handing over: Available, as far as the sites that may serve it have that. It is what guards a
// reservation with a method. It returns *MethodError.
func (b *Balances) AvailableBy(p *Policy, w Way, now aggregates.Instant) (int64, error) {
	sites, err := p.sitesBy(w, now)
	if err != nil || len(sites) == 0 {
		return 0, err
	}
	total, _ := b.planFor(p, now, now).most(sites)
	return min(b.Available(p, now), total), nil
}

// OfferBy is the Offer for a way of handing over. It returns *MethodError.
func (b *Balances) OfferBy(p *Policy, w Way, now aggregates.Instant) (Offer, error) {
	ats, err := b.AvailableBy(p, w, now)
	if err != nil {
		return Offer{}, err
	}
	offer := b.OfferOf(ats, p, now)
	if sites, _ := p.sitesBy(w, now); len(sites) == 0 && offer.Standing != NotSoldHere {
		return Offer{Standing: OutOfStock}, nil
	}
	return offer, nil
}

// AvailableAtEach lists what a channel can sell at each location that may serve a method at now, each told alone, in order of location; also those
// that have none. Together they may be more than AvailableBy. It returns *MethodError.
func (b *Balances) AvailableAtEach(p *Policy, method string, now aggregates.Instant) ([]Free, error) {
	sites, err := p.sitesBy(Way{Method: method}, now)
	if err != nil {
		return nil, err
	}
	whole, fresh := b.Available(p, now), b.planFor(p, now, now)
	list := make([]Free, len(sites))
	for i, at := range sites {
		list[i] = Free{Location: at.location, Rank: at.rank}
		if whole > 0 && b.At(at.location) != nil {
			total, _ := fresh.clone().most(sites[i : i+1])
			list[i].Quantity = min(whole, total)
		}
	}
	slices.SortFunc(list, func(x, y Free) int { return first(x.Location < y.Location, y.Location < x.Location) })
	return list, nil
}
