// Package audit decides which heads of the tree over the whole store are recorded: each covers more than the one before. How
// trees are computed and heads are signed is not its business.
package audit

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// TypeTreeHeadRecorded is the name of the fact, a contract that never changes.
const TypeTreeHeadRecorded = "TreeHeadRecorded"

// Hash is the root of a tree (RFC 6962, SHA-256).
type Hash [32]byte

// TreeHeadRecorded says what the tree over the first events of the store comes to.
type TreeHeadRecorded struct {
	Size     int64  // events in the tree
	Position uint64 // of the last of them
	Root     Hash
	Note     string // the signed note that says so
}

// EventType names the fact.
func (*TreeHeadRecorded) EventType() string { return TypeTreeHeadRecorded }

// TypeHistoryCondensed is the name of the fact, a contract that never changes.
const TypeHistoryCondensed = "HistoryCondensed"

// HistoryCondensed says that events recorded before an instant are condensed: some of them may be, or, when it is Done, all that can be.
type HistoryCondensed struct {
	Before aggregates.Instant
	Done   bool
	Events int64 // condensed ones in the whole store, once Done
	Digest Hash  // of what they say, once Done
}

// EventType names the fact.
func (*HistoryCondensed) EventType() string { return TypeHistoryCondensed }

// State is the newest head, and what was condensed last. The zero value has none.
type State struct {
	Head      TreeHeadRecorded
	Condensed HistoryCondensed
}

// Evolve applies a fact.
func (s *State) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	switch e := e.(type) {
	case *TreeHeadRecorded:
		s.Head = *e
	case *HistoryCondensed:
		s.Condensed = *e
	}
}

// ForkedError says that two heads of equal size have different roots: the store was changed, or restored to another history.
type ForkedError struct{ Size int64 }

func (e *ForkedError) Error() string {
	return fmt.Sprintf("the tree over the first %d events is another than the one that was signed: the store was changed or replaced; stockfold verify finds where", e.Size)
}

// Record records a head that covers more than the newest one. It returns no events for one that covers less, or the same;
// *ForkedError when the same number of events has another root, or fewer events reach a later position.
func Record(s *State, h TreeHeadRecorded) ([]aggregates.Event, error) {
	switch {
	case h.Size == s.Head.Size && h.Root != s.Head.Root, h.Size < s.Head.Size && h.Position > s.Head.Position,
		h.Size > s.Head.Size && h.Position <= s.Head.Position:
		return nil, &ForkedError{Size: min(h.Size, s.Head.Size)}
	case h.Size <= s.Head.Size:
		return nil, nil
	}
	return []aggregates.Event{&h}, nil
}

// Condense records how far condensing has come. It returns no events when that is known.
func Condense(s *State, c HistoryCondensed) []aggregates.Event {
	if s.Condensed == c {
		return nil
	}
	return []aggregates.Event{&c}
}
