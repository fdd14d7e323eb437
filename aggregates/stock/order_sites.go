package stock

import "github.com/stockfold/stockfold/aggregates"

// at is the policy at one of its locations, at all of them when none is named.
func (p *Policy) at(location string) *Policy {
	if location == "" {
		return p
	}
	var sites []string
	if _, ok := p.rank[location]; ok {
		sites = []string{location}
	}
	return p.with(sites)
}

// serving is the policy at those of its locations that may serve a method by the whole policy, at all of them when none may.
func (p *Policy) serving(method string, whole *Policy, now aggregates.Instant) *Policy {
	if method == "" {
		return p
	}
	var sites []string
	may, _ := whole.sitesBy(Way{Method: method}, now)
	for _, x := range may {
		if _, ok := p.rank[x.location]; ok {
			sites = append(sites, x.location)
		}
	}
	if len(sites) == 0 {
		return p
	}
	return p.with(sites)
}

// with is the policy at some locations.
func (p *Policy) with(sites []string) *Policy {
	there := NewPolicy(p.Channel, sites, p.Buffer, p.HoldSeconds).With(p.Terms)
	there.Position = p.Position
	return there
}
