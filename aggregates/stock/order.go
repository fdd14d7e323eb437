package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// OrderRequest is what an order wants of one SKU as of one version of the order.
type OrderRequest struct {
	ReservationID string
	OrderID       string
	Version       uint64 // of the order, the number of its events, at least 1
	// Lines are the units that each line still waits for, positive; none when nothing is wanted any more.
	Lines []int64
	// Partial takes the lines there is enough for, in their order, each wholly or not at all; otherwise it is all or none.
	Partial bool
	// Sold takes everything, whether there is enough or not: the units are sold already.
	Sold bool
	// Confirmed promises without end; otherwise the hold ends at ExpiresAt, a whole second.
	Confirmed bool
	ExpiresAt aggregates.Instant
	// TakesOver says that the reservation was placed by somebody else, such as the cart that became the order.
	TakesOver bool
	// From is the order whose hold is taken over, when one has it.
	From string
	// Trial only decides.
	Trial bool
	// Location, when it is given, is where the units must come from.
	Location string
	// Method is how they are handed over, "" for any: they come from places that may serve it. What has no rule is served everywhere; units that are
	// sold already come from other places only when none may serve it.
	Method string
	Reason string // of giving back
}

// Ordered is what an order got of one SKU.
type Ordered struct {
	Reservation Reservation
	Accepted    []bool // by line; nil when all are
	Available   int64  // to the order, its own hold included, when a line is not accepted
	Stale       bool   // a newer version of the order has asked before: nothing was done
	Oversold    []OversoldDetected
	Breaks      []Break // which promises the oversold locations cannot keep, as proposed
}

// Order brings the reservation that an order has of this SKU to what the order wants: it places it, changes it, confirms it, or
// gives it back. What is wanted is a state, not a step, so asking again changes nothing, and a version below one that has
// asked before is not done. Nothing wanted under an id that is unknown bars the id: who still tries to place it comes too late.
//
// Units that are sold already are promised where they are free, then from what is kept back, and what is missing at the policy's
// first location: they oversell it, and Breaks proposes which other promises to break, the youngest hold first.
//
// It returns *InsufficientError when a line is refused and Partial is not set (or none is accepted), ErrUnknownSKU,
// *KitError for a kit, ErrUnknownReservation when there is none to take over, *KeyReusedError when the id is another's, *NotLiveError when the
// reservation has ended, *NoSiteError, *NoLocationError, *TooManyError, *TooManyDatesError, *OverflowError. What is taken over stays promised for its date.
func Order(s *State, r OrderRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	if len(r.Lines) > 0 {
		r.Method = s.methodOf(&r, p)
	}
	result, events, err := s.order(r, m, p, now)
	if result.Accepted != nil {
		result.Available = s.availableTo(r, p, now)
	}
	if r.Trial {
		events = nil
	}
	return result, events, err
}

// methodOf is how units are handed over, as far as the policy knows that: the way of a hold that is there already, else that of the request.
func (s *State) methodOf(r *OrderRequest, p *Policy) string {
	method := r.Method
	if held := s.reservations.find(r.ReservationID); held != nil && held.terms.Value().method != "" {
		method = held.terms.Value().method
	}
	if _, known := p.method(method); !known {
		return ""
	}
	return method
}

// availableTo is what there is for an order, its own hold included.
func (s *State) availableTo(r OrderRequest, p *Policy, now aggregates.Instant) int64 {
	k := s.reservations.find(r.ReservationID)
	if k == nil || !k.live(now) {
		return s.offerTo(&r, p, now, 0).ATS
	}
	held := k.reservation()
	return addUp(s.offerTo(&r, p, now, held.promiseAt).ATS, held.remaining())
}

