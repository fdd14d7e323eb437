package reconciliation

import (
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds of a run.
const (
	MaxChunkRows = 2_000  // rows of one chunk
	MaxChunks    = 50_000 // chunks of one snapshot
	MaxOpen      = 1_000  // runs that are not completed
)

// Errors of decisions.
var (
	ErrNotStarted = errors.New("nobody said what the snapshot is")
	ErrTooLong    = fmt.Errorf("a snapshot has at most %d chunks of %d rows; split it by location", MaxChunks, MaxChunkRows)
	ErrTooMany    = fmt.Errorf("%d reconciliation runs are not completed; wait until some are", MaxOpen)
	ErrOtherRows  = errors.New("the snapshot was sent before with other rows; give the document another id")
	ErrLastTwice  = errors.New("two chunks of the snapshot say that they are the last")
	ErrOvertaken  = errors.New("another process keeps what it found of the same snapshot")
	ErrBeyondLast = errors.New("a chunk has a place behind the last one")
)

// AnotherError says that a snapshot of the same name says something else.
type AnotherError struct{ RunID string }

func (e *AnotherError) Error() string {
	return fmt.Sprintf("run %s is of a snapshot by the same source, document, as-of time and scope, with another policy or limits; give the document another id",
		e.RunID)
}

// State is a run: a fold of its stream. The zero value is of one that nobody started.
type State struct {
	Header    Header
	Known     bool
	StartedAt aggregates.Instant
	RowsAt    aggregates.Instant // when the last rows were taken; what was recorded by then is compared
	Chunks    map[int]uint64     // their fingerprints, by place
	Last      int                // place of the last chunk, -1 while it is not known
	Rows      int64
	Refused   int64
	Parts     int64 // of what was found
	Completed *Completed
	EndedAt   aggregates.Instant
}

// Evolve folds the event that comes next in the stream.
func (s *State) Evolve(e aggregates.Event, m aggregates.Metadata) {
	switch e := e.(type) {
	case *Started:
		s.Header, s.Known, s.StartedAt, s.Last = e.Header, true, m.RecordedAt, -1
		s.Chunks = map[int]uint64{}
	case *RowsTaken:
		s.Chunks[e.Chunk] = m.Fingerprint
		s.Rows, s.Refused = s.Rows+int64(len(e.Rows)), s.Refused+int64(len(e.Refused))
		s.RowsAt = m.RecordedAt
		if e.Last {
			s.Last = e.Chunk
		}
	case *Found:
		s.Parts = e.Part + 1
	case *Completed:
		s.Completed, s.EndedAt = e, m.RecordedAt
	}
}

// Whole tells whether every chunk has come.
func (s *State) Whole() bool { return s.Known && s.Last >= 0 && len(s.Chunks) == s.Last+1 }

// Start decides that a run begins; no events when it has begun.
func Start(s *State, runID string, h Header) ([]aggregates.Event, error) {
	if !s.Known {
		return []aggregates.Event{&Started{Header: h}}, nil
	}
	if s.Header != h {
		return nil, &AnotherError{RunID: runID}
	}
	return nil, nil
}

// Take decides that a chunk is kept; no events when it is. A chunk with other contents is refused.
func Take(s *State, r RowsTaken, fingerprint uint64) ([]aggregates.Event, error) {
	was, taken := s.Chunks[r.Chunk]
	switch {
	case !s.Known:
		return nil, ErrNotStarted
	case taken && was != fingerprint:
		return nil, ErrOtherRows
	case taken:
		return nil, nil
	case r.Chunk < 0 || r.Chunk >= MaxChunks || len(r.Rows)+len(r.Refused) > MaxChunkRows:
		return nil, ErrTooLong
	case r.Last && s.Last >= 0:
		return nil, ErrLastTwice
	case s.Last >= 0 && r.Chunk > s.Last:
		return nil, ErrBeyondLast
	}
	if r.Last {
		for chunk := range s.Chunks {
			if chunk > r.Chunk {
				return nil, ErrBeyondLast
			}
		}
	}
	return []aggregates.Event{&r}, nil
}

// Keep decides that a part of what was found is kept; no events when the run is completed. Parts come in order, whoever keeps them: it returns ErrOvertaken when
// another one has the place of this, and what that has must be left out.
func Keep(s *State, f Found) ([]aggregates.Event, error) {
	if s.Completed != nil {
		return nil, nil
	}
	if f.Part != s.Parts {
		return nil, ErrOvertaken
	}
	return []aggregates.Event{&f}, nil
}

// Complete decides that a run ends; no events when it has.
func Complete(s *State, c Completed) ([]aggregates.Event, error) {
	if s.Completed != nil {
		return nil, nil
	}
	return []aggregates.Event{&c}, nil
}

// List is the fold of the list of runs: those that are not completed.
type List struct {
	Open map[string]Header
}

// Evolve folds the event that comes next in the stream.
func (l *List) Evolve(e aggregates.Event, _ aggregates.Metadata) {
	x, ok := e.(*Listed)
	switch {
	case !ok:
	case x.Totals != nil:
		delete(l.Open, x.RunID)
	default:
		if l.Open == nil {
			l.Open = map[string]Header{}
		}
		l.Open[x.RunID] = x.Header
	}
}

// Add decides that a run is listed; no events when it is open already.
func (l *List) Add(runID string, h Header) ([]aggregates.Event, error) {
	if _, ok := l.Open[runID]; ok {
		return nil, nil
	}
	if len(l.Open) >= MaxOpen {
		return nil, ErrTooMany
	}
	return []aggregates.Event{&Listed{RunID: runID, Header: h}}, nil
}

// End decides that a run is listed as completed; no events when it is not open any more.
func (l *List) End(runID string, t Totals) ([]aggregates.Event, error) {
	return l.close(Listed{RunID: runID, Totals: &t})
}

// Abandon decides that a run is not waited for any longer, of which so many rows came; no events when it is not open any more.
func (l *List) Abandon(runID string, rows int64) ([]aggregates.Event, error) {
	return l.close(Listed{RunID: runID, Totals: &Totals{Rows: rows}, Abandoned: true})
}

func (l *List) close(e Listed) ([]aggregates.Event, error) {
	h, ok := l.Open[e.RunID]
	if !ok {
		return nil, nil
	}
	e.Header = h
	return []aggregates.Event{&e}, nil
}
