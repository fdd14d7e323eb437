package rules

import (
	"errors"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// BufferSet keeps units of every SKU of a category back from a channel, or from every one.
type BufferSet struct {
	Rule  stock.SafetyRule // its category, and its channel or none
	Ended bool             // there is no such rule any more
}

// EventType names the fact.
func (*BufferSet) EventType() string { return TypeSharedBufferSet }

// ErrNoCategory refuses a shared rule of buffers that names no category: the buffer of a channel is part of its definition.
var ErrNoCategory = errors.New("a rule of buffers is about a SKU or a category; the buffer of a channel is set with PutChannel")

// SetBuffer sets a shared rule of buffers in place of the one about the same in the same period, or ends it. What already is so yields no
// events. It returns ErrNoCategory, *stock.QuantityError, *stock.PeriodError and *stock.BoundError.
func SetBuffer(s *State, r stock.SafetyRule, end bool) ([]aggregates.Event, error) {
	if r.Category == "" {
		return nil, ErrNoCategory
	}
	if err := stock.CheckRule(r.Portion, r.Period); err != nil {
		return nil, err
	}
	if end {
		r.Portion = stock.Portion{}
	}
	with := s.Buffers.With(r)
	switch there := len(with) == len(s.Buffers); {
	case end && !there, !end && s.Buffers.Has(r):
		return nil, nil
	case !end && len(with) > MaxBuffers:
		return nil, &stock.BoundError{What: "shared rules of buffers", Limit: MaxBuffers}
	}
	return []aggregates.Event{&BufferSet{Rule: r, Ended: end}}, nil
}

func (s *State) setBuffer(e *BufferSet) {
	if e.Ended {
		s.Buffers = s.Buffers.Without(e.Rule)
	} else {
		s.Buffers = s.Buffers.With(e.Rule)
	}
}
