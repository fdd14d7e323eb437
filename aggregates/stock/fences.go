package stock

import (
	"math"
	"slices"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
)

// Which units a channel may take when some are guaranteed to others is a question of flows: each ring-fence is a demand that can
// be met at some of the locations, and the channel may take what leaves the demands met as far as they can be. Demands are
// met where that leaves the most to others, and what is put aside for one moves when another place will do.

// plan is what is free, and what is put aside where.
type plan struct {
	locations []string // sorted
	rest      []int64  // free there, and neither put aside nor taken
	demands   []demand
	bounds    []bound // of the channel itself
}

// demand is put aside for somebody, at some of the locations.
type demand struct {
	at   []bool
	here []int64 // put aside, by location
}

// bound is the most that the channel may still take at some of the locations.
type bound struct {
	at   []bool
	left int64
}

// planFor puts aside what channels are guaranteed, in order of channel when there is not enough for all, then what waits for units;
// what the policy's own channel is guaranteed is then its to take.
func (b *Balances) planFor(p *Policy, now, date aggregates.Instant) *plan {
	x := &plan{}
	for i := range b.list {
		x.locations = append(x.locations, b.list[i].Location)
		x.rest = append(x.rest, b.spare(b.list[i], p, now, date))
	}
	if b.rules == nil {
		return x
	}
	own := x.fence(b, p.Channel, now)
	for i := range b.list {
		if owed := b.list[i].Backordered(now); owed > 0 {
			at := make([]bool, len(b.list))
			at[i] = true
			x.put(at, owed)
		}
	}
	x.release(own)
	x.bound(b, p.Channel, now)
	return x
}

// release gives back what some demands have put aside.
func (x *plan) release(demands []demand) {
	for i := range demands {
		for l, quantity := range demands[i].here {
			x.rest[l] += quantity
			demands[i].here[l] = 0
		}
	}
}

// spare is what can be promised at a location for a date, now or later, beyond what is firmly promised and kept back; never
// negative.
func (b *Balances) spare(x *Balance, p *Policy, now, at aggregates.Instant) int64 {
	free := subDown(x.OnHand[Sellable], x.Firm(now))
	if x.Later != nil {
		free, _ = x.lowest(now, at)
	}
	if free <= 0 {
		return 0
	}
	return max(0, free-b.kept(x, p, now))
}

// fence puts aside what is ring-fenced and not used. A ring-fence in a group counts towards the same channel's ring-fence of
// everywhere. It returns the demands of one channel.
func (x *plan) fence(b *Balances, channel string, now aggregates.Instant) (own []demand) {
	list := b.rules.Allocations // of one channel, the one without a group comes first
	first, last := 0, 0
	for i := 0; i < len(list); {
		end := i + 1
		for end < len(list) && list[end].Channel == list[i].Channel {
			end++
		}
		at := len(x.demands)
		x.fenceChannel(b, list[i:end], now)
		if list[i].Channel == channel {
			first, last = at, len(x.demands)
		}
		i = end
	}
	return x.demands[first:last]
}

func (x *plan) fenceChannel(b *Balances, list []Allocation, now aggregates.Instant) {
	var grouped int64
	for i := range list {
		if a := &list[i]; a.Group != "" {
			open := max(0, a.Fence-b.Used(a, now))
			grouped = addUp(grouped, open)
			x.put(x.mask(a.Locations), open)
		}
	}
	if a := &list[0]; a.Group == "" {
		x.put(x.mask(a.Locations), max(0, a.Fence-b.Used(a, now)-grouped))
	}
}

// bound finds how much the channel may still take in the groups where it is capped.
func (x *plan) bound(b *Balances, channel string, now aggregates.Instant) {
	for i := range b.rules.Allocations {
		if a := &b.rules.Allocations[i]; a.Channel == channel && a.Capped && a.Group != "" {
			x.bounds = append(x.bounds, bound{at: x.mask(a.Locations), left: max(0, a.Cap-b.Used(a, now))})
		}
	}
}

// capped is how much a channel may still take altogether; ok is false when nothing bounds it.
func (b *Balances) capped(channel string, now aggregates.Instant) (left int64, ok bool) {
	if i, found := b.rules.allocation(channel, ""); found && b.rules.Allocations[i].Capped {
		a := &b.rules.Allocations[i]
		return max(0, a.Cap-b.Used(a, now)), true
	}
	return 0, false
}

func (x *plan) mask(locations []string) []bool {
	at := make([]bool, len(x.locations))
	for _, l := range locations {
		if i, found := slices.BinarySearch(x.locations, l); found {
			at[i] = true
		}
	}
	return at
}

