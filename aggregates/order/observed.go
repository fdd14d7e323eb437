package order

import "github.com/stockfold/stockfold/aggregates"

// TypeOrderObserved names the fact, a contract that never changes.
const TypeOrderObserved = "OrderObserved"

// Observed keeps what a source said of an order at a location whose orders another system tells of. It changes nothing.
type Observed struct {
	Message  string // its kind, e.g. "shipped"
	Location string
	Lines    []Line
	Owners   []string           // the systems of record when it was decided
	Since    aggregates.Instant // since when they are, by occurred time; 0: from the beginning of time
}

// EventType names the fact.
func (*Observed) EventType() string { return TypeOrderObserved }

// Observe keeps a message that is not applied, once. It returns *ReusedError and *TooManyError.
func Observe(s *State, o Observed, m aggregates.Metadata) ([]aggregates.Event, error) {
	if done, err := s.again(&m); done || err != nil {
		return nil, err
	}
	if err := s.roomFor(1, nil); err != nil {
		return nil, err
	}
	return []aggregates.Event{&o}, nil
}
