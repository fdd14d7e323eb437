// Package refusals holds the refusals that more than one service gives, typed, so that the transport can tell the
// caller what it was about. What only one service or aggregate refuses is its own error.
package refusals

import (
	"errors"
	"fmt"
	"strings"
)

// UnknownSKU says that nothing was ever registered or recorded for a SKU.
type UnknownSKU struct{ SKU string }

func (e *UnknownSKU) Error() string {
	return fmt.Sprintf("SKU %q is not known: nothing was ever registered or recorded for it", e.SKU)
}

// UnknownChannel says that a channel is not defined.
type UnknownChannel struct{ Channel string }

func (e *UnknownChannel) Error() string {
	return fmt.Sprintf("channel %q is not defined; define it with PutChannel", e.Channel)
}

// UnknownLocations says that locations are not defined.
type UnknownLocations struct{ Locations []string }

// maxNamed is how many locations an error names.
const maxNamed = 20

func (e *UnknownLocations) Error() string {
	named := make([]string, 0, maxNamed)
	for _, l := range e.Locations[:min(len(e.Locations), maxNamed)] {
		named = append(named, fmt.Sprintf("%q", l))
	}
	text := strings.Join(named, ", ")
	if more := len(e.Locations) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if len(e.Locations) == 1 {
		return "location " + text + " is not defined; define it with PutLocation"
	}
	return "locations " + text + " are not defined; define them with PutLocation"
}

// UnknownReservation says that no reservation has an id.
type UnknownReservation struct{ ReservationID string }

func (e *UnknownReservation) Error() string {
	return fmt.Sprintf("there is no reservation %q", e.ReservationID)
}

// TooManyEvents says that a stream has more events than one call reads.
type TooManyEvents struct {
	Stream string
	Limit  int
}

func (e *TooManyEvents) Error() string {
	return fmt.Sprintf("stream %q has more than the %d events that one call reads; ask for an earlier instant, or page through the history",
		e.Stream, e.Limit)
}

// SumOverflow says that a number of a report does not fit 64 bits.
type SumOverflow struct{ What string }

func (e *SumOverflow) Error() string {
	return fmt.Sprintf("the sum of %s does not fit 64 bits; ask by SKU and location", e.What)
}

// ErrNoLedger says that this replica does not keep the past.
var ErrNoLedger = errors.New("this replica keeps no ledger: ask one that has the role ledger, or give this one the role and restart it")

// ErrTooManySnapshots says that others are being made.
var ErrTooManySnapshots = errors.New("as many snapshots and roll-forwards as there may be are being made; try again in a moment")

// ErrNotTaken says that a caller does not read the answer that it asked for.
var ErrNotTaken = errors.New("the answer was not read for a minute, while others wait for their turn; ask again, and read it as it comes")

// ErrReplayRunning says that a read model is being replayed already.
var ErrReplayRunning = errors.New("a replay is running; wait until it is done, or end it")

// ErrCondensing says that old events are being condensed already.
var ErrCondensing = errors.New("old events are being condensed; wait until that is done")

// ErrNotCondensable says that the event store cannot change what it holds.
var ErrNotCondensable = errors.New("the event store is one that never changes what it holds, and old events cannot be condensed in it; " +
	"the embedded one can, and whatever is kept of a shared one is up to its own retention")

// ErrNoReadModel says that this replica keeps no availability.
var ErrNoReadModel = errors.New("this replica keeps no read models: ask one that has the role project")

// ErrStopping says that the service is about to stop; another replica, or the same one in a moment, can serve.
var ErrStopping = errors.New("service is stopping")

// Matter is an error with what it was about.
type Matter struct {
	Facts []Fact
	Err   error
}

// Fact is a name, lower_snake, and a value.
type Fact struct{ Name, Value string }

// About says what an error was about. Nil stays nil.
func About(err error, facts ...Fact) error {
	if err == nil {
		return nil
	}
	return &Matter{Facts: facts, Err: err}
}

func (e *Matter) Error() string {
	var b strings.Builder
	for i, f := range e.Facts {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %q", f.Name, f.Value)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *Matter) Unwrap() error { return e.Err }

// UnknownEvent says that no event has an id.
type UnknownEvent struct{ EventID string }

func (e *UnknownEvent) Error() string { return fmt.Sprintf("there is no event %q", e.EventID) }

// UnknownTrace says that nothing is known of an id.
type UnknownTrace struct{ ID string }

func (e *UnknownTrace) Error() string {
	return fmt.Sprintf("nothing is known of %q: it is no correlation id, document, reservation, order, message or event id that was recorded", e.ID)
}

// NotInTreeHead says that an event was recorded after the newest tree head.
type NotInTreeHead struct{ EventID string }

func (e *NotInTreeHead) Error() string {
	return fmt.Sprintf("event %s was recorded after the newest tree head; record one with RecordTreeHead, and ask again", e.EventID)
}
