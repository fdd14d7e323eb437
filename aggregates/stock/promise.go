package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// PromiseStep of what can be promised: from At on, up to the next step, Quantity.
type PromiseStep struct {
	At       aggregates.Instant
	Quantity int64 // base units, never negative
}

// AvailableAt is the ATP of the SKU under a policy, at now, for a date: what can be promised then without breaking what is
// promised already. At now it is Available.
func (b *Balances) AvailableAt(p *Policy, now, at aggregates.Instant) int64 {
	if b.rules != nil || !p.plain {
		return b.availableUnderRules(p, now, at)
	}
	var pool int64
	b.sites(p, func(_ int, x *Balance) { pool = addUp(pool, x.FreeAt(now, at)) })
	return lessBuffer(pool, p)
}

// FreeAt appends to list what could be promised for a date at each of the policy's sites that has something, in no
// particular order. Their sum less the buffer is AvailableAt.
func (b *Balances) FreeAt(p *Policy, now, at aggregates.Instant, list []Free) []Free {
	b.sites(p, func(rank int, x *Balance) {
		if free := x.FreeAt(now, at); free > 0 {
			list = append(list, Free{Location: x.Location, Rank: rank, Quantity: free})
		}
	})
	return list
}

// Promisable returns the ATP from now to a horizon: the first step is now, every other one a date from which more can be
// promised than before; it never falls. What is promised beyond the horizon is respected all the same. At most so many
// steps are returned, the earliest.
func (b *Balances) Promisable(p *Policy, now, horizon aggregates.Instant, most int) []PromiseStep {
	steps := []PromiseStep{{At: now, Quantity: b.AvailableAt(p, now, now)}}
	for _, due := range b.arrivals(p, now) {
		if due > horizon || len(steps) >= most {
			break
		}
		if quantity := b.AvailableAt(p, now, due); quantity > steps[len(steps)-1].Quantity {
			steps = append(steps, PromiseStep{At: due, Quantity: quantity})
		}
	}
	return steps
}

// NextAvailable is the first date, now or later, for which at least so much can be promised; ok is false when no supply
// that is known of brings that.
func (b *Balances) NextAvailable(p *Policy, now aggregates.Instant, quantity int64) (at aggregates.Instant, ok bool) {
	if b.AvailableAt(p, now, now) >= quantity {
		return now, true
	}
	dates := b.arrivals(p, now)
	i, _ := slices.BinarySearchFunc(dates, quantity, func(due aggregates.Instant, quantity int64) int {
		return cmp.Compare(b.AvailableAt(p, now, due), quantity)
	})
	if i == len(dates) {
		return 0, false
	}
	return dates[i], true
}

// arrivals are the dates after now on which supply is due at a policy's sites, or the SKU is released, in order. Only then does what can be
// promised grow.
func (b *Balances) arrivals(p *Policy, now aggregates.Instant) []aggregates.Instant {
	var dates []aggregates.Instant
	b.sites(p, func(_ int, x *Balance) {
		if x.Later == nil {
			return
		}
		for h := range x.Later.Incoming.Each {
			if h.Until > now {
				dates = append(dates, h.Until)
			}
		}
	})
	if at := b.sellingRule(p.Channel).ReleaseAt; at > now {
		dates = append(dates, at)
	}
	slices.Sort(dates)
	return slices.Compact(dates)
}

// dateOf reads the date that a reservation is to be promised for: 0 when that is now, or past.
func (r *ReserveRequest) dateOf(now aggregates.Instant) (aggregates.Instant, error) {
	if r.PromiseAt > now+aggregates.Instant(MaxPromiseSeconds)*aggregates.Second {
		return 0, &PromiseDateError{PromiseAt: r.PromiseAt, Now: now}
	}
	at := r.PromiseAt - r.PromiseAt%aggregates.Second
	if at <= now {
		return 0, nil
	}
	return at, nil
}