// offerTo is what there is for an order beside what it holds, for a date, 0 for now.
func (s *State) offerTo(r *OrderRequest, p *Policy, now, date aggregates.Instant) Offer {
	if r.Method == "" {
		if p = p.at(r.Location); date <= now {
			return s.Offer(p, now)
		}
		return Offer{ATS: s.AvailableAt(p, now, date)}
	}
	way := Way{Method: r.Method, Location: r.Location}
	if date <= now {
		offer, _ := s.OfferBy(p, way, now) // its method is known
		return offer
	}
	sites, _ := p.sitesBy(way, now)
	total, _ := s.planFor(p, now, date).most(sites)
	return Offer{ATS: min(s.AvailableAt(p, now, date), total)}
}

func (s *State) order(r OrderRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	var held *reservation
	if k := s.reservations.find(r.ReservationID); k != nil {
		found := k.reservation()
		held = &found
	}
	known := held != nil && !(r.From != "" && held.order == r.From) // to this order
	switch {
	case known && held.order != "" && held.order != r.OrderID:
		return Ordered{}, nil, &KeyReusedError{Key: r.ReservationID}
	case known && r.Version < held.asked:
		return Ordered{Reservation: held.viewAt(now), Stale: true}, nil, nil
	case known && r.Version == held.asked:
		return s.askedAgain(held, r, now), nil, nil
	case len(r.Lines) == 0:
		return s.withdraw(held, r, m, now)
	case s.bundle != nil && s.AsKit() != nil:
		return Ordered{}, nil, s.kitOrdered(&r, p, now)
	case held == nil && r.TakesOver:
		_, err := s.find(r.ReservationID)
		return Ordered{}, nil, err
	case held == nil:
		return s.placeOrdered(r, m, p, now)
	case !held.live(now):
		return Ordered{}, nil, held.notLive(now)
	}
	return s.adjust(held, r, m, p, now)
}

// askedAgain is the result of a question that was answered before. What it oversold is what stands oversold now.
func (s *State) askedAgain(held *reservation, r OrderRequest, now aggregates.Instant) Ordered {
	accepted, _ := accept(r.Lines, held.quantity, r.Partial)
	result := Ordered{Reservation: held.viewAt(now), Accepted: accepted}
	if !r.Sold {
		return result
	}
	for _, x := range held.splits {
		if b := s.At(x.Location); b.Oversold(now) {
			result.Oversold = append(result.Oversold, OversoldDetected{Location: x.Location, OnHand: b.OnHand[Sellable], Reserved: b.Firm(now)})
		}
	}
	result.Breaks = s.breaks(result.Oversold, held.id, now)
	return result
}

// withdraw gives back all that is left, or bars an id that nobody has placed.
func (s *State) withdraw(held *reservation, r OrderRequest, m aggregates.Metadata, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	switch {
	case held == nil && (r.TakesOver || s.Version == 0 && !r.Sold):
		return Ordered{}, nil, nil // nothing can be placed under it, or of an unknown SKU
	case held == nil:
		return Ordered{}, []aggregates.Event{&ReservationBarred{ReservationID: r.ReservationID, OrderID: r.OrderID, Version: r.Version}}, nil
	case !held.live(now):
		return Ordered{Reservation: held.viewAt(now)}, nil, nil
	}
	view, events, err := held.after(&m, &ReservationReleased{
		ReservationID: held.id, Splits: held.splits, ExpiresAt: held.until, Closed: true, Reason: r.Reason,
		PromiseAt: held.promiseAt, Channel: s.tallyOf(held),
	})
	return Ordered{Reservation: view}, events, err
}

// placeOrdered places the reservation.
func (s *State) placeOrdered(r OrderRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	var events []aggregates.Event
	if !s.Item.Registered && !s.used {
		if !r.Sold {
			return Ordered{}, nil, ErrUnknownSKU
		}
		events = append(events, &ItemRegistered{Unit: DefaultUnit, ByDefault: true})
	}
	accepted, quantity, splits, err := s.take(r, 0, p, now, 0)
	if err != nil {
		return Ordered{Accepted: accepted}, nil, err
	}
	placed := &ReservationPlaced{ReservationID: r.ReservationID, Channel: p.Channel, Quantity: quantity, Splits: splits, ExpiresAt: r.end(),
		Bound: r.Location != "", Method: r.Method, PolicyPosition: p.Position}
	next := newReservation(placed, &m, s.Version)
	events = append(events, placed)
	return s.concludeOrder(&next, r, splits, events, accepted, m, now)
}

