package stock

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// Check returns an error when an invariant of the package does not hold: a defect of the program, or a stream that
// this program did not write. Its cost goes with the size of the state; it is for tests and for finding damage.
func (s *State) Check() error {
	sums := make(map[string]*promised)
	held, ended := 0, 0
	for k := range s.reservations.each {
		r := k.reservation()
		if err := r.check(); err != nil {
			return err
		}
		if s.reservations.find(r.id) != k {
			return fmt.Errorf("reservation %q is not found by its id", r.id)
		}
		switch {
		case r.end != notEnded:
			ended++
		case r.until != 0:
			held++
		}
		sum(sums, &r)
	}
	if held != len(s.due) || ended != s.ended.len() {
		return fmt.Errorf("%d holds and %d ended reservations, but %d due and %d in line to be forgotten",
			held, ended, len(s.due), s.ended.len())
	}
	if err := s.checkUses(); err != nil {
		return err
	}
	return s.checkBalances(sums)
}

// checkUses adds up what reservations hold by channel.
func (s *State) checkUses() error {
	type key struct {
		location, channel string
		backordered       bool
		until             aggregates.Instant
	}
	sums := map[key]int64{}
	for k := range s.reservations.each {
		r := k.reservation()
		for _, x := range r.splits {
			if !s.tallied() || r.channel == "" {
				break
			}
			sums[key{x.Location, r.channel, x.Backordered, 0}] += x.Quantity
			if r.until != 0 {
				sums[key{x.Location, r.channel, x.Backordered, r.until}] += x.Quantity
			}
		}
	}
	for x := range s.Each {
		for i := range x.Uses {
			u := &x.Uses[i]
			if k := (key{x.Location, u.Channel, u.Backordered, 0}); sums[k] != u.Reserved || u.Reserved <= 0 {
				return fmt.Errorf("channel %q holds %d at %q, but reservations say %d", u.Channel, u.Reserved, x.Location, sums[k])
			} else {
				delete(sums, k)
			}
			for h := range u.Holds.Each {
				k := key{x.Location, u.Channel, u.Backordered, h.Until}
				if sums[k] != h.Quantity {
					return fmt.Errorf("%d of channel %q at %q ends at %d, but reservations say %d", h.Quantity, u.Channel, x.Location, h.Until, sums[k])
				}
				delete(sums, k)
			}
		}
	}
	for k, quantity := range sums {
		return fmt.Errorf("channel %q holds %d at %q, which is not counted", k.channel, quantity, k.location)
	}
	return nil
}

// promised is what the reservations hold at a location.
type promised struct {
	total int64
	until map[aggregates.Instant]int64
	dates map[dateAndEnd]int64 // of reservations for a date
}

// dateAndEnd is the date of a promise, and the end of its hold, 0 when confirmed.
type dateAndEnd struct{ at, until aggregates.Instant }

func sum(sums map[string]*promised, r *reservation) {
	for _, x := range r.splits {
		p := sums[x.Location]
		if p == nil {
			p = &promised{until: make(map[aggregates.Instant]int64), dates: make(map[dateAndEnd]int64)}
			sums[x.Location] = p
		}
		if r.promiseAt != 0 {
			p.dates[dateAndEnd{r.promiseAt, r.until}] += x.Quantity
		}
		p.total += x.Quantity
		if r.until != 0 {
			p.until[r.until] += x.Quantity
		}
	}
}

func (r *reservation) check() error {
	var splits int64
	for _, x := range r.splits {
		if x.Quantity <= 0 {
			return fmt.Errorf("reservation %q holds %d at %q", r.id, x.Quantity, x.Location)
		}
		splits += x.Quantity
	}
	switch remaining := r.remaining(); {
	case splits != remaining:
		return fmt.Errorf("reservation %q has %d remaining, but %d at its locations", r.id, remaining, splits)
	case (r.end == notEnded) != (remaining > 0):
		return fmt.Errorf("reservation %q has %d remaining and ending %d", r.id, remaining, r.end)
	case min(r.fulfilled, r.released, r.expired) < 0:
		return fmt.Errorf("reservation %q has a negative part", r.id)
	case r.until%aggregates.Second != 0:
		return fmt.Errorf("reservation %q does not end on a whole second", r.id)
	}
	return nil
}

func (s *State) checkBalances(sums map[string]*promised) error {
	futures := 0
	for x := range s.Each {
		if x.Later != nil {
			futures++
		}
		p := sums[x.Location]
		if p == nil {
			p = &promised{}
		}
		delete(sums, x.Location)
		if x.Reserved != p.total || x.Reserved < 0 {
			return fmt.Errorf("reserved at %q is %d, but reservations hold %d", x.Location, x.Reserved, p.total)
		}
		if x.Holds.Len() != len(p.until) {
			return fmt.Errorf("%d ends of holds at %q, but reservations have %d", x.Holds.Len(), x.Location, len(p.until))
		}
		if err := x.checkDates(p.dates); err != nil {
			return err
		}
		for h := range x.Holds.Each {
			if p.until[h.Until] != h.Quantity {
				return fmt.Errorf("%d at %q ends at %d, but reservations say %d", h.Quantity, x.Location, h.Until, p.until[h.Until])
			}
		}
	}
	if futures != s.futures {
		return fmt.Errorf("%d locations have a future, counted as %d", futures, s.futures)
	}
	for location := range sums {
		return fmt.Errorf("reservations hold units at %q, which has no balance", location)
	}
	return s.checkSupply()
}
