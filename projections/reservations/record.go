package reservations

import (
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Record is a reservation of one SKU, as recorded: a hold past its end is held until its end is recorded. It is
// immutable.
type Record struct {
	stock.Reservation
	SKU      string
	EndedAt  aggregates.Instant // when nothing was left of it; 0 while live
	Placed   uint64             // position of its first event
	Position uint64             // position of its last event
	KitOrder string             // of kits: the order that coordinates the components, whose stream has how it stands; "" otherwise
}

// Live tells whether units are still promised.
func (r *Record) Live() bool {
	return r.Status == stock.StatusHeld || r.Status == stock.StatusConfirmed
}

// place begins a record.
func place(sku string, e *stock.ReservationPlaced, at aggregates.Instant, position uint64) *Record {
	r := &Record{SKU: sku, Placed: position, Position: position}
	r.ID, r.Channel, r.Quantity, r.Remaining = e.ReservationID, e.Channel, e.Quantity, e.Quantity
	r.Splits, r.ExpiresAt, r.PlacedAt = slices.Clone(e.Splits), e.ExpiresAt, at
	r.PromiseAt, r.Supply, r.PolicyPosition = e.PromiseAt, e.Supply, e.PolicyPosition
	r.settle(at)
	return r
}

// placeKits begins the record of a reservation of kits. When its holds end is its order's business.
func placeKits(sku string, e *stock.KitReservationPlaced, at aggregates.Instant, position uint64) *Record {
	r := &Record{SKU: sku, Placed: position, Position: position, KitOrder: e.OrderID}
	r.ID, r.Channel, r.Quantity, r.Remaining, r.PlacedAt = e.ReservationID, e.Channel, e.Quantity, e.Quantity, at
	r.settle(at)
	return r
}

// after returns the record after an event of it, other than its first.
func (r *Record) after(e aggregates.Event, at aggregates.Instant, position uint64) *Record {
	next := *r
	next.Position = position
	switch e := e.(type) {
	case *stock.ReservationConfirmed:
		next.ExpiresAt = 0
	case *stock.ReservationExtended:
		next.ExpiresAt = e.ExpiresAt
	case *stock.ReservationFulfilled:
		for _, x := range e.Splits {
			next.Fulfilled += next.take(stock.Split{Location: x.ReservedAt, Quantity: x.Quantity, Backordered: x.Backordered})
		}
	case *stock.ReservationReleased:
		for _, x := range e.Splits {
			next.Released += next.take(x)
		}
	case *stock.ReservationExpired:
		for _, x := range e.Splits {
			next.Expired += next.take(x)
		}
	case *stock.ReservationReallocated:
		for _, x := range e.From {
			next.take(x)
		}
		next.add(e.To)
		next.PolicyPosition = e.PolicyPosition
	case *stock.ReservationChanged:
		for _, x := range e.Removed {
			next.Released += next.take(x)
		}
		for _, x := range e.Added {
			next.Quantity += x.Quantity
		}
		if next.add(e.Added); len(e.Added) > 0 {
			next.PolicyPosition = e.PolicyPosition
		}
	case *stock.KitReservationEnded:
		next.Fulfilled, next.Released, next.Expired, next.Remaining = e.Fulfilled, e.Released, e.Expired, 0
	}
	next.settle(at)
	return &next
}

// take lowers what is reserved at a location; the splits are copied, as other records share them.
func (r *Record) take(given stock.Split) int64 {
	r.Remaining -= given.Quantity
	var rest []stock.Split
	for _, x := range r.Splits {
		if x.Location == given.Location && x.Backordered == given.Backordered {
			x.Quantity -= given.Quantity
		}
		if x.Quantity > 0 {
			rest = append(rest, x)
		}
	}
	r.Splits = rest
	return given.Quantity
}

// add raises what is reserved; the splits are copied, as other records share them.
func (r *Record) add(splits []stock.Split) {
	all := slices.Clone(r.Splits)
	for _, x := range splits {
		r.Remaining += x.Quantity
		i := slices.IndexFunc(all, func(y stock.Split) bool { return y.Location == x.Location && y.Backordered == x.Backordered })
		if i < 0 {
			all = append(all, x)
			continue
		}
		all[i].Quantity += x.Quantity
	}
	r.Splits = all
}

// settle sets the status that follows from the quantities.
func (r *Record) settle(at aggregates.Instant) {
	switch {
	case r.Remaining > 0 && r.ExpiresAt != 0:
		r.Status = stock.StatusHeld
		return
	case r.Remaining > 0:
		r.Status = stock.StatusConfirmed
		return
	case r.Fulfilled > 0:
		r.Status = stock.StatusFulfilled
	case r.Expired > 0:
		r.Status = stock.StatusExpired
	default:
		r.Status = stock.StatusReleased
	}
	if r.EndedAt == 0 {
		r.Splits, r.EndedAt = nil, at
	}
}

// recordBytes, splitBytes and useBytes are about what a record, one of its splits and one of its supplies take in memory.
const (
	recordBytes = 320
	splitBytes  = 40
	useBytes    = 128
)

// Size estimates the record's memory, in bytes.
func (r *Record) Size() int {
	return recordBytes + len(r.ID) + len(r.SKU) + len(r.Channel) + len(r.KitOrder) + splitBytes*len(r.Splits) + useBytes*len(r.Supply)
}

// AppendBinary appends the stored form, an inventoryv1.ReservationDocument.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	d := inventoryv1.ReservationDocument{
		ReservationId: r.ID, Sku: r.SKU, Channel: r.Channel, Status: int32(r.Status),
		Quantity: r.Quantity, Remaining: r.Remaining, Fulfilled: r.Fulfilled, Released: r.Released, Expired: r.Expired,
		ExpiresAt: int64(r.ExpiresAt), PlacedAt: int64(r.PlacedAt), EndedAt: int64(r.EndedAt),
		Placed: r.Placed, Position: r.Position, PromiseAt: int64(r.PromiseAt), PolicyPosition: r.PolicyPosition,
		KitOrder: r.KitOrder,
	}
	for _, u := range r.Supply {
		d.Supply = append(d.Supply, &inventoryv1.SupplyUseDocument{Kind: int32(u.Kind), Document: u.Document, Line: u.Line,
			Location: u.Location, DueAt: int64(u.DueAt), Quantity: u.Quantity})
	}
	for _, x := range r.Splits {
		d.Splits = append(d.Splits, &inventoryv1.SplitDocument{Location: x.Location, Quantity: x.Quantity, Backordered: x.Backordered})
	}
	at := len(dst)
	dst = append(dst, make([]byte, d.SizeVT())...)
	if _, err := d.MarshalToSizedBufferVT(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("encode reservation %q of SKU %q: %w", r.ID, r.SKU, err)
	}
	return dst, nil
}

