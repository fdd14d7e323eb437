package stock

import (
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// Sentinel errors; they come wrapped.
var (
	// ErrUnknownSKU says that nothing was ever registered or recorded for the SKU.
	ErrUnknownSKU = errors.New("unknown SKU")
	// ErrUnknownReservation says that no live or recent reservation has this id.
	ErrUnknownReservation = errors.New("unknown reservation")
	// ErrUnknownKind says that a movement's kind is not one of this package's.
	ErrUnknownKind = errors.New("unknown kind of movement")
	// ErrUnknownCondition says that a condition is not one of this package's.
	ErrUnknownCondition = errors.New("unknown condition")
	// ErrRepeatedLocation says that a list names a location twice.
	ErrRepeatedLocation = errors.New("location is named twice")
	// ErrLocationNeeded says that a reservation must name the location to take units from.
	ErrLocationNeeded = errors.New("the request must name a location: its wish is binding, or the channel sells from a named location only")
)

// InsufficientError refuses a reservation: the channel has less available than was requested.
type InsufficientError struct {
	Requested int64
	Available int64
	PromiseAt aggregates.Instant // the date it was requested for; 0 for now
	Beyond    int64              // may be back-ordered or pre-ordered beyond that
}

func (e *InsufficientError) Error() string {
	if e.PromiseAt != 0 {
		return fmt.Sprintf("insufficient supply: %d requested for %s, %d can be promised", e.Requested,
			e.PromiseAt.Time().Format(timeText), e.Available)
	}
	if e.Beyond > 0 {
		return fmt.Sprintf("insufficient stock: %d requested, %d available and %d beyond that", e.Requested, e.Available, e.Beyond)
	}
	return fmt.Sprintf("insufficient stock: %d requested, %d available", e.Requested, e.Available)
}

// KeyReusedError says that an idempotency key or reservation id was used before with other contents.
type KeyReusedError struct{ Key string }

func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("key %q was used before with other contents; use a new key", e.Key)
}

// NotLiveError refuses a change of a reservation that has ended.
type NotLiveError struct {
	ReservationID string
	Status        Status
}

func (e *NotLiveError) Error() string {
	return fmt.Sprintf("reservation %q is no longer live: it is %s", e.ReservationID, e.Status)
}

// NotHeldError refuses to move the end of a reservation that has none, because it is confirmed.
type NotHeldError struct{ ReservationID string }

func (e *NotHeldError) Error() string {
	return fmt.Sprintf("reservation %q is confirmed and does not expire", e.ReservationID)
}

// ExceedsError refuses to release or fulfil more than a reservation still holds.
type ExceedsError struct {
	ReservationID string
	Requested     int64
	Remaining     int64
}

func (e *ExceedsError) Error() string {
	return fmt.Sprintf("reservation %q holds %d, less than the %d asked for", e.ReservationID, e.Remaining, e.Requested)
}

// ExpiryError refuses an end of a hold that is not after now or too far ahead.
type ExpiryError struct {
	ExpiresAt aggregates.Instant
	Now       aggregates.Instant
}

func (e *ExpiryError) Error() string {
	return fmt.Sprintf("a hold must end after %s and at most %d s later, not at %s",
		e.Now.Time().Format(timeText), MaxHoldSeconds, e.ExpiresAt.Time().Format(timeText))
}

const timeText = "2006-01-02T15:04:05.000000Z07:00"

// HoldSecondsError refuses the length of a hold.
type HoldSecondsError struct{ Seconds int64 }

func (e *HoldSecondsError) Error() string {
	return fmt.Sprintf("a hold lasts 1 to %d seconds, not %d", MaxHoldSeconds, e.Seconds)
}

// QuantityError refuses a quantity, in base units, out of its range.
type QuantityError struct {
	Quantity int64
	Min, Max int64
}

func (e *QuantityError) Error() string {
	return fmt.Sprintf("quantity %d is not within %d to %d base units", e.Quantity, e.Min, e.Max)
}

// NumberError refuses a text that is not a quantity.
type NumberError struct {
	Text string
	Rule string // what is wrong with it
}

func (e *NumberError) Error() string { return fmt.Sprintf("quantity %q %s", e.Text, e.Rule) }

// DecimalsError refuses a quantity with more decimal places than the item has.
type DecimalsError struct {
	Text     string
	Decimals int // of the item
}

func (e *DecimalsError) Error() string {
	return fmt.Sprintf("quantity %q has more than the %d decimals of the item; quantities are never rounded", e.Text, e.Decimals)
}

// DecimalsFixedError refuses to change an item's decimals once quantities were recorded in them, or refuses decimals out
// of range.
type DecimalsFixedError struct {
	Decimals  int
	Requested int
}

func (e *DecimalsFixedError) Error() string {
	if e.Requested < 0 || e.Requested > MaxDecimals {
		return fmt.Sprintf("an item has 0 to %d decimals, not %d", MaxDecimals, e.Requested)
	}
	return fmt.Sprintf("the item has %d decimals and quantities recorded in them; they cannot become %d", e.Decimals, e.Requested)
}

// OverflowError refuses a change after which a sum would not fit 64 bits.
type OverflowError struct {
	Location string
	What     string // the sum
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("%s at location %q would not fit 64 bits", e.What, e.Location)
}

// TooManyError refuses a reservation beyond the bound of live ones.
type TooManyError struct{ Limit int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the SKU has %d live reservations, the most it may; wait until some end", e.Limit)
}

// PromiseDateError refuses to promise for a date too far ahead.
type PromiseDateError struct {
	PromiseAt aggregates.Instant
	Now       aggregates.Instant
}

func (e *PromiseDateError) Error() string {
	return fmt.Sprintf("a promise is for a date at most %d days after %s, not for %s", MaxPromiseSeconds/(24*60*60),
		e.Now.Time().Format(timeText), e.PromiseAt.Time().Format(timeText))
}

// TooManyDatesError refuses a promise for one more date at a location that has promises for as many as it may.
type TooManyDatesError struct {
	Location string
	Limit    int
}

func (e *TooManyDatesError) Error() string {
	return fmt.Sprintf("location %q has promises for %d different dates, the most it may; promise for one of them, or for a whole day", e.Location, e.Limit)
}

// TooManySupplyError refuses a line of supply beyond the bounds of lines per document and per SKU.
type TooManySupplyError struct{ Document string }

func (e *TooManySupplyError) Error() string {
	return fmt.Sprintf("document %q cannot bring one more line: a SKU has at most %d lines of supply, and %d of one document; cancel what no longer comes",
		e.Document, MaxSupplyLines, MaxDocumentLines)
}

// SupplyError refuses a fact about supply that does not say what it must.
type SupplyError struct{ Field, Rule string }

func (e *SupplyError) Error() string { return e.Field + " " + e.Rule }

// NeedHistory says that a decision reaches further back than the state remembers. Feed History with the stream's
// events from History.Next() to its end, put it into the request, and decide again.
type NeedHistory struct {
	Location string
	Since    aggregates.Instant // the earliest instant that the decision is about
	History  *History
}

func (e *NeedHistory) Error() string {
	return fmt.Sprintf("the history of location %q since %s is needed", e.Location, e.Since.Time().Format(timeText))
}

// NoSiteError refuses to promise units for a channel that sells from nowhere, or not from the location that was asked for.
type NoSiteError struct{ Channel string }

func (e *NoSiteError) Error() string {
	return fmt.Sprintf("channel %q sells from no enabled location from which the units could come", e.Channel)
}
