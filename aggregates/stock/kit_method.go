package stock

import "github.com/stockfold/stockfold/aggregates"

// KitOfferBy is KitOffer for a way of handing over: what each component can be promised by that way. components are their balances, in the
// order of the kit's. It returns *MethodError.
func KitOfferBy(own *Balances, components []*Balances, p *Policy, w Way, now aggregates.Instant) (Offer, error) {
	if _, err := p.sitesBy(w, now); err != nil {
		return Offer{}, err
	}
	kit := own.AsKit().Components
	parts := make([]KitPart, len(components))
	for i, b := range components {
		offer := b.Offer(p, now)
		if w.Is() {
			offer, _ = b.OfferBy(p, w, now) // the method is known
		}
		parts[i] = b.PartOf(offer, kit[i].Quantity, p, now)
	}
	return KitOffer(own, parts, p, now), nil
}

// KitsAtEach is AvailableAtEach of a kit: at each location the kits in what that has of every component. It returns *MethodError.
func KitsAtEach(own *Balances, components []*Balances, p *Policy, method string, now aggregates.Instant) ([]Free, error) {
	list, err := own.AvailableAtEach(p, method, now)
	if err != nil {
		return nil, err
	}
	kit, withheld := own.AsKit().Components, own.Withheld(p.Channel, now)
	for i, b := range components {
		of, err := b.AvailableAtEach(p, method, now) // the same locations, in the same order
		if err != nil {
			return nil, err
		}
		for k := range list {
			kits := KitsIn(of[k].Quantity, kit[i].Quantity)
			if i > 0 {
				kits = min(kits, list[k].Quantity)
			}
			if withheld {
				kits = 0
			}
			list[k].Quantity = kits
		}
	}
	return list, nil
}
