package stock

import "github.com/stockfold/stockfold/aggregates"

// The names of the facts. They are a contract and never change.
const (
	TypeItemRegistered        = "ItemRegistered"
	TypeStockCounted          = "StockCounted"
	TypeStockReceived         = "StockReceived"
	TypeStockSold             = "StockSold"
	TypeStockReturned         = "StockReturned"
	TypeStockAdjusted         = "StockAdjusted"
	TypeStockConditionChanged = "StockConditionChanged"
	TypeTransferShipped       = "TransferShipped"
	TypeTransferReceived      = "TransferReceived"
	TypeReservationPlaced     = "ReservationPlaced"
	TypeReservationConfirmed  = "ReservationConfirmed"
	TypeReservationExtended   = "ReservationExtended"
	TypeReservationFulfilled  = "ReservationFulfilled"
	TypeReservationReleased   = "ReservationReleased"
	TypeReservationExpired    = "ReservationExpired"
	TypeOversoldDetected      = "OversoldDetected"
	TypeSafetyStockSet        = "SafetyStockSet"
	TypeSupplyExpected        = "SupplyExpected"
	TypeSupplyRescheduled     = "SupplyRescheduled"
	TypeSupplyCancelled       = "SupplyCancelled"
	TypeShortfallDetected     = "ShortfallDetected"
	TypeAllocationSet         = "AllocationSet"
	TypeSellingRuleSet        = "SellingRuleSet"
	TypeSafetyPeriodPassed    = "SafetyPeriodPassed"
	TypeBufferSet             = "BufferSet"
)

// Condition of units at a location. Only sellable units are available to sell.
type Condition uint8

const (
	Sellable Condition = iota
	Inspection
	Damaged
	Quarantined
	conditions // their number
)

// AbsorbedBy names the count that already covers a fact which came late: the fact changes the balance at
// its own time, and the count takes that change back at its as-of time, so the balance now stays. The zero
// value means that no count covers it.
type AbsorbedBy struct {
	Revision uint64 // of the StockCounted event in the same stream
	AsOf     aggregates.Instant
}

// Is tells whether a count covers the fact.
func (a AbsorbedBy) Is() bool { return a.AsOf != 0 }

// Split is a part of a reservation at one location, in base units, positive.
type Split struct {
	Location    string
	Quantity    int64
	Backordered bool // beyond the stock: the units are yet to come
}