// put puts units aside at some of the locations, as many as can be, moving what is put aside for others. They stay aside, and
// move for later ones.
func (x *plan) put(at []bool, quantity int64) {
	if quantity == 0 {
		return
	}
	x.demands = append(x.demands, demand{at: at, here: make([]int64, len(x.locations))})
	n := len(x.demands) - 1
	for l := 0; l < len(at) && quantity > 0; l++ {
		if at[l] {
			got := x.take(l, quantity)
			x.demands[n].here[l] += got
			quantity -= got
		}
	}
}

// take takes units at a location: what rests there, then what can be made to rest there. It returns how many.
func (x *plan) take(l int, quantity int64) int64 {
	got := min(quantity, x.rest[l])
	x.rest[l] -= got
	for got < quantity {
		freed := x.free(l, quantity-got)
		if freed == 0 {
			break
		}
		x.rest[l] -= freed
		got += freed
	}
	return got
}

// free makes units rest at a location, at most so many, by moving what is put aside along the shortest chain of demands to
// a place that has some. It returns how many; 0 when none can be.
func (x *plan) free(l int, most int64) int64 {
	from := make([]hop, len(x.locations))
	for i := range from {
		from[i] = hop{location: -1}
	}
	from[l] = hop{location: l}
	for queue := []int{l}; len(queue) > 0; queue = queue[1:] {
		here := queue[0]
		for d := range x.demands {
			if x.demands[d].here[here] == 0 {
				continue
			}
			for there, may := range x.demands[d].at {
				if !may || from[there].location >= 0 {
					continue
				}
				from[there] = hop{location: here, demand: d}
				if x.rest[there] > 0 {
					return x.move(from, l, there, most)
				}
				queue = append(queue, there)
			}
		}
	}
	return 0
}

// hop is how a location was reached: what a demand has at another one can move here.
type hop struct{ location, demand int }

func (x *plan) move(from []hop, first, last int, most int64) int64 {
	quantity := min(most, x.rest[last])
	for l := last; l != first; l = from[l].location {
		quantity = min(quantity, x.demands[from[l].demand].here[from[l].location])
	}
	x.rest[last] -= quantity
	for l := last; l != first; l = from[l].location {
		d := &x.demands[from[l].demand]
		d.here[l] += quantity
		d.here[from[l].location] -= quantity
	}
	x.rest[first] += quantity
	return quantity
}

// most is what the channel can take at its sites altogether, and one way to take it.
func (x *plan) most(sites []site) (total int64, list []Free) {
	own := make([]bool, len(x.locations))
	rank := make([]int, len(x.locations))
	for _, s := range sites {
		if i, found := slices.BinarySearch(x.locations, s.location); found {
			own[i], rank[i] = true, s.rank
		}
	}
	rest, first := slices.Clone(own), len(x.demands)
	for _, b := range x.bounds {
		inside := make([]bool, len(own))
		for i := range own {
			inside[i] = own[i] && b.at[i]
			rest[i] = rest[i] && !b.at[i]
		}
		x.put(inside, b.left)
	}
	x.put(rest, math.MaxInt64)
	for l, mine := range own {
		free := Free{Location: x.locations[l], Rank: rank[l]}
		for i := first; i < len(x.demands); i++ {
			free.Quantity = addUp(free.Quantity, x.demands[i].here[l])
		}
		if mine && free.Quantity > 0 {
			list = append(list, free)
			total = addUp(total, free.Quantity)
		}
	}
	return total, list
}

// greedy takes a quantity site by site in the order given, each time as much as can be. It returns what it got.
func (x *plan) greedy(order []Free, quantity int64) (taken []Free) {
	for _, f := range order {
		l := sort.SearchStrings(x.locations, f.Location)
		want := min(quantity, f.Quantity)
		for i := range x.bounds {
			if x.bounds[i].at[l] {
				want = min(want, x.bounds[i].left)
			}
		}
		got := x.take(l, want)
		if got == 0 {
			continue
		}
		for i := range x.bounds {
			if x.bounds[i].at[l] {
				x.bounds[i].left -= got
			}
		}
		taken = append(taken, Free{Location: f.Location, Rank: f.Rank, Quantity: got})
		if quantity -= got; quantity == 0 {
			break
		}
	}
	return taken
}

// clone copies what taking changes.
func (x *plan) clone() *plan {
	c := &plan{locations: x.locations, rest: slices.Clone(x.rest), demands: slices.Clone(x.demands), bounds: slices.Clone(x.bounds)}
	for i := range c.demands {
		c.demands[i].here = slices.Clone(c.demands[i].here)
	}
	return c
}