// promiseAt finds where units can be promised for a later date, and what supply they count on.
func (s *State) promiseAt(r *ReserveRequest, quantity int64, p *Policy, now, at aggregates.Instant) ([]Split, []SupplyUse, error) {
	if s.Live() >= MaxLiveReservations {
		return nil, nil, &TooManyError{Limit: MaxLiveReservations}
	}
	splits, err := s.placesAt(r, quantity, p, now, at)
	if err != nil {
		return nil, nil, err
	}
	var uses []SupplyUse
	for _, x := range splits {
		b := s.At(x.Location)
		if _, ok := add(b.Reserved, x.Quantity); !ok {
			return nil, nil, &OverflowError{Location: x.Location, What: "reserved stock"}
		}
		if !b.takesDate(at) {
			return nil, nil, &TooManyDatesError{Location: x.Location, Limit: MaxPromiseDates}
		}
		uses = append(uses, s.countsOn(b, x.Quantity, now, at)...)
	}
	return splits, slices.Clip(uses[:min(len(uses), MaxUses)]), nil
}

// promiseMore finds where more units can be taken under a reservation that is promised for a date: 0, or one that has come,
// is now.
func (s *State) promiseMore(r *ReserveRequest, quantity int64, p *Policy, now, date aggregates.Instant) ([]Split, error) {
	if date > now {
		splits, _, err := s.promiseAt(r, quantity, p, now, date)
		return splits, err
	}
	splits, err := s.promise(r, quantity, p, now)
	if err != nil {
		return nil, err
	}
	return splits, s.takeDate(splits, date)
}

// takeDate returns *TooManyDatesError when there is no room to promise splits for a date, 0 for none.
func (s *State) takeDate(splits []Split, date aggregates.Instant) error {
	for _, x := range splits {
		if date != 0 && !s.At(x.Location).takesDate(date) {
			return &TooManyDatesError{Location: x.Location, Limit: MaxPromiseDates}
		}
	}
	return nil
}

// takesDate tells whether there is room to promise something for a date; a location that nothing was said of has room.
func (x *Balance) takesDate(at aggregates.Instant) bool {
	if x == nil || x.Later == nil || len(x.Later.Promises) < MaxPromiseDates {
		return true
	}
	_, known := x.Later.find(at)
	return known
}

// placesAt finds where units can be promised for a later date.
func (s *State) placesAt(r *ReserveRequest, quantity int64, p *Policy, now, at aggregates.Instant) ([]Split, error) {
	if s.rules != nil || !p.plain || !r.plain() {
		return s.sourceAt(r, quantity, p, now, at)
	}
	free := s.FreeAt(p, now, at, nil)
	var pool int64
	for _, x := range free {
		pool = addUp(pool, x.Quantity)
	}
	if available := lessBuffer(pool, p); quantity > available {
		return nil, &InsufficientError{Requested: quantity, Available: available, PromiseAt: at}
	}
	return allocate(free, quantity), nil
}

// countsOn finds which supply a promise at a location counts on. Promises take the stock first and then the supply as it
// comes, those for earlier dates before those for later ones, and at one date as they were made.
func (s *State) countsOn(x *Balance, quantity int64, now, at aggregates.Instant) []SupplyUse {
	stock := subDown(subDown(x.OnHand[Sellable], x.DueNow(now)), x.SafetyStock)
	if x.Later != nil {
		for i := range x.Later.Promises {
			if d := &x.Later.Promises[i]; d.At > now && d.At <= at {
				stock = subDown(stock, d.live(now))
			}
		}
	}
	taken := -min(0, stock) // of supply, by others
	quantity -= max(0, stock)
	if quantity <= 0 {
		return nil
	}
	var uses []SupplyUse
	for _, line := range s.openLines(x.Location, now, at) {
		if quantity <= 0 {
			break
		}
		left := max(0, line.Quantity-taken)
		taken -= min(taken, line.Quantity)
		if line.Quantity = min(left, quantity); line.Quantity > 0 {
			quantity -= line.Quantity
			uses = append(uses, line)
		}
	}
	return uses
}

// openLines are what is open at a location and due after now, up to a date, in order of due dates.
func (s *State) openLines(location string, now, until aggregates.Instant) []SupplyUse {
	var lines []SupplyUse
	open, _ := s.supply.inOrder()
	for _, d := range open {
		for _, x := range d.states() {
			if x.open > 0 && x.line.location == location && x.due > now && x.due <= until {
				lines = append(lines, SupplyUse{Kind: x.line.kind, Document: d.document, Line: x.line.name, Location: location,
					DueAt: x.due, Quantity: x.open})
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b SupplyUse) int { return cmp.Compare(a.DueAt, b.DueAt) })
	return lines
}
