package stock

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// policyOf is what the channel of a promise may sell.
func policyOf(channel string) *Policy {
	for _, p := range channels {
		if p.Channel == channel {
			return p
		}
	}
	return channels[0]
}

// change promises more or fewer units.
func (h *history) change() {
	r := ChangeRequest{ReservationID: h.someID(), Quantity: int64(h.draw("quantity", 0, 15))}
	m := h.meta(fmt.Sprint(r))
	x := h.model.reservations[r.ReservationID]
	p := channels[0]
	if x != nil {
		p = policyOf(x.channel)
	}
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) { return three(Change(h.state, r, m, p, h.now)) })
	switch {
	case x == nil:
		h.refused(err, ErrUnknownReservation)
		return
	case !x.live(h.now):
		h.refused(err, &NotLiveError{r.ReservationID, x.status(h.now)})
		return
	case r.Quantity == 0:
		h.refused(err, &QuantityError{Quantity: 0, Min: 1, Max: MaxQuantity})
		return
	case r.Quantity-x.remaining() > h.model.available(p, h.now):
		h.refused(err, &InsufficientError{Requested: r.Quantity, Available: h.model.available(p, h.now) + x.remaining()})
		return
	case err != nil || (len(events) == 0) != (r.Quantity == x.remaining()):
		h.t.Fatalf("%d instead of %d: %v%s", r.Quantity, x.remaining(), err, shown(events))
	}
	if r.Quantity < x.remaining() {
		x.giveBack(x.remaining() - r.Quantity)
	} else {
		x.quantity += r.Quantity - x.remaining()
		x.put(h.model.cheapest(r.Quantity-x.remaining(), p.Sites, nil, h.now))
	}
	if len(events) > 0 {
		h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(Change(h.state, r, m, p, h.now))
		})
	}
}

// reallocate moves a promise, some of whose channel's sites may have closed.
func (h *history) reallocate() {
	r := ReallocateRequest{ReservationID: h.someID(), Reason: "closed"}
	m := h.meta(fmt.Sprint(r))
	x := h.model.reservations[r.ReservationID]
	var open []string
	if x != nil {
		for _, site := range policyOf(x.channel).Sites {
			if h.draw("closed", 0, 2) > 0 {
				open = append(open, site)
			}
		}
	}
	p := NewPolicy("of the reservation", open, 0, 30)
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Reallocate(h.state, r, m, p, h.now))
	})
	switch {
	case x == nil:
		h.refused(err, ErrUnknownReservation)
		return
	case !x.live(h.now):
		h.refused(err, &NotLiveError{r.ReservationID, x.status(h.now)})
		return
	case err != nil:
		h.t.Fatal(err)
	}
	badly := h.model.badly(x, open, h.now)
	to := h.model.cheapest(total(badly), open, badly, h.now)
	if (len(events) == 0) != (total(to) == 0) {
		h.t.Fatalf("%+v stand badly, %+v can be had%s", badly, to, shown(events))
	}
	x.take(badly, total(to))
	x.put(to)
	if len(events) > 0 {
		h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(Reallocate(h.state, r, m, p, h.now))
		})
	}
}

// badly is what a promise holds where it cannot be kept.
func (m *model) badly(x *promise, open []string, now aggregates.Instant) (badly []Split) {
	for _, s := range x.splits {
		quantity := int64(0)
		if !slices.Contains(open, s.Location) {
			quantity = s.Quantity
		} else if missing := m.live(s.Location, now) - m.now(s.Location, Sellable); missing > 0 {
			quantity = min(s.Quantity, missing)
		}
		if quantity > 0 {
			badly = append(badly, Split{Location: s.Location, Quantity: quantity})
		}
	}
	return badly
}

// cheapest is up to so many units of what is free, at the first sites that have some, but for those of a list.
func (m *model) cheapest(quantity int64, at []string, not []Split, now aggregates.Instant) (list []Split) {
	for _, site := range at {
		if take := min(quantity, m.free(site, now)); take > 0 && !hasLocation(not, site) {
			quantity -= take
			list = append(list, Split{Location: site, Quantity: take})
		}
	}
	return list
}

// take takes units away, those of the first splits first.
func (p *promise) take(from []Split, quantity int64) {
	for _, x := range from {
		for i := range p.splits {
			if take := min(quantity, x.Quantity); p.splits[i].Location == x.Location {
				p.splits[i].Quantity -= take
				quantity -= take
			}
		}
	}
}

// put adds units, at locations that are new behind the others.
func (p *promise) put(list []Split) {
	var left []Split
	for _, x := range p.splits {
		if x.Quantity > 0 {
			left = append(left, x)
		}
	}
	for _, x := range list {
		left = addSplit(left, x)
	}
	p.splits = left
}

// change promises more or fewer units for a date.
func (h *supplyHistory) change() {
	c := h.someCart()
	if c == nil {
		return
	}
	r := ChangeRequest{ReservationID: c.id, Quantity: int64(h.draw("quantity", 1, 15))}
	m := h.callMeta()
	available, has := h.days.available(c.policy, h.now)[h.point(c)], c.held()
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Change(h.state, r, m, c.policy, h.now))
	})
	switch {
	case r.Quantity-has > available:
		h.refused(err, &InsufficientError{Requested: r.Quantity, Available: available + has, PromiseAt: c.later(h.now)})
		return
	case err != nil || (len(events) == 0) != (r.Quantity == has):
		h.t.Fatalf("%d instead of %d: %v%s", r.Quantity, has, err, shown(events))
	}
	h.bring(c, r.Quantity, nil)
	if len(events) > 0 {
		h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(Change(h.state, r, m, c.policy, h.now))
		})
	}
}

