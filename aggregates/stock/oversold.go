package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// touch is what decided events change at one location.
type touch struct {
	location  string
	onHand    [conditions]int64
	reserved  int64 // from the stock: back-ordered units are not oversold, they wait
	inTransit int64
	incoming  int64
}

// consequences checks that facts which were decided leave sums that fit, and returns an OversoldDetected for every
// location where they leave less sellable than is promised for now, and less than before; and a ShortfallDetected where that
// is so of a later date.
func (s *State) consequences(events []aggregates.Event, now aggregates.Instant) ([]aggregates.Event, error) {
	var room [4]touch
	touched, err := touches(events, room[:0])
	if err != nil {
		return nil, err
	}
	var oversold []aggregates.Event
	for i := range touched {
		t := &touched[i]
		var none Balance
		x := s.At(t.location)
		if x == nil {
			x = &none
		}
		if err := t.fits(x); err != nil {
			return nil, err
		}
		firm := x.Firm(now)
		onHand, live := x.OnHand[Sellable]+t.onHand[Sellable], firm+t.reserved
		var after *Balance
		if x.Later != nil {
			after = x.after(events)
			live = after.Firm(now)
		}
		if onHand < live && short(onHand, live) > short(x.OnHand[Sellable], firm) {
			oversold = append(oversold, &OversoldDetected{Location: t.location, OnHand: onHand, Reserved: live})
		}
		if after != nil {
			oversold = append(oversold, s.shortfall(x, after, events, now)...)
		}
	}
	return oversold, nil
}

// short is how much is missing; 0 when nothing is.
func short(onHand, live int64) uint64 {
	if onHand >= live {
		return 0
	}
	return uint64(live) - uint64(onHand)
}

// fits tells whether a balance can take the change.
func (t *touch) fits(x *Balance) error {
	for c := range t.onHand {
		if _, ok := add(x.OnHand[c], t.onHand[c]); !ok {
			return &OverflowError{Location: t.location, What: "stock on hand"}
		}
	}
	if _, ok := add(x.InTransit, t.inTransit); !ok {
		return &OverflowError{Location: t.location, What: "stock in transit"}
	}
	if _, ok := add(x.Incoming(), t.incoming); !ok {
		return &OverflowError{Location: t.location, What: "supply to come"}
	}
	return nil
}

// touches sums up the changes by location, in order of location.
func touches(events []aggregates.Event, list []touch) ([]touch, error) {
	for _, e := range events {
		legs(e, func(l leg) {
			t := touch{location: l.location}
			t.onHand[l.condition] = l.effect()
			list = append(list, t)
		})
		switch e := e.(type) {
		case *TransferShipped:
			if e.Destination != "" {
				list = append(list, touch{location: e.Destination, inTransit: e.Quantity})
			}
		case *TransferReceived:
			list = append(list, touch{location: e.Location, inTransit: -e.Quantity})
		case *ReservationFulfilled:
			for _, x := range e.Splits {
				if x.Backordered {
					continue
				}
				list = append(list, touch{location: x.ReservedAt, reserved: -x.Quantity})
			}
		}
		for _, c := range supplyOf(e) {
			list = append(list, touch{location: c.Location, inTransit: -c.Lost, incoming: c.Open})
		}
	}
	if len(list) < 2 {
		return list, nil
	}
	slices.SortFunc(list, func(a, b touch) int { return cmp.Compare(a.location, b.location) })
	return mergeTouches(list)
}

func mergeTouches(list []touch) ([]touch, error) {
	merged := list[:1]
	for _, t := range list[1:] {
		last := &merged[len(merged)-1]
		if last.location != t.location {
			merged = append(merged, t)
			continue
		}
		for c := range t.onHand {
			sum, ok := add(last.onHand[c], t.onHand[c])
			if !ok {
				return nil, &OverflowError{Location: t.location, What: "stock on hand"}
			}
			last.onHand[c] = sum
		}
		last.reserved += t.reserved
		last.inTransit += t.inTransit
		last.incoming += t.incoming
	}
	return merged, nil
}
