package location

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// TypeOwnerAssigned names the fact, a contract that never changes.
const TypeOwnerAssigned = "OwnerAssigned"

// Bounds of who may be named.
const (
	MaxOwnerships = 100 // of one location
	MaxSources    = 100 // of one ownership
)

// Fact is a kind of fact that a location has systems of record for.
type Fact uint8

// The kinds of facts.
const (
	OnHand Fact = iota + 1 // what lies there: counts, receipts, adjustments, changes of condition, transfers
	Supply                 // what is on its way there
	Orders                 // what customers take and bring back: sales, returns, orders
)

func (f Fact) String() string {
	switch f {
	case OnHand:
		return "on hand"
	case Supply:
		return "supply"
	case Orders:
		return "orders"
	}
	return "unknown"
}

// OwnerAssigned names the systems of record for one kind of fact, for what occurs from an instant on.
type OwnerAssigned struct {
	Ownership
	Withdrawn bool // it no longer holds, as if it had never been made
}

// EventType names the fact.
func (*OwnerAssigned) EventType() string { return TypeOwnerAssigned }

// Ownership names the systems of record for what occurs from an instant on, until the next ownership of the same fact.
type Ownership struct {
	Fact    Fact
	From    aggregates.Instant // 0: from the beginning of time
	Sources []string           // none: every source is believed
}

func compareOwnerships(a, b Ownership) int {
	return cmp.Or(cmp.Compare(a.Fact, b.Fact), cmp.Compare(a.From, b.From))
}

// Owners are all ownerships of a location. They are immutable; nil has none.
type Owners struct {
	list []Ownership // in order of fact, then of time
}

// NewOwners makes owners of ownerships, no two of one fact from the same instant; none gives nil.
func NewOwners(list []Ownership) *Owners {
	if len(list) == 0 {
		return nil
	}
	return &Owners{slices.SortedFunc(slices.Values(list), compareOwnerships)}
}

// List returns the ownerships in order of fact, then of time. Do not change it.
func (o *Owners) List() []Ownership {
	if o == nil {
		return nil
	}
	return o.list
}

// At returns who says a kind of fact that occurred at an instant. ok is false when every source is believed.
func (o *Owners) At(f Fact, at aggregates.Instant) (x Ownership, ok bool) {
	for _, next := range o.List() {
		if next.Fact == f && next.From <= at {
			x = next
		}
	}
	return x, len(x.Sources) > 0
}

// with returns owners as they are after an event.
func (o *Owners) with(e *OwnerAssigned) *Owners {
	list := slices.DeleteFunc(slices.Clone(o.List()), func(x Ownership) bool { return compareOwnerships(x, e.Ownership) == 0 })
	if !e.Withdrawn {
		list = append(list, e.Ownership)
	}
	return NewOwners(list)
}

// RepeatedOwnershipError refuses two ownerships of one fact from the same instant.
type RepeatedOwnershipError struct {
	Fact Fact
	From aggregates.Instant
}

func (e *RepeatedOwnershipError) Error() string {
	return fmt.Sprintf("%s is given twice from the same time, %s", e.Fact, e.From.Time().Format("2006-01-02T15:04:05Z07:00"))
}

// Assign decides who is believed, in place of all that was said before: one event for each ownership that is new, differs,
// or is left out. What already is so yields no events. *RepeatedOwnershipError when two would hold at once.
func Assign(s *State, wanted []Ownership) ([]aggregates.Event, error) {
	wanted = slices.SortedStableFunc(slices.Values(wanted), compareOwnerships)
	var events []aggregates.Event
	was := s.Owners.List()
	for i, w := range wanted {
		if i > 0 && compareOwnerships(wanted[i-1], w) == 0 {
			return nil, &RepeatedOwnershipError{Fact: w.Fact, From: w.From}
		}
		for len(was) > 0 && compareOwnerships(was[0], w) < 0 {
			events, was = append(events, &OwnerAssigned{Ownership: was[0], Withdrawn: true}), was[1:]
		}
		same := len(was) > 0 && compareOwnerships(was[0], w) == 0
		if !same || !slices.Equal(was[0].Sources, w.Sources) {
			events = append(events, &OwnerAssigned{Ownership: w})
		}
		if same {
			was = was[1:]
		}
	}
	for _, x := range was {
		events = append(events, &OwnerAssigned{Ownership: x, Withdrawn: true})
	}
	return events, nil
}
