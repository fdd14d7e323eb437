package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// readPlaced leaves promises that count on supply to the generated code.
func (d *FactReader) readPlaced(s *scan) aggregates.Event {
	e := &d.placed
	*e = stock.ReservationPlaced{}
	d.splits, s.list = d.splits[:0], 4<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 3<<3 | asVarint:
			e.Quantity = int64(s.number)
		case 4<<3 | asBytes:
			e.Splits = d.split(s)
		case 5<<3 | asBytes:
			e.ExpiresAt = s.instant()
		case 13<<3 | asBytes:
			e.Method = d.name(s.value)
		case 14<<3 | asVarint:
			e.Bound = s.number != 0
		case 15<<3 | asVarint:
			e.PolicyPosition = s.number
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	return e
}

func (d *FactReader) readConfirmed(s *scan) aggregates.Event {
	e := &d.confirmed
	*e = stock.ReservationConfirmed{}
	d.splits, s.list = d.splits[:0], 3<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.ExpiredAt = s.instant()
		case 3<<3 | asBytes:
			e.Splits = d.split(s)
		case 4<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	return e
}

func (d *FactReader) readExtended(s *scan) aggregates.Event {
	e := &d.extended
	*e = stock.ReservationExtended{}
	d.splits, s.list = d.splits[:0], 4<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.From = s.instant()
		case 3<<3 | asBytes:
			e.ExpiresAt = s.instant()
		case 4<<3 | asBytes:
			e.Splits = d.split(s)
		case 5<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	return e
}

// readFulfilled leaves a fulfilment of nothing to the generated code.
func (d *FactReader) readFulfilled(s *scan) aggregates.Event {
	e := &d.fulfilled
	*e = stock.ReservationFulfilled{}
	d.fulfilledSplits, s.list = d.fulfilledSplits[:0], 2<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.Splits = d.fulfilledSplit(s)
		case 3<<3 | asBytes:
			e.ExpiresAt = s.instant()
		case 4<<3 | asVarint:
			e.Closed = s.number != 0
		case 5<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	s.odd = s.odd || e.Splits == nil
	return e
}

func (d *FactReader) readReleased(s *scan) aggregates.Event {
	e := &d.released
	*e = stock.ReservationReleased{}
	d.splits, s.list = d.splits[:0], 2<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.Splits = d.split(s)
		case 3<<3 | asBytes:
			e.ExpiresAt = s.instant()
		case 4<<3 | asVarint:
			e.Closed = s.number != 0
		case 5<<3 | asBytes:
			e.Reason = d.name(s.value)
		case 6<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	return e
}

func (d *FactReader) readExpired(s *scan) aggregates.Event {
	e := &d.expired
	*e = stock.ReservationExpired{}
	d.splits, s.list = d.splits[:0], 2<<3|asBytes
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.ReservationID = string(s.value)
		case 2<<3 | asBytes:
			e.Splits = d.split(s)
		case 3<<3 | asBytes:
			e.ExpiresAt = s.instant()
		case 4<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 20<<3 | asBytes:
			e.PromiseAt = s.instant()
		default:
			s.odd = true
		}
	}
	return e
}

// split reads the field's value as one more split, and returns all so far.
func (d *FactReader) split(s *scan) []stock.Split {
	var x stock.Split
	t := s.inner()
	for t.next() {
		switch t.tag {
		case 1<<3 | asBytes:
			x.Location = d.name(t.value)
		case 2<<3 | asVarint:
			x.Quantity = int64(t.number)
		case 3<<3 | asVarint:
			x.Backordered = t.number != 0
		default:
			t.odd = true
		}
	}
	s.close(&t)
	d.splits = append(d.splits, x)
	return d.splits
}

// fulfilledSplit is split for fulfilments.
func (d *FactReader) fulfilledSplit(s *scan) []stock.FulfilledSplit {
	var x stock.FulfilledSplit
	t := s.inner()
	for t.next() {
		switch t.tag {
		case 1<<3 | asBytes:
			x.Location = d.name(t.value)
		case 2<<3 | asVarint:
			x.Quantity = int64(t.number)
		case 3<<3 | asBytes:
			x.ReservedAt = d.name(t.value)
		case 4<<3 | asBytes:
			x.Absorbed = t.absorbed()
		case 5<<3 | asVarint:
			x.Backordered = t.number != 0
		default:
			t.odd = true
		}
	}
	s.close(&t)
	if x.ReservedAt == "" {
		x.ReservedAt = x.Location
	}
	d.fulfilledSplits = append(d.fulfilledSplits, x)
	return d.fulfilledSplits
}
