// Package reconciliation decides what is kept of comparing a source's snapshot of the stock with what was held to be true. A run has a stream of its own:
// what the snapshot is, its rows as the source said them, what was found, and what it came to. One stream lists the runs.
//
// It guarantees that a chunk, a part and an end count once, whoever tells of them and how often, and that nothing is added to a run that is completed. What
// explains a difference, and what a location holds, it leaves to others.
package reconciliation

import "github.com/stockfold/stockfold/aggregates"

// The names of the facts. They are a contract and never change.
const (
	TypeStarted   = "ReconciliationStarted"
	TypeRowsTaken = "SnapshotRowsTaken"
	TypeFound     = "DiscrepanciesFound"
	TypeCompleted = "ReconciliationCompleted"
	TypeListed    = "ReconciliationListed"
)

// Policy says what follows from a discrepancy.
type Policy uint8

// The policies. The zero value reports only.
const (
	Report Policy = iota
	Propose
	Correct // within the limits, when the snapshot is of the system of record
)

// Header says what a snapshot is.
type Header struct {
	Source        string
	Document      string
	AsOf          aggregates.Instant // inclusive
	Location      string             // of rows that name none
	Channel       string             // of which it says what is available; else it says what lies at locations
	Policy        Policy
	MaxUnits      int64 // of one correction
	MaxTotalUnits int64 // of all corrections
	Complete      bool  // what it leaves out, it says is 0
}

// Row is what a source says of one place.
type Row struct {
	SKU       string
	Location  string
	Condition string // "" is sellable
	Quantity  int64
	Decimal   string // instead of Quantity
	UnitCost  int64  // in minor units of the currency, of one unit of the item
	Currency  string
	Line      int64
}

// Refused is a row that could not be read or compared.
type Refused struct {
	Line   int64
	Reason string
}

// Class says why a source and the service differ.
type Class uint8

// The classes, in the order of the contract.
const (
	LateEvent Class = iota + 1
	QueuedEvent
	DeadLetter
	SequenceGap
	Duplicate
	UnitMistake
	NotOwner
	NotDelivered
	ConflictingCounts
	Unexplained
)

// Evidence is why a discrepancy is in its class.
type Evidence struct {
	Kind  string
	ID    string
	Text  string
	Units int64 // of the difference that it explains
	Confidence
}

// Confidence says how sure it is that a piece of evidence explains the difference.
type Confidence uint8

// The confidences, in the order of the contract. The zero value is of runs from before they were said.
const (
	Exact    Confidence = iota + 1 // what is recorded explains it to the unit
	Likely                         // the numbers fit, and were read out of what breaks rules, or are a pattern
	Possible                       // it is about the place; how many units nobody can say
)

// Discrepancy is a place of which the source and the service say different things.
type Discrepancy struct {
	SKU, Location, Condition string
	Line                     int64
	Said                     int64
	Held, HeldThen           int64 // by what was known when the run compared, and at the as-of time
	Class                    Class
	Evidence                 []Evidence
	Proposed                 int64
	WithinLimits             bool // the run carries its proposal out
	Decimals                 int
	ValueAtRisk              int64
	Currency                 string
}

// ClassTotal counts the discrepancies of a class.
type ClassTotal struct {
	Class         Class
	Discrepancies int64
	Units         int64 // differences without their sign
}

// CurrencyTotal is an amount in minor units.
type CurrencyTotal struct {
	Currency string
	Minor    int64
}

// Totals are what a run came to.
type Totals struct {
	Rows, Refused, Matched, Discrepancies int64
	Classes                               []ClassTotal // in order of class
	ValueAtRisk                           []CurrencyTotal
	Corrected, CorrectedUnits             int64
}

// The closed set of events of a run's stream, and of the list.
type (
	// Started begins a run.
	Started struct{ Header Header }

	// RowsTaken keeps a part of the snapshot as the source said it.
	RowsTaken struct {
		Chunk   int
		Last    bool
		Rows    []Row
		Refused []Refused
	}

	// Found keeps a part of what was found.
	Found struct {
		Part          int64  // its place, from 0
		Through       string // up to this SKU all is kept, in bytewise order; "" when more of one follows
		Discrepancies []Discrepancy
		Refused       []Refused
	}

	// Completed ends a run, after its corrections.
	Completed struct {
		Totals     Totals
		ComparedAt aggregates.Instant // what was recorded by then is what the snapshot was compared with
	}

	// Listed puts a run on the list, and again with its totals once it is completed, or was abandoned: then they are those of the rows that came.
	Listed struct {
		RunID     string
		Header    Header
		Totals    *Totals
		Abandoned bool
	}
)

// EventType names the fact.
func (*Started) EventType() string { return TypeStarted }

// EventType names the fact.
func (*RowsTaken) EventType() string { return TypeRowsTaken }

// EventType names the fact.
func (*Found) EventType() string { return TypeFound }

// EventType names the fact.
func (*Completed) EventType() string { return TypeCompleted }

// EventType names the fact.
func (*Listed) EventType() string { return TypeListed }
