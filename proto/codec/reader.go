package codec

import (
	"hash/maphash"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// FactReader reads facts as DecodeFact does. Those that most of a store is made of, sales, receipts, counts and what becomes of reservations, are read from their
// canonical bytes into memory of the reader's own: the next Read writes over what the one before handed out, all but texts and costs, which may be kept. Names that
// come again, of locations and channels, are texts in one place, which makes them cheap to keep and to compare. One goroutine at a time may use a reader; make it
// with NewFactReader.
type FactReader struct {
	seed  maphash.Seed
	names [sharedNames]string // by hash, the one met last

	counted  stock.StockCounted
	received stock.StockReceived
	sold     stock.StockSold
	returned stock.StockReturned
	adjusted stock.StockAdjusted

	placed    stock.ReservationPlaced
	confirmed stock.ReservationConfirmed
	extended  stock.ReservationExtended
	fulfilled stock.ReservationFulfilled
	released  stock.ReservationReleased
	expired   stock.ReservationExpired

	splits          []stock.Split
	fulfilledSplits []stock.FulfilledSplit
}

// sharedNames bounds the names that a reader keeps.
const sharedNames = 1 << 11

// NewFactReader makes a reader.
func NewFactReader() *FactReader { return &FactReader{seed: maphash.MakeSeed()} }

// Read reads a record's event, and when it occurred and was recorded. Its errors are DecodeFact's.
func (d *FactReader) Read(r *aggregates.Record) (e aggregates.Event, occurred, recorded aggregates.Instant, err error) {
	if e, occurred, recorded = d.canonical(r); e != nil {
		return e, occurred, recorded, nil
	}
	return DecodeFact(r)
}

// canonical reads one of the facts that the reader knows, as it is stored now; it returns nil for all others, and for what is odd in any way.
func (d *FactReader) canonical(r *aggregates.Record) (e aggregates.Event, occurred, recorded aggregates.Instant) {
	s := scan{rest: cut(r.Data)}
	for s.next() {
		switch field := s.tag >> 3; {
		case s.tag == 6<<3|asBytes:
			occurred = s.instant()
		case s.tag == fieldRecordedAt<<3|asBytes:
			recorded = s.instant()
		case firstOfOrigin <= field && field <= lastOfOrigin:
		case firstPayload <= field && s.tag&7 == asBytes:
			e = d.fact(field, &s)
			if s.odd || len(s.rest) > 0 || e == nil || e.EventType() != r.Type {
				return nil, 0, 0
			}
			return e, occurred, recorded
		default:
			return nil, 0, 0
		}
	}
	return nil, 0, 0
}

// fact reads a fact by its number in the event, nil when it is none of the reader's.
func (d *FactReader) fact(number uint64, event *scan) (e aggregates.Event) {
	s := event.inner()
	switch number {
	case 21:
		e = d.readCounted(&s)
	case 22:
		e = d.readReceived(&s)
	case 23:
		e = d.readSold(&s)
	case 24:
		e = d.readReturned(&s)
	case 25:
		e = d.readAdjusted(&s)
	case 29:
		e = d.readPlaced(&s)
	case 30:
		e = d.readConfirmed(&s)
	case 31:
		e = d.readExtended(&s)
	case 32:
		e = d.readFulfilled(&s)
	case 33:
		e = d.readReleased(&s)
	case 34:
		e = d.readExpired(&s)
	}
	event.close(&s)
	return e
}

// name is a text that many facts share.
func (d *FactReader) name(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	shared := &d.names[maphash.Bytes(d.seed, b)%sharedNames]
	if *shared != string(b) {
		*shared = string(b)
	}
	return *shared
}

func (d *FactReader) readCounted(s *scan) aggregates.Event {
	e := &d.counted
	*e = stock.StockCounted{}
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.Location = d.name(s.value)
		case 2<<3 | asVarint:
			e.Condition = s.condition()
		case 3<<3 | asVarint:
			e.Counted = int64(s.number)
		case 4<<3 | asVarint:
			e.Delta = int64(s.number)
		case 5<<3 | asBytes:
			e.Absorbed = s.absorbed()
		default:
			s.odd = true
		}
	}
	return e
}

// readReceived leaves receipts of supply that was expected to the generated code.
func (d *FactReader) readReceived(s *scan) aggregates.Event {
	e := &d.received
	*e = stock.StockReceived{}
	var cost stock.Cost
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.Location = d.name(s.value)
		case 2<<3 | asVarint:
			e.Condition = s.condition()
		case 3<<3 | asVarint:
			e.Quantity = int64(s.number)
		case 4<<3 | asBytes:
			e.Absorbed = s.absorbed()
		case 30<<3 | asVarint:
			cost.Unit = int64(s.number)
		case 31<<3 | asBytes:
			cost.Currency = d.name(s.value)
		case 32<<3 | asVarint:
			cost.Value = int64(s.number)
		default:
			s.odd = true
		}
	}
	if cost.Currency != "" {
		kept := cost
		e.Cost = &kept
	}
	return e
}

func (d *FactReader) readSold(s *scan) aggregates.Event {
	e := &d.sold
	*e = stock.StockSold{}
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.Location = d.name(s.value)
		case 2<<3 | asVarint:
			e.Quantity = int64(s.number)
		case 3<<3 | asBytes:
			e.Absorbed = s.absorbed()
		case 4<<3 | asBytes:
			e.Channel = d.name(s.value)
		case 5<<3 | asBytes:
			e.ReservationID = string(s.value)
		default:
			s.odd = true
		}
	}
	return e
}

func (d *FactReader) readReturned(s *scan) aggregates.Event {
	e := &d.returned
	*e = stock.StockReturned{}
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.Location = d.name(s.value)
		case 2<<3 | asVarint:
			e.Condition = s.condition()
		case 3<<3 | asVarint:
			e.Quantity = int64(s.number)
		case 4<<3 | asBytes:
			e.Absorbed = s.absorbed()
		case 5<<3 | asBytes:
			e.Channel = d.name(s.value)
		default:
			s.odd = true
		}
	}
	return e
}

func (d *FactReader) readAdjusted(s *scan) aggregates.Event {
	e := &d.adjusted
	*e = stock.StockAdjusted{}
	for s.next() {
		switch s.tag {
		case 1<<3 | asBytes:
			e.Location = d.name(s.value)
		case 2<<3 | asVarint:
			e.Condition = s.condition()
		case 3<<3 | asVarint:
			e.Delta = int64(s.number)
		case 4<<3 | asBytes:
			e.Reason = d.name(s.value)
		case 5<<3 | asBytes:
			e.Absorbed = s.absorbed()
		default:
			s.odd = true
		}
	}
	return e
}
