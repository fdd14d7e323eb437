// Package order is the domain of one order over many SKUs: what is wanted of which SKU, and what became of it.
//
// It owns the facts of an order's stream, the state they fold into, and one decision per intention: Receive, Place, Reserved,
// Confirm, Extend, Lapse, Cancel, Change, Cut, Ship, Deliver, Return, Inspect, Settle. A decision is a pure function; it
// returns the events and never changes the state. Only Evolve changes it; it cannot fail and decides nothing.
//
// An order does not move stock. It says what its SKUs should hold and what happened to its units; Plan lists what of that the
// SKUs have not been told yet, and Settled is recorded once they have been. What a SKU should hold is a state, not a
// step, and carries the order's version, the number of its events; so telling it twice, late, or from two places at once
// does no harm, and a crash at any point leaves a plan that can be carried out.
//
// What it guarantees:
//
//   - what is open of a line is what is ordered, less what was cut and what was sent, never negative; nothing is open of a line
//     that was cancelled or could not be promised, nor of an order that was rejected or not placed yet
//   - each SKU should hold what is open of its lines, and nothing under an id that was given up
//   - facts about an order come to the same end in any order and however often: what is cut, sent, delivered and returned adds
//     up, each message once; of what is ordered of a line the highest version counts; a cancellation ends what is of its version
//     or below
//
// It leaves to others: whether a SKU has enough (aggregates/stock), the clock, ids, storage and the encoding of events.
package order

// Bounds of the domain.
const (
	// MaxLines is how many lines an order may have.
	MaxLines = 500
	// MaxFacts is how many events one order may have but those of its own process; beyond it facts are refused.
	MaxFacts = 5_000
	// MaxLineQuantity is the largest quantity of a line, or part of one, in base units: sums of all of them fit.
	MaxLineQuantity int64 = 1_000_000_000_000
)