// UnmarshalBinary reads the stored form. It shares no memory with b.
func (r *Record) UnmarshalBinary(b []byte) error {
	var d inventoryv1.ReservationDocument
	if err := d.UnmarshalVT(b); err != nil {
		return fmt.Errorf("read the document of a reservation: %w", err)
	}
	*r = Record{SKU: d.Sku, EndedAt: aggregates.Instant(d.EndedAt), Placed: d.Placed, Position: d.Position, KitOrder: d.KitOrder}
	r.Reservation = stock.Reservation{
		ID: d.ReservationId, Channel: d.Channel, Status: stock.Status(d.Status),
		Quantity: d.Quantity, Remaining: d.Remaining, Fulfilled: d.Fulfilled, Released: d.Released, Expired: d.Expired,
		ExpiresAt: aggregates.Instant(d.ExpiresAt), PlacedAt: aggregates.Instant(d.PlacedAt), PromiseAt: aggregates.Instant(d.PromiseAt),
		PolicyPosition: d.PolicyPosition,
	}
	for _, u := range d.Supply {
		r.Supply = append(r.Supply, stock.SupplyUse{Kind: stock.SupplyKind(u.Kind), Document: u.Document, Line: u.Line,
			Location: u.Location, DueAt: aggregates.Instant(u.DueAt), Quantity: u.Quantity})
	}
	for _, x := range d.Splits {
		r.Splits = append(r.Splits, stock.Split{Location: x.Location, Quantity: x.Quantity, Backordered: x.Backordered})
	}
	return nil
}