// The closed set of events of a SKU's stream. Each is complete: folding one is addition and needs nothing
// that an earlier event said, so balances, reservations and time axes can each be folded alone.
type (
	// ItemRegistered makes the SKU known, or changes its description.
	ItemRegistered struct {
		Name      string
		Unit      string
		Decimals  int
		Category  string
		ByDefault bool // a movement came before anybody registered it
	}

	// StockCounted sets what lay at a location, in a condition, at the event's OccurredAt.
	StockCounted struct {
		Location  string
		Condition Condition
		Counted   int64
		Delta     int64 // change at the as-of time
		Absorbed  AbsorbedBy
		// Superseded names the later count of the same numbering that arrived before this one.
		Superseded SupersededBy
	}

	StockReceived struct {
		Location  string
		Condition Condition
		Quantity  int64
		Absorbed  AbsorbedBy
		Supply    []SupplyChange // what the document of the event brought, and is no longer open
		Cost      *Cost          // nil when its source did not say
	}

	// StockSold says that sellable units left to a customer. Quantity 0 keeps a voided line on record.
	StockSold struct {
		Location      string
		Quantity      int64
		Absorbed      AbsorbedBy
		Channel       string
		ReservationID string
	}

	StockReturned struct {
		Location  string
		Condition Condition
		Quantity  int64
		Absorbed  AbsorbedBy
		Channel   string
	}

	StockAdjusted struct {
		Location  string
		Condition Condition
		Delta     int64
		Reason    string
		Absorbed  AbsorbedBy
	}

	StockConditionChanged struct {
		Location     string
		From, To     Condition
		Quantity     int64
		FromAbsorbed AbsorbedBy
		ToAbsorbed   AbsorbedBy
		Reason       string
	}

	// TransferShipped says that sellable units left Location for Destination; they are in transit there.
	TransferShipped struct {
		Location    string
		Destination string
		Quantity    int64
		TransferID  string
		Absorbed    AbsorbedBy
		DueAt       aggregates.Instant // when they are to arrive, a whole second; 0 when nobody said
		Supply      []SupplyChange
	}

	// TransferReceived says that units from Origin arrived; they are no longer in transit.
	TransferReceived struct {
		Location   string
		Origin     string
		Quantity   int64
		TransferID string
		Condition  Condition
		Absorbed   AbsorbedBy
		Supply     []SupplyChange
	}

	ReservationPlaced struct {
		ReservationID string
		Channel       string
		Quantity      int64
		Splits        []Split
		ExpiresAt     aggregates.Instant // a whole second; 0 when placed as confirmed
		PromiseAt     aggregates.Instant // the date that it is promised for, a whole second; 0 for now
		Supply        []SupplyUse        // what it counts on beside the stock
		Method        string             // of handing over; "" for any
		Bound         bool               // to its location: no other will do
		// PolicyPosition is the Policy.Position that it was decided under; the SKU's own rules are those of its stream before the event.
		PolicyPosition uint64
	}

	// ReservationConfirmed takes the end off a hold. Splits are what it held.
	ReservationConfirmed struct {
		ReservationID string
		ExpiredAt     aggregates.Instant // the end that no longer applies
		Splits        []Split
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel
	}

	// ReservationExtended moves the end of a hold. Splits are what it held.
	ReservationExtended struct {
		ReservationID string
		From          aggregates.Instant
		ExpiresAt     aggregates.Instant
		Splits        []Split
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel
	}

	// ReservationFulfilled hands units over: no longer reserved, and gone from the sellable stock.
	ReservationFulfilled struct {
		ReservationID string
		Splits        []FulfilledSplit
		ExpiresAt     aggregates.Instant // of the hold, when not confirmed
		Closed        bool               // nothing is left of the reservation
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel
	}

	ReservationReleased struct {
		ReservationID string
		Splits        []Split
		ExpiresAt     aggregates.Instant
		Closed        bool
		Reason        string
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel
	}

	ReservationExpired struct {
		ReservationID string
		Splits        []Split
		ExpiresAt     aggregates.Instant
		PromiseAt     aggregates.Instant
		Channel       string // while reservations of the SKU are counted by channel
	}

	// OversoldDetected says that a fact left less at a location than is promised from it.
	OversoldDetected struct {
		Location string
		OnHand   int64
		Reserved int64
	}

	// SafetyStockSet keeps units back at a location. In units, of one location, for every channel and always, 0 ends it.
	SafetyStockSet struct {
		Location    string // "" for each
		Quantity    int64
		Channel     string // "" for every
		BasisPoints int64  // instead of Quantity: hundredths of a percent of what is on hand, rounded up
		Period      Period
		Explicit    bool // a rule to keep nothing, which beats others, when there are no units
		Ended       bool // there is no such rule any more
	}

	// AllocationSet guarantees units to a channel, bounds what it may take, or neither: then there is no allocation any more.
	AllocationSet struct {
		Channel   string
		Group     string   // of locations; "" for all that the channel does
		Locations []string // where ring-fenced units are kept
		Fence     int64
		Capped    bool
		Cap       int64
		Restart   bool      // what left before does not count any more
		Opening   []Opening // what was reserved, when the count by channel began with this event
	}

	// SellingRuleSet says how a channel, or every channel, sells the SKU.
	SellingRuleSet struct {
		Rule    SellingRule
		Ended   bool // there is no such rule any more
		Opening []Opening
	}

	// SafetyPeriodPassed says that a rule of the SKU began or ended, at an instant that was known before.
	SafetyPeriodPassed struct {
		At aggregates.Instant
	}

	// SupplyExpected says what a line of a document is to bring, and when. It replaces what was said of the line before.
	SupplyExpected struct {
		Kind     SupplyKind
		Document string
		Line     string // of a transfer, the location
		Location string
		Quantity int64
		DueAt    aggregates.Instant // a whole second
		Supply   []SupplyChange
		// Order is the purchase order that a shipping notice is part of, and its line; what is announced is no longer open there.
		Order, OrderLine string
	}

	// SupplyRescheduled moves the date of a line, of all lines of the document when Line is empty.
	SupplyRescheduled struct {
		Kind     SupplyKind
		Document string
		Line     string
		DueAt    aggregates.Instant
		Supply   []SupplyChange
	}

	// SupplyCancelled says that nothing more comes of a line, of all lines when Line is empty: what is open of an order is
	// cancelled, what is in transit is lost.
	SupplyCancelled struct {
		Kind     SupplyKind
		Document string
		Line     string
		Reason   string
		Supply   []SupplyChange
	}

	// ShortfallDetected says that what a location has and is to get no longer covers what is promised from it for later
	// dates.
	ShortfallDetected struct {
		Location string
		At       aggregates.Instant // the first date for which it is not enough
		Missing  int64              // the most that is missing at any date
		Promises []BrokenPromise    // those that cannot be kept, youngest first, at most MaxBroken
		More     int                // how many cannot be kept beside them
	}
)

