package order

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// The names of the facts. They are a contract and never change.
const (
	TypeReceived      = "OrderReceived"
	TypeReserved      = "OrderReserved"
	TypeRejected      = "OrderRejected"
	TypeConfirmed     = "OrderConfirmed"
	TypeExtended      = "OrderExtended"
	TypeCancelled     = "OrderCancelled"
	TypeClosed        = "OrderClosed"
	TypeLineChanged   = "OrderLineChanged"
	TypeLineCut       = "OrderLineCut"
	TypeLineFulfilled = "OrderLineFulfilled"
	TypeLineDelivered = "OrderLineDelivered"
	TypeLineReturned  = "OrderLineReturned"
	TypeInspected     = "OrderReturnInspected"
	TypeSettled       = "OrderSettled"
	TypeOversold      = "OrderOversold"
	TypeHoldLost      = "OrderHoldLost"
)

// Line of an order, as it was asked for.
type Line struct {
	ID            string
	SKU           string
	Quantity      int64  // base units
	ReservationID string // hold that the line takes over
	Location      string // where the units must come from; "" leaves it to the channel's rules
	Method        string // how it gets to the customer
}

// Part is some units of a line.
type Part struct {
	Line     string
	SKU      string
	Quantity int64
}

// Shortage is a line that could not be promised.
type Shortage struct {
	Line      string
	SKU       string
	Requested int64
	Available int64 // of the SKU, to this order
	Reason    string
	// PolicyPosition is the stock.Policy.Position that it was decided under; 0 when no rule was asked.
	PolicyPosition uint64
	Component      string // of a kit: the one that allows the fewest; Requested and Available are in kits
}

// The reasons of a Shortage.
const (
	ShortInsufficient = "INSUFFICIENT_STOCK"
	ShortUnknownSKU   = "UNKNOWN_SKU"
	ShortKeyReused    = "IDEMPOTENCY_KEY_REUSED" // the reservation's id is another order's
	ShortTooMany      = "TOO_MANY_RESERVATIONS"
	ShortNowhere      = "NO_LOCATION_SERVES" // no place of the channel may serve the line, by its location and method
	ShortLate         = "HOLD_ENDED"         // the holds would have ended before all were placed
)

// The closed set of events of an order's stream.
type (
	// Received is what an order, or the cart that will become one, asks for.
	Received struct {
		Channel   string
		Lines     []Line
		Sold      bool // already, elsewhere: it counts whether there is enough or not
		Partial   bool // line by line, instead of all or none
		Confirm   bool // as soon as it is reserved
		ExpiresAt aggregates.Instant
	}

	// Reserved says that every line is promised but those that are short, as decided on a version.
	Reserved struct {
		Short   []Shortage
		Version uint64
	}

	// Rejected says that nothing is promised; what was on the way is given back.
	Rejected struct{ Short []Shortage }

	Confirmed struct{}

	Extended struct{ ExpiresAt aggregates.Instant }

	// Cancelled ends all lines whose version is not above the order's own version of itself; 0 ends all there ever are.
	Cancelled struct {
		OrderVersion uint64
		Reason       string
	}

	// Closed says that nothing is left to send.
	Closed struct{}

	// LineChanged says how many units of a line are ordered, as of the order's own version of itself.
	LineChanged struct {
		Line
		OrderVersion uint64
	}

	// LineCut says that units will not be sent.
	LineCut struct {
		Part
		Reason string
	}

	// LineFulfilled says that units left a location.
	LineFulfilled struct {
		Part
		Location string
		Shipment string
	}

	LineDelivered struct {
		Part
		Shipment string
	}

	// LineReturned says that units came back, and in which condition they lie now.
	LineReturned struct {
		Part
		Location  string
		Condition stock.Condition
		ReturnID  string
		Reason    string
		// PolicyPosition is the position of the rules that the condition follows from; 0 when none says so.
		PolicyPosition uint64
	}

	// Inspected says what units that were returned for inspection turned out to be.
	Inspected struct {
		Part
		Location  string
		Condition stock.Condition
		ReturnID  string
	}

	// Settled says that the SKUs were told everything up to a version.
	Settled struct{ Version uint64 }

	// Oversold says that an order which was sold already left more promised at a location than lies there, and which
	// promises are proposed for breaking.
	Oversold struct {
		SKU      string
		Location string
		OnHand   int64
		Reserved int64
		Breaks   []Break
	}

	// HoldLost says that a hold ended before it was confirmed; the units are taken anew under another id.
	HoldLost struct {
		SKU           string
		ReservationID string
	}
)

// Break is a promise proposed for breaking.
type Break struct {
	ReservationID string
	Quantity      int64
}

func (*Received) EventType() string      { return TypeReceived }
func (*Reserved) EventType() string      { return TypeReserved }
func (*Rejected) EventType() string      { return TypeRejected }
func (*Confirmed) EventType() string     { return TypeConfirmed }
func (*Extended) EventType() string      { return TypeExtended }
func (*Cancelled) EventType() string     { return TypeCancelled }
func (*Closed) EventType() string        { return TypeClosed }
func (*LineChanged) EventType() string   { return TypeLineChanged }
func (*LineCut) EventType() string       { return TypeLineCut }
func (*LineFulfilled) EventType() string { return TypeLineFulfilled }
func (*LineDelivered) EventType() string { return TypeLineDelivered }
func (*LineReturned) EventType() string  { return TypeLineReturned }
func (*Inspected) EventType() string     { return TypeInspected }
func (*Settled) EventType() string       { return TypeSettled }
func (*Oversold) EventType() string      { return TypeOversold }
func (*HoldLost) EventType() string      { return TypeHoldLost }
