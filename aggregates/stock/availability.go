package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Policy is what a channel may sell of every SKU. It does not change once made; a changed channel has a new one.
type Policy struct {
	Channel     string
	Sites       []string // enabled locations that the channel sells from, first choice first
	Buffer      int64    // base units kept back from the channel
	HoldSeconds int64    // how long a hold lasts when the request does not say

	rank map[string]int
}

// NewPolicy makes a policy. Sites are the channel's enabled locations, first choice first; of a repeated one the first
// place counts. A holdSeconds of 0 stands for DefaultHoldSeconds.
func NewPolicy(channel string, sites []string, buffer, holdSeconds int64) *Policy {
	if holdSeconds == 0 {
		holdSeconds = DefaultHoldSeconds
	}
	p := &Policy{Channel: channel, Buffer: buffer, HoldSeconds: holdSeconds, rank: make(map[string]int, len(sites))}
	for _, site := range sites {
		if _, repeated := p.rank[site]; !repeated {
			p.rank[site] = len(p.Sites)
			p.Sites = append(p.Sites, site)
		}
	}
	return p
}

// Sells tells whether a location is one of the policy's sites.
func (p *Policy) Sells(location string) bool {
	_, ok := p.rank[location]
	return ok
}

// Free is what a channel could take at one location.
type Free struct {
	Location string
	Rank     int // the location's place in Policy.Sites
	Quantity int64
}

// Available is the ATS of the SKU under a policy at an instant, in base units, never negative: what is free at the
// policy's sites, less the buffer. It is the one availability function, for decisions and for read models.
func (b *Balances) Available(p *Policy, now aggregates.Instant) int64 {
	var pool int64
	b.sites(p, func(_ int, x *Balance) { pool = addUp(pool, x.Free(now)) })
	return lessBuffer(pool, p)
}

func lessBuffer(pool int64, p *Policy) int64 { return max(0, pool-max(0, p.Buffer)) }

// Free appends to list what is free at each of the policy's sites that has something, in no particular order. Their
// sum less the buffer is Available.
func (b *Balances) Free(p *Policy, now aggregates.Instant, list []Free) []Free {
	b.sites(p, func(rank int, x *Balance) {
		if free := x.Free(now); free > 0 {
			list = append(list, Free{Location: x.Location, Rank: rank, Quantity: free})
		}
	})
	return list
}

// Free is what lies here sellable, is neither promised at now nor kept back as safety stock; never negative. What is
// promised for later and not covered by what is to come by then is kept back too.
func (x *Balance) Free(now aggregates.Instant) int64 {
	free := x.OnHand[Sellable]
	if free <= 0 {
		return 0
	}
	if x.Later != nil {
		return x.FreeAt(now, now)
	}
	if free -= x.Live(now); free <= 0 {
		return 0
	}
	return max(0, free-x.SafetyStock)
}

// searchCost is about what finding a location among the SKU's costs, in look-ups of a rank.
const searchCost = 8

// sites yields the balances at the policy's sites. It goes by the shorter list, of the SKU's locations or the channel's.
func (b *Balances) sites(p *Policy, yield func(rank int, x *Balance)) {
	if len(p.Sites)*searchCost < len(b.list) {
		for rank, site := range p.Sites {
			if x := b.At(site); x != nil {
				yield(rank, x)
			}
		}
		return
	}
	for i := range b.list {
		if rank, ok := p.rank[b.list[i].Location]; ok {
			yield(rank, &b.list[i])
		}
	}
}

// allocate takes a quantity from what is free, first choice first. There must be enough. It reorders the list.
func allocate(free []Free, quantity int64) []Split {
	first := slices.MinFunc(free, byRank)
	if first.Quantity >= quantity {
		return []Split{{Location: first.Location, Quantity: quantity}}
	}
	slices.SortFunc(free, byRank)
	var splits []Split
	for i := 0; quantity > 0; i++ {
		take := min(quantity, free[i].Quantity)
		splits = append(splits, Split{Location: free[i].Location, Quantity: take})
		quantity -= take
	}
	return splits
}

func byRank(a, b Free) int { return a.Rank - b.Rank }
