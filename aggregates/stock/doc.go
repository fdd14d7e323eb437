// Package stock is the domain of one SKU: what lies where in which condition, what is promised from it, and which
// of the two a channel may still sell.
//
// It owns the facts of a SKU's stream (events.go), the state they fold into (State, and Balances for those who
// only need quantities), the one availability function (Balances.Available), and one decision per intention:
// Register, Keep, Allocate, SetSelling, Move, Reserve, Confirm, Extend, Release, Fulfil, Expire. A decision is a pure function of the state,
// the request, the metadata its events will carry, the channel's policy and the time; it returns the events and never
// changes the state. Only Evolve changes it; it cannot fail and decides nothing.
//
// Rules (rules.go) are the SKU's own, in its events, or the channel's, in its Policy: safety stock at eight levels (safety.go), ring-fences
// and caps (allocation.go, fences.go), how a channel sells (selling.go) and where it takes units from (sourcing.go). A SKU and a
// channel without them take the short way.
//
// What it guarantees, and Check asserts after every fold in tests:
//
//   - on hand at a location, per condition, is the sum of the effects of its facts
//   - reserved at a location is the sum of what live reservations still hold there, and never negative; the part of it
//     that will expire adds up, second by second, to Balance.Holds
//   - what is to come to a location is, second by second, what the lines of its documents have open; what is promised from
//     it for later dates is, date by date, what live reservations for them still hold
//   - quantity = remaining + fulfilled + released + expired, for every reservation
//   - a guarded reservation takes no more than Available from the stock at its own revision, one for a date no more than
//     AvailableAt, and beyond the stock, marked as back-ordered, no more than a selling rule allows
//   - a reservation leaves what is ring-fenced for other channels as far as it was there, measured with the safety stock of the asking channel
//   - once reservations are counted by channel, from the first allocation or selling rule on, Balance.Uses add up to them
//   - the same events give the same state, and the same snapshot, byte for byte
//
// Events, and the slices in them and in results, are shared with the state: nobody changes them once they are made.
//
// It leaves to others: whether a location or a channel exists, the clock, ids, storage, and the encoding of events.
package stock

import "github.com/stockfold/stockfold/aggregates"

// Bounds of the domain.
const (
	// MaxQuantity is the largest quantity of one request, in base units, either way.
	MaxQuantity int64 = 1_000_000_000_000_000
	// MaxDecimals is the largest number of decimal places of an item.
	MaxDecimals = 9
	// MaxHoldSeconds is how long a hold may last: 30 days.
	MaxHoldSeconds int64 = 30 * 24 * 60 * 60
	// DefaultHoldSeconds is how long a hold lasts when neither the request nor the policy says.
	DefaultHoldSeconds int64 = 900
	// MaxLiveReservations is how many reservations of one SKU may be live at once.
	MaxLiveReservations = 1_000_000
	// MaxSeen is how many idempotency keys of facts, and again how many of calls on reservations, and again how many
	// ended reservations, one SKU remembers at most; beyond it the oldest is forgotten before its time.
	MaxSeen = 100_000
	// MaxOrigins is for how many pairs of topic and partition one SKU keeps offsets. Messages of further ones are told
	// apart by their keys alone.
	MaxOrigins = 1_024
	// KeepSeen is for how long keys and ended reservations are remembered at least, by recorded time.
	KeepSeen = 24 * 60 * 60 * aggregates.Second
)

// clockSlack is by how much a source's clock may be ahead when its message is recorded, generously.
const clockSlack = 10 * 60 * aggregates.Second

// DefaultUnit is the unit of an item that nobody described.
const DefaultUnit = "each"

// occurred is when a fact happened: when it was recorded, if its source did not say.
func occurred(m *aggregates.Metadata) aggregates.Instant {
	if m.OccurredAt == 0 {
		return m.RecordedAt
	}
	return m.OccurredAt
}