// reallocate moves a promise for a date, some of whose channel's sites may have closed.
func (h *supplyHistory) reallocate() {
	c := h.someCart()
	if c == nil {
		return
	}
	var open []string
	for _, site := range c.policy.Sites {
		if h.draw("closed", 0, 2) > 0 {
			open = append(open, site)
		}
	}
	m, p := h.callMeta(), NewPolicy(c.policy.Channel, open, 0, 30)
	badly := h.badly(c, open)
	to := h.cheapest(total(badly), open, badly, h.point(c))
	_, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Reallocate(h.state, ReallocateRequest{ReservationID: c.id}, m, p, h.now))
	})
	if err != nil || (len(events) == 0) != (total(to) == 0) {
		h.t.Fatalf("%+v stand badly, %+v can be had: %v%s", badly, to, err, shown(events))
	}
	left := total(to)
	for _, x := range badly {
		take := min(left, x.Quantity)
		c.add(x.Location, -take)
		left -= take
	}
	for _, x := range to {
		c.add(x.Location, x.Quantity)
	}
	h.moved += min(1, len(events))
}

// badly is what a cart holds where it cannot be kept: where something is missing now, or from its date on.
func (h *supplyHistory) badly(c *datedCart, open []string) (badly []Split) {
	for _, site := range c.order {
		missing := c.splits[site]
		if slices.Contains(open, site) {
			lowest := h.days.balances(site, h.now)[0]
			if c.later(h.now) != 0 {
				lowest = slices.Min(h.days.balances(site, h.now)[h.point(c):])
			}
			missing = min(missing, -lowest)
		}
		if missing > 0 {
			badly = append(badly, Split{Location: site, Quantity: missing})
		}
	}
	return badly
}

func (h *supplyHistory) cheapest(quantity int64, at []string, not []Split, point int) (list []Split) {
	for _, site := range at {
		if take := min(quantity, h.days.free(site, h.now)[point]); take > 0 && !hasLocation(not, site) {
			quantity -= take
			list = append(list, Split{Location: site, Quantity: take})
		}
	}
	return list
}

// takeOver has an order take a cart over, sold already or not.
func (h *supplyHistory) takeOver() {
	c := h.someCart()
	if c == nil {
		return
	}
	m, quantity := h.callMeta(), int64(h.draw("quantity", 0, 15))
	r := OrderRequest{ReservationID: c.id, OrderID: c.id, Version: uint64(h.said), TakesOver: true, Sold: h.draw("sold", 0, 1) == 0}
	r.ExpiresAt = (h.now + 60*aggregates.Second).CeilSecond()
	if quantity > 0 {
		r.Lines = []int64{quantity}
	}
	before := h.missing()
	available, has := h.days.available(c.policy, h.now)[h.point(c)], c.held()
	_, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Order(h.state, r, m, c.policy, h.now))
	})
	if !r.Sold && quantity > available+has {
		h.refused(err, &InsufficientError{Requested: quantity, Available: available + has, PromiseAt: c.later(h.now)})
		return
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.bring(c, quantity, c.policy.Sites)
	switch {
	case quantity == 0:
	case r.Sold:
		c.until = 0
	case c.until != 0:
		c.until = r.ExpiresAt
	}
	h.sameShortfalls(before, events)
}

// bring brings a cart to a quantity: what is free for its date, and what is not at the first of some
// sites; or what came last goes.
func (h *supplyHistory) bring(c *datedCart, quantity int64, sites []string) {
	for i := len(c.order) - 1; i >= 0 && c.held() > quantity; i-- {
		c.add(c.order[i], -min(c.splits[c.order[i]], c.held()-quantity))
	}
	for _, x := range h.cheapest(quantity-c.held(), c.policy.Sites, nil, h.point(c)) {
		c.add(x.Location, x.Quantity)
	}
	if left := quantity - c.held(); left > 0 {
		c.add(sites[0], left)
	}
}

// someCart draws one that is live.
func (h *supplyHistory) someCart() *datedCart {
	var live []*datedCart
	for _, c := range h.days.carts {
		if c.live(h.now) && c.held() > 0 {
			live = append(live, c)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return live[h.draw("cart", 0, len(live)-1)]
}

func (h *supplyHistory) callMeta() aggregates.Metadata {
	h.said++
	return aggregates.Metadata{OccurredAt: h.now, RecordedAt: h.now, IdempotencyKey: fmt.Sprint("call ", h.said), Fingerprint: 1}
}

// point is where a cart's date is among the model's points; one that has come is now.
func (h *supplyHistory) point(c *datedCart) int {
	for i, at := range h.days.points(h.now) {
		if at == c.date {
			return i
		}
	}
	return 0
}

// sameCarts holds what reservations hold, and in which order, against the model.
func (h *supplyHistory) sameCarts() {
	for _, c := range h.days.carts {
		r, err := Find(h.state, c.id, h.now)
		if errors.Is(err, ErrUnknownReservation) {
			continue // it ended long ago
		}
		var want []Split
		if c.live(h.now) {
			for _, site := range c.order {
				want = append(want, Split{Location: site, Quantity: c.splits[site]})
			}
		}
		if err != nil || fmt.Sprint(r.Splits) != fmt.Sprint(want) || r.PromiseAt != c.date {
			h.t.Fatalf("%+v, %v, expected %v for %d", r, err, want, c.date)
		}
	}
}
