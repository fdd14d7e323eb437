package stock

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// checkDates holds what is promised here for later dates against what reservations say.
func (x *Balance) checkDates(want map[dateAndEnd]int64) error {
	left := len(want)
	if x.Later == nil {
		if left > 0 {
			return fmt.Errorf("reservations hold units at %q for later dates, but it has no future", x.Location)
		}
		return nil
	}
	if len(x.Later.Promises) == 0 && x.Later.Incoming.Len() == 0 {
		return fmt.Errorf("the future of %q is kept and empty", x.Location)
	}
	for i := range x.Later.Promises {
		d := &x.Later.Promises[i]
		if i > 0 && x.Later.Promises[i-1].At >= d.At {
			return fmt.Errorf("the dates of promises at %q are out of order", x.Location)
		}
		confirmed := d.Quantity
		for h := range d.Holds.Each {
			if want[dateAndEnd{d.At, h.Until}] != h.Quantity {
				return fmt.Errorf("%d at %q for %d ends at %d, but reservations say otherwise", h.Quantity, x.Location, d.At, h.Until)
			}
			confirmed -= h.Quantity
			left--
		}
		if want[dateAndEnd{d.At, 0}] != confirmed {
			return fmt.Errorf("%d confirmed at %q for %d, but reservations say otherwise", confirmed, x.Location, d.At)
		}
		if confirmed != 0 {
			left--
		}
	}
	if left != 0 {
		return fmt.Errorf("reservations hold units at %q for %d more dates and ends than it has", x.Location, left)
	}
	return nil
}

// checkSupply holds what is to come, by location and date, against the open lines of the documents.
func (s *State) checkSupply() error {
	type place struct {
		location string
		due      aggregates.Instant
	}
	open, lines := map[place]int64{}, 0
	if s.supply != nil {
		for key, d := range s.supply.documents {
			if key != d.supplyKey || d.supplyDocument.settled() != (d.settled != nil) {
				return fmt.Errorf("document %q is not kept as it stands", key.document)
			}
			lines += len(d.lines)
			for _, x := range d.states() {
				if x.open < 0 || x.lost < 0 {
					return fmt.Errorf("line %q of document %q has %d open and %d lost", x.line.name, d.document, x.open, x.lost)
				}
				if x.due != 0 && x.open != 0 {
					open[place{x.line.location, x.due}] += x.open
				}
			}
		}
		if lines != s.supply.lines {
			return fmt.Errorf("%d lines of supply, but %d are counted", lines, s.supply.lines)
		}
	}
	for x := range s.Each {
		if x.Later == nil {
			continue
		}
		for h := range x.Later.Incoming.Each {
			at := place{x.Location, h.Until}
			if open[at] != h.Quantity {
				return fmt.Errorf("%d is to come to %q at %d, but documents have %d open", h.Quantity, x.Location, h.Until, open[at])
			}
			delete(open, at)
		}
	}
	for at, quantity := range open {
		return fmt.Errorf("documents have %d open for %q at %d, which does not expect it", quantity, at.location, at.due)
	}
	return nil
}
