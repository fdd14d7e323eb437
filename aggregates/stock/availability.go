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
	Terms                // beside that; the zero value has none
	// Position is the place in the store as of which the channel, its locations and the shared rules come to this; 0 when not known.
	Position uint64

	rank  map[string]int
	plain bool // the terms change nothing of what is available, nor of where units are taken
}

// Terms are the rules of a channel beside its locations, its buffer in units and its holds.
type Terms struct {
	Closed     bool // nothing is sold
	Strategy   Strategy
	MaxSplits  int     // of one reservation; 0 for any number
	Share      Portion // in place of Buffer, of what is on hand at the sites, when it is not zero
	BufferTime Period  // when the buffer is in force
	LowStock   int64   // ATS up to which stock is low
	SellOut    int64   // ATS up to which there is nothing to sell
	Safety     Safety  // shared rules, those of other channels left out or not
	Buffers    Safety  // shared rules of buffers, those of other channels left out or not
	Methods    map[string]Method
	Places     map[string]Site // what is known of locations
	Moves      Moves           // those of other channels left out or not
}

// SiteAt is what is known of the site of a rank.
func (p *Policy) SiteAt(rank int) Site { return p.Places[p.Sites[rank]] }

// With returns the policy under other terms.
func (p *Policy) With(t Terms) *Policy {
	fresh := *p
	fresh.Terms = t
	fresh.plain = !t.Closed && t.Strategy == PriorityOrder && t.MaxSplits == 0 && t.Share == Portion{} && !t.BufferTime.Bound() &&
		t.SellOut == 0 && len(t.Safety) == 0 && len(t.Buffers) == 0
	return &fresh
}

// NextBoundary is the first instant after now at which a term begins or ends; 0 when there is none.
func (p *Policy) NextBoundary(now aggregates.Instant) aggregates.Instant {
	return earlier(earlier(p.BufferTime.Next(now), p.Safety.Next(now)), p.Buffers.Next(now))
}

// NewPolicy makes a policy. Sites are the channel's enabled locations, first choice first; of a repeated one the first
// place counts. A holdSeconds of 0 stands for DefaultHoldSeconds.
func NewPolicy(channel string, sites []string, buffer, holdSeconds int64) *Policy {
	if holdSeconds == 0 {
		holdSeconds = DefaultHoldSeconds
	}
	p := &Policy{Channel: channel, Buffer: buffer, HoldSeconds: holdSeconds, rank: make(map[string]int, len(sites)), plain: true}
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
// policy's sites, less what is ring-fenced for other channels, not above the channel's own cap, less the buffer; nothing up to the
// sell-out threshold. It is the one availability function, for decisions and for read models.
func (b *Balances) Available(p *Policy, now aggregates.Instant) int64 {
	if b.Adds() {
		return b.AvailableOf(b.Pool(p, now), p, now)
	}
	return b.availableUnderRules(p, now, now)
}

func lessBuffer(pool int64, p *Policy) int64 { return max(0, pool-max(0, p.Buffer)) }

// availableUnderRules is AvailableAt where the SKU or the channel has rules; those of now are taken to hold on.
func (b *Balances) availableUnderRules(p *Policy, now, at aggregates.Instant) int64 {
	rule := b.sellingRule(p.Channel)
	if p.Closed || rule.Unsold || rule.ReleaseAt > at {
		return 0
	}
	pool := b.pool(p, now, at)
	if left, capped := b.capped(p.Channel, now); capped {
		pool = min(pool, left)
	}
	return b.afterSellOut(max(0, pool-b.buffer(p, now)), p, &rule)
}

// pool is what is free at the policy's sites for a date, less what is put aside for others.
func (b *Balances) pool(p *Policy, now, at aggregates.Instant) (pool int64) {
	if b.rules != nil && (len(b.rules.Allocations) > 0 || b.backordered("", now) > 0) {
		sites := make([]site, len(p.Sites))
		for rank, location := range p.Sites {
			sites[rank] = site{location, rank}
		}
		pool, _ = b.planFor(p, now, at).most(sites)
		return pool
	}
	b.sites(p, func(_ int, x *Balance) { pool = addUp(pool, b.spare(x, p, now, at)) })
	return pool
}

// buffer is what is kept back from the channel at now.
func (b *Balances) buffer(p *Policy, now aggregates.Instant) int64 {
	portion := b.bufferRule(p, now).Portion
	if portion.BasisPoints == 0 {
		return max(0, portion.Units)
	}
	var onHand int64
	b.sites(p, func(_ int, x *Balance) { onHand = addUp(onHand, max(0, x.OnHand[Sellable])) })
	return portion.Of(onHand)
}

// Free appends to list what is free at each of the policy's sites that has something, in no particular order. Their
// sum less the buffer is Available.
func (b *Balances) Free(p *Policy, now aggregates.Instant, list []Free) []Free {
	b.stocked(p, now, func(rank int, x *Balance, free int64) {
		list = append(list, Free{Location: x.Location, Rank: rank, Quantity: free})
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
			yield(rank, b.list[i])
		}
	}
}

// stocked yields what is free at the policy's sites, where something is. Finding out whether something is costs less than whether a location is
// one of many sites.
func (b *Balances) stocked(p *Policy, now aggregates.Instant, yield func(rank int, x *Balance, free int64)) {
	if len(p.Sites)*searchCost < len(b.list) {
		b.sites(p, func(rank int, x *Balance) {
			if free := x.Free(now); free > 0 {
				yield(rank, x, free)
			}
		})
		return
	}
	for i := range b.list {
		x := b.list[i]
		if free := x.Free(now); free > 0 {
			if rank, ok := p.rank[x.Location]; ok {
				yield(rank, x, free)
			}
		}
	}
}

// firstChoices takes a quantity from what is free, first choice first, and looks at no more locations once there is enough, with what is kept back from the channel.
// ok is false when the first choices, as many as can be found at the cost of a look at all locations, do not have that.
func (b *Balances) firstChoices(quantity int64, p *Policy, now aggregates.Instant) (splits []Split, ok bool) {
	missing := addUp(quantity, max(0, p.Buffer))
	for _, site := range p.Sites[:min(len(p.Sites), len(b.list)/searchCost)] {
		x := b.At(site)
		if x == nil {
			continue
		}
		free := x.Free(now)
		if take := min(quantity, free); take > 0 {
			splits = append(splits, Split{Location: x.Location, Quantity: take})
			quantity -= take
		}
		if missing -= free; missing <= 0 {
			return splits, true
		}
	}
	return nil, false
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

// SellsFrom tells whether a location is one of the policy's sites.
func (p *Policy) SellsFrom(location string) bool {
	_, ok := p.rank[location]
	return ok
}

// SellsAs tells whether two policies of a channel give the same availability at every instant. They may differ in which locations serve
// which method.
func (p *Policy) SellsAs(o *Policy) bool {
	return slices.Equal(p.Sites, o.Sites) && p.Buffer == o.Buffer && p.HoldSeconds == o.HoldSeconds && p.Closed == o.Closed &&
		p.Strategy == o.Strategy && p.MaxSplits == o.MaxSplits && p.Share == o.Share && p.BufferTime == o.BufferTime &&
		p.LowStock == o.LowStock && p.SellOut == o.SellOut && slices.Equal(p.Safety, o.Safety) && slices.Equal(p.Buffers, o.Buffers)
}