// adjust brings a live reservation to what is wanted.
func (s *State) adjust(held *reservation, r OrderRequest, m aggregates.Metadata, p *Policy, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	remaining := held.remaining()
	accepted, quantity, added, err := s.take(r, remaining, p, now, held.promiseAt)
	if err != nil {
		return Ordered{Accepted: accepted}, nil, err
	}
	next, events := *held, []aggregates.Event(nil)
	apply := func(e aggregates.Event) {
		events = append(events, e)
		next.apply(e, m.RecordedAt)
	}
	switch {
	case len(added) > 0:
		apply(&ReservationChanged{ReservationID: held.id, Added: added, ExpiresAt: held.until, PromiseAt: held.promiseAt,
			Channel: s.tallyOf(held), PolicyPosition: p.Position})
	case quantity < remaining:
		apply(&ReservationChanged{ReservationID: held.id, Removed: held.pickLast(remaining - quantity), ExpiresAt: held.until,
			PromiseAt: held.promiseAt, Channel: s.tallyOf(held)})
	}
	switch end := r.end(); {
	case next.until == 0 || end == next.until:
	case end == 0:
		apply(&ReservationConfirmed{ReservationID: held.id, ExpiredAt: next.until, Splits: next.splits,
			PromiseAt: held.promiseAt, Channel: s.tallyOf(held)})
	default:
		apply(&ReservationExtended{ReservationID: held.id, From: next.until, ExpiresAt: end, Splits: next.splits,
			PromiseAt: held.promiseAt, Channel: s.tallyOf(held)})
	}
	return s.concludeOrder(&next, r, added, events, accepted, m, now)
}

// concludeOrder marks the reservation as the order's, and draws up the result.
func (s *State) concludeOrder(next *reservation, r OrderRequest, added []Split, events []aggregates.Event, accepted []bool, m aggregates.Metadata, now aggregates.Instant) (Ordered, []aggregates.Event, error) {
	mark := &ReservationOrdered{ReservationID: r.ReservationID, OrderID: r.OrderID, Version: r.Version}
	next.apply(mark, m.RecordedAt)
	result := Ordered{Reservation: next.view(), Accepted: accepted}
	events = append(events, mark)
	if r.Sold {
		oversold, shortfalls := s.oversoldBy(added, events, next.promiseAt > now, now)
		result.Oversold, result.Breaks = oversold, s.breaks(oversold, r.ReservationID, now)
		for i := range oversold {
			events = append(events, &oversold[i])
		}
		events = append(events, shortfalls...)
	}
	return result, events, nil
}

// take decides which lines are accepted, how many units that makes, and where those come from that the order does not have yet,
// for the date that it is promised for, 0 for now.
func (s *State) take(r OrderRequest, has int64, p *Policy, now, date aggregates.Instant) (accepted []bool, quantity int64, added []Split, err error) {
	var wanted int64
	for _, x := range r.Lines {
		if x <= 0 || x > MaxQuantity {
			return nil, 0, nil, &QuantityError{Quantity: x, Min: 1, Max: MaxQuantity}
		}
		wanted = addUp(wanted, x)
	}
	if wanted > MaxQuantity {
		return nil, 0, nil, &QuantityError{Quantity: wanted, Min: 1, Max: MaxQuantity}
	}
	if r.Sold {
		added, err = s.oversell(wanted-has, p.at(r.Location).serving(r.Method, p, now), now, date)
		return nil, wanted, added, err
	}
	offer := s.offerTo(&r, p, now, date)
	accepted, quantity = accept(r.Lines, addUp(offer.most(), has), r.Partial)
	if quantity == 0 {
		if sites, _ := p.sitesBy(Way{Method: r.Method, Location: r.Location}, now); len(sites) == 0 && has == 0 && len(p.Sites) > 0 {
			return accepted, 0, nil, &NoLocationError{Channel: p.Channel, Location: r.Location, Method: r.Method}
		}
		short := &InsufficientError{Requested: wanted, Available: addUp(offer.ATS, has), Beyond: offer.Beyond}
		if date > now {
			short.PromiseAt = date
		}
		return accepted, 0, nil, short
	}
	if quantity > has {
		if r.Method == "" {
			p = p.at(r.Location)
		}
		added, err = s.promiseMore(&ReserveRequest{Location: r.Location, Binding: r.Location != "", Method: r.Method}, quantity-has, p, now, date)
	}
	return accepted, quantity, added, err
}