// BrokenPromise is the part of a reservation at one location that cannot be kept.
type BrokenPromise struct {
	ReservationID string
	PromiseAt     aggregates.Instant
	Quantity      int64
}

// SupplyUse is a part of a reservation that counts on supply.
type SupplyUse struct {
	Kind     SupplyKind
	Document string
	Line     string
	Location string
	DueAt    aggregates.Instant
	Quantity int64
}

// FulfilledSplit is a part of a fulfilment: units leave Location; they had been reserved at ReservedAt.
type FulfilledSplit struct {
	Location   string
	ReservedAt string // never empty in the domain
	Quantity   int64
	Absorbed   AbsorbedBy // a count already covers the departure: the promise ends, no stock moves

	Backordered bool // what it was promised as
}

func (*ItemRegistered) EventType() string        { return TypeItemRegistered }
func (*StockCounted) EventType() string          { return TypeStockCounted }
func (*StockReceived) EventType() string         { return TypeStockReceived }
func (*StockSold) EventType() string             { return TypeStockSold }
func (*StockReturned) EventType() string         { return TypeStockReturned }
func (*StockAdjusted) EventType() string         { return TypeStockAdjusted }
func (*StockConditionChanged) EventType() string { return TypeStockConditionChanged }
func (*TransferShipped) EventType() string       { return TypeTransferShipped }
func (*TransferReceived) EventType() string      { return TypeTransferReceived }
func (*ReservationPlaced) EventType() string     { return TypeReservationPlaced }
func (*ReservationConfirmed) EventType() string  { return TypeReservationConfirmed }
func (*ReservationExtended) EventType() string   { return TypeReservationExtended }
func (*ReservationFulfilled) EventType() string  { return TypeReservationFulfilled }
func (*ReservationReleased) EventType() string   { return TypeReservationReleased }
func (*ReservationExpired) EventType() string    { return TypeReservationExpired }
func (*OversoldDetected) EventType() string      { return TypeOversoldDetected }
func (*SafetyStockSet) EventType() string        { return TypeSafetyStockSet }
func (*SupplyExpected) EventType() string        { return TypeSupplyExpected }
func (*SupplyRescheduled) EventType() string     { return TypeSupplyRescheduled }
func (*SupplyCancelled) EventType() string       { return TypeSupplyCancelled }
func (*ShortfallDetected) EventType() string     { return TypeShortfallDetected }
func (*AllocationSet) EventType() string         { return TypeAllocationSet }
func (*SellingRuleSet) EventType() string        { return TypeSellingRuleSet }
func (*SafetyPeriodPassed) EventType() string    { return TypeSafetyPeriodPassed }
