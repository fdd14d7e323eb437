package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Use is what reservations of one channel hold at a location, back-ordered units apart from those taken from the stock. It
// is counted for SKUs with an allocation or a selling rule.
type Use struct {
	Channel     string
	Backordered bool
	Reserved    int64
	Holds       Holds // the part of Reserved that expires
}

// Live returns what is held at now.
func (u *Use) Live(now aggregates.Instant) int64 { return u.Reserved - u.Holds.EndedAt(now) }

// Opening is a part of what was reserved when the count by channel began. It sums up the live reservations of a channel at a
// location with one end.
type Opening struct {
	Channel  string
	Location string
	Until    aggregates.Instant // 0: confirmed
	Quantity int64
}

// open begins the count by channel, once.
func (b *Balances) open(list []Opening) {
	if b.tallied() {
		return
	}
	b.changeRules(func(r *Rules) { r.Tallied = true })
	for _, x := range list {
		b.at(x.Location).use(x.Channel, false, x.Quantity, x.Until)
	}
}

// opening sums up the live reservations, for the event that begins the count. It is empty once the count has begun, and
// *TooManyError when there are too many to begin.
func (s *State) opening() ([]Opening, error) {
	if s.tallied() {
		return nil, nil
	}
	sums := map[Opening]int64{}
	for k := range s.reservations.each {
		r := k.reservation()
		for _, x := range r.splits {
			sums[Opening{Channel: r.channel, Location: x.Location, Until: r.until}] += x.Quantity
		}
	}
	if len(sums) > MaxOpening {
		return nil, &TooManyError{Limit: MaxOpening}
	}
	list := make([]Opening, 0, len(sums))
	for x, quantity := range sums {
		x.Quantity = quantity
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Opening) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Until, b.Until))
	})
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// use changes what a channel holds at a location; what becomes nothing is gone.
func (x *Balance) use(channel string, backordered bool, delta int64, until aggregates.Instant) {
	i, found := x.findUse(channel, backordered)
	if !found {
		x.Uses = slices.Insert(x.Uses, i, Use{Channel: channel, Backordered: backordered})
	}
	u := &x.Uses[i]
	u.Reserved += delta
	if until != 0 {
		u.Holds.Add(until, delta)
	}
	if u.Reserved == 0 && u.Holds.Len() == 0 {
		x.Uses = slices.Delete(x.Uses, i, i+1)
	}
}

func (x *Balance) findUse(channel string, backordered bool) (int, bool) {
	return slices.BinarySearchFunc(x.Uses, Use{Channel: channel, Backordered: backordered}, func(a, b Use) int {
		if c := cmp.Compare(a.Channel, b.Channel); c != 0 || a.Backordered == b.Backordered {
			return c
		}
		return order(!a.Backordered)
	})
}

// Used is what a channel holds here at now, back-ordered units included.
func (x *Balance) Used(channel string, now aggregates.Instant) (sum int64) {
	for i := range x.Uses {
		if x.Uses[i].Channel == channel {
			sum += x.Uses[i].Live(now)
		}
	}
	return sum
}

// Backordered is what is promised here at now beyond the stock: it waits for units to arrive.
func (x *Balance) Backordered(now aggregates.Instant) (sum int64) {
	for i := range x.Uses {
		if x.Uses[i].Backordered {
			sum += x.Uses[i].Live(now)
		}
	}
	return sum
}

// Firm returns what is promised from the stock at now: what is reserved, less what is back-ordered.
func (x *Balance) Firm(now aggregates.Instant) int64 { return x.DueNow(now) - x.Backordered(now) }

// backordered is what a channel has back-ordered at now, at all locations; "" is all channels.
func (b *Balances) backordered(channel string, now aggregates.Instant) (sum int64) {
	for i := range b.list {
		for j := range b.list[i].Uses {
			if u := &b.list[i].Uses[j]; u.Backordered && (channel == "" || u.Channel == channel) {
				sum += u.Live(now)
			}
		}
	}
	return sum
}

// tallyOf names the channel of a reservation in an event, while reservations are counted by channel.
func (s *State) tallyOf(r *reservation) string {
	if s.tallied() {
		return r.channel
	}
	return ""
}

func cloneUses(uses []Use) []Use {
	uses = slices.Clone(uses)
	for i := range uses {
		uses[i].Holds = uses[i].Holds.clone()
	}
	return uses
}
