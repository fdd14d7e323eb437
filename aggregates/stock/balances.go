package stock

import (
	"slices"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
)

// Balances are a SKU's quantities by location, and its description. The zero value is the initial state. They are what
// availability needs; read models fold and keep them alone.
type Balances struct {
	Item Item
	list []*Balance // in order of location, bytewise

	base    []*Balance // the list that this was made of by Next: balances in it are not its own
	futures int        // locations that have a Later

	rules  *Rules  // nil when the SKU never had one
	bundle *Bundle // nil when the SKU never was a kit, nor in one
}

// Balance is what lies at one location, in base units.
type Balance struct {
	Location    string
	OnHand      [conditions]int64 // by Condition; negative when facts contradict each other
	Reserved    int64             // sum of what reservations hold here, holds included until their end is recorded
	SafetyStock int64
	InTransit   int64  // on its way here; negative when the arrival was recorded before the departure
	Holds       Holds  // the part of Reserved that expires
	Later       *Later // what is to come and what is promised for later dates; nil when nothing is
	Uses        []Use  // Reserved by channel, while that is counted; in order of channel

	journal *journal // only in a State, and only where facts were recorded
}

// Live returns what is reserved at now: holds that have ended do not count, recorded or not.
func (x *Balance) Live(now aggregates.Instant) int64 { return x.Reserved - x.Holds.EndedAt(now) }

// Oversold tells whether more is promised for now than lies here, what is back-ordered left aside.
func (x *Balance) Oversold(now aggregates.Instant) bool { return x.OnHand[Sellable] < x.Firm(now) }

// Short tells whether more is promised, for now or for a later date, than lies here or is to come by then.
func (x *Balance) Short(now aggregates.Instant) bool {
	if x.Later == nil {
		return x.Oversold(now)
	}
	lowest, _ := x.lowest(now, now)
	return lowest < 0
}

// At returns the balance at a location, nil when nothing was ever said of it. It is valid until the next Evolve or Put.
func (b *Balances) At(location string) *Balance {
	if i, ok := b.find(location); ok {
		return b.list[i]
	}
	return nil
}

// Each yields the balances in order of location; use it as for x := range b.Each.
func (b *Balances) Each(yield func(*Balance) bool) {
	for i := range b.list {
		if !yield(b.list[i]) {
			return
		}
	}
}

// Len is the number of locations.
func (b *Balances) Len() int { return len(b.list) }

// Put sets the balance of a location, for those who restore balances from storage. It takes over the holds.
func (b *Balances) Put(x Balance) {
	at := b.at(x.Location)
	b.countFuture(at.Later, x.Later)
	*at = x
}

// Grow makes room for n more balances.
func (b *Balances) Grow(n int) { b.list = slices.Grow(b.list, n) }

// Clone returns a copy that shares nothing that changes. What a State keeps beside the quantities is not copied.
func (b *Balances) Clone() Balances {
	c := Balances{Item: b.Item, list: make([]*Balance, len(b.list)), futures: b.futures, rules: b.rules, bundle: b.bundle}
	for i, x := range b.list {
		c.list[i] = x.clone()
	}
	return c
}

// clone returns a copy without what a State keeps beside the quantities.
func (x *Balance) clone() *Balance {
	c := *x
	c.Holds, c.Later, c.journal = x.Holds.clone(), x.Later.clone(), nil
	if len(x.Uses) > 0 {
		c.Uses = cloneUses(x.Uses)
	}
	return &c
}

// Next returns what to fold the next events on. It shares the balances of the locations that they do not change, so b must not be changed
// any more: whoever reads it sees what there was.
func (b *Balances) Next() Balances {
	return Balances{Item: b.Item, list: slices.Clone(b.list), base: b.list, futures: b.futures, rules: b.rules, bundle: b.bundle}
}

// Settle lets go of what Next remembers, once nothing is folded any more.
func (b *Balances) Settle() { b.base = nil }

// Since yields the balances that are not those of an earlier state any more, and what there was; nil for nothing. Between a state and what is folded
// on its Next that is where something may have changed.
func (b *Balances) Since(earlier *Balances, yield func(was, is *Balance)) {
	was, is := earlier.list, b.list
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(was) > 0 && len(is) > 0 && was[0] == is[0]:
			was, is = was[1:], is[1:]
		case len(is) == 0 || len(was) > 0 && was[0].Location < is[0].Location:
			yield(was[0], nil)
			was = was[1:]
		case len(was) == 0 || is[0].Location < was[0].Location:
			yield(nil, is[0])
			is = is[1:]
		default:
			yield(was[0], is[0])
			was, is = was[1:], is[1:]
		}
	}
}