// accept takes lines in their order as long as there is enough: all, nil for which says so, or none unless it may be some.
// Of what was taken the same lines are accepted again.
func accept(lines []int64, available int64, partial bool) (accepted []bool, quantity int64) {
	accepted = make([]bool, len(lines))
	all := true
	for i, x := range lines {
		if x <= available-quantity {
			accepted[i], quantity = true, quantity+x
		} else {
			all = false
		}
	}
	switch {
	case all:
		return nil, quantity
	case !partial:
		return make([]bool, len(lines)), 0
	}
	return accepted, quantity
}

// end is when the hold ends, 0 for never.
func (r *OrderRequest) end() aggregates.Instant {
	if r.Confirmed || r.Sold {
		return 0
	}
	return r.ExpiresAt
}

// oversell finds where units come from that are sold already, for a date, 0 for now.
func (s *State) oversell(quantity int64, p *Policy, now, date aggregates.Instant) (splits []Split, err error) {
	switch {
	case quantity <= 0:
		return nil, nil
	case len(p.Sites) == 0:
		return nil, &NoSiteError{Channel: p.Channel}
	case s.Live() >= MaxLiveReservations:
		return nil, &TooManyError{Limit: MaxLiveReservations}
	}
	take := func(location string, most int64) {
		if most = min(most, quantity); most > 0 {
			quantity -= most
			splits = addSplit(splits, Split{Location: location, Quantity: most})
		}
	}
	at := max(now, date)
	free := s.FreeAt(p, now, at, nil)
	slices.SortFunc(free, byRank)
	for _, x := range free {
		take(x.Location, x.Quantity)
	}
	for _, site := range p.Sites { // what is kept back there as safety stock
		if x := s.At(site); x != nil {
			lowest, _ := x.lowest(now, at)
			take(site, subDown(lowest, unitsAt(splits, site)))
		}
	}
	take(p.Sites[0], quantity)
	for _, x := range splits {
		if b := s.At(x.Location); b != nil {
			if _, ok := add(b.Reserved, x.Quantity); !ok {
				return nil, &OverflowError{Location: x.Location, What: "reserved stock"}
			}
		}
	}
	return splits, s.takeDate(splits, date)
}

func unitsAt(splits []Split, location string) int64 {
	for _, x := range splits {
		if x.Location == location {
			return x.Quantity
		}
	}
	return 0
}

// oversoldBy lists the locations that promises just added, for now or for later, leave with more promised for now than lies there,
// and what they leave too little for at later dates.
func (s *State) oversoldBy(added []Split, events []aggregates.Event, later bool, now aggregates.Instant) (list []OversoldDetected, shortfalls []aggregates.Event) {
	added = slices.SortedFunc(slices.Values(added), func(a, b Split) int { return cmp.Compare(a.Location, b.Location) })
	for _, x := range added {
		if x.Backordered {
			continue
		}
		b := s.At(x.Location)
		if b == nil {
			b = &Balance{Location: x.Location}
		}
		if onHand, firm := b.OnHand[Sellable], b.Firm(now)+x.Quantity; !later && onHand < firm {
			list = append(list, OversoldDetected{Location: x.Location, OnHand: onHand, Reserved: firm})
		}
		if later || b.Later != nil {
			shortfalls = append(shortfalls, s.shortfall(b, b.after(events), events, now)...)
		}
	}
	return list, shortfalls
}