func (b *Balances) find(location string) (int, bool) { return findBalance(b.list, location) }

func findBalance(list []*Balance, location string) (int, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].Location >= location })
	return i, i < len(list) && list[i].Location == location
}

// at returns the balance at a location, to be changed, and makes it when there is none.
func (b *Balances) at(location string) *Balance {
	i, ok := b.find(location)
	switch {
	case !ok:
		b.list = slices.Insert(tight(b.list), i, &Balance{Location: location})
	case b.shares(i):
		b.list[i] = b.list[i].clone()
	}
	return b.list[i]
}

// shares tells whether the balance of an index is not of b alone.
func (b *Balances) shares(i int) bool {
	if len(b.base) == len(b.list) { // no location has come to the list that b was made of
		return b.base[i] == b.list[i]
	}
	at, ok := findBalance(b.base, b.list[i].Location)
	return ok && b.base[at] == b.list[i]
}

// Evolve folds one event.
func (b *Balances) Evolve(e aggregates.Event) {
	legs(e, b.move)
	switch e := e.(type) {
	case *ItemRegistered:
		b.Item.evolve(e)
	case *SafetyStockSet:
		b.setSafety(e)
	case *AllocationSet:
		b.setAllocation(e)
	case *SellingRuleSet:
		b.setSelling(e)
	case *BufferSet:
		b.setBuffer(e)
	case *KitDefined, *KitMembershipSet:
		b.evolveKit(e)
	case *StockSold:
		b.leave(e.Channel, e.Location, e.Quantity)
	case *TransferShipped:
		if e.Destination != "" {
			b.at(e.Destination).InTransit += e.Quantity
		}
	case *TransferReceived:
		b.at(e.Location).InTransit -= e.Quantity
	default:
		b.promise(e)
		b.promiseLater(e)
	}
	b.expect(supplyOf(e))
}

// move changes what lies at a location, unless a count already covers the change.
func (b *Balances) move(l leg) {
	x := b.at(l.location)
	if !l.absorbed.Is() {
		x.OnHand[l.condition] += l.delta
	}
}

// promise folds what reservations do to balances.
func (b *Balances) promise(e aggregates.Event) {
	switch e := e.(type) {
	case *ReservationPlaced:
		b.reserve(e.Channel, e.Splits, +1, e.ExpiresAt)
	case *ReservationReleased:
		b.reserve(e.Channel, e.Splits, -1, e.ExpiresAt)
	case *ReservationExpired:
		b.reserve(e.Channel, e.Splits, -1, e.ExpiresAt)
	case *ReservationConfirmed:
		b.reserve(e.Channel, e.Splits, -1, e.ExpiredAt)
		b.reserve(e.Channel, e.Splits, +1, 0)
	case *ReservationExtended:
		b.reserve(e.Channel, e.Splits, -1, e.From)
		b.reserve(e.Channel, e.Splits, +1, e.ExpiresAt)
	case *ReservationFulfilled:
		for _, x := range e.Splits {
			b.hold(e.Channel, Split{Location: x.ReservedAt, Quantity: -x.Quantity, Backordered: x.Backordered}, e.ExpiresAt)
			b.leave(e.Channel, x.ReservedAt, x.Quantity)
		}
	case *ReservationReallocated:
		b.reserve(e.Channel, e.From, -1, e.ExpiresAt)
		b.reserve(e.Channel, e.To, +1, e.ExpiresAt)
	case *ReservationChanged:
		b.reserve(e.Channel, e.Removed, -1, e.ExpiresAt)
		b.reserve(e.Channel, e.Added, +1, e.ExpiresAt)
	}
}

func (b *Balances) reserve(channel string, splits []Split, sign int64, until aggregates.Instant) {
	for _, x := range splits {
		x.Quantity *= sign
		b.hold(channel, x, until)
	}
}

// hold changes what is reserved at a location, and until when unless that is 0; by channel as well while that is counted.
func (b *Balances) hold(channel string, change Split, until aggregates.Instant) {
	x := b.at(change.Location)
	x.Reserved += change.Quantity
	if until != 0 {
		x.Holds.Add(until, change.Quantity)
	}
	if channel != "" && b.tallied() {
		x.use(channel, change.Backordered, change.Quantity, until)
	}
}
