package projections

import (
	"errors"
	"fmt"
)

// ErrTooManyWaiters says that too many callers wait for a projection at once; try again in a moment.
var ErrTooManyWaiters = errors.New("too many callers wait for the projection")

// ErrOtherHistory says that the store does not hold the events that the read model was built from. The
// model is then built from scratch.
var ErrOtherHistory = errors.New("the event store holds another history than the read model was built from")

// ErrReload ends a subscription, and is no trouble: the model is to be loaded anew.
var ErrReload = errors.New("the read model is to be loaded anew")

// UnreadableError says that an event can be neither applied nor skipped: the projection stands before it.
type UnreadableError struct {
	Stream   string
	Revision uint64
	Position uint64
	Type     string
	Err      error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("stopped before position %d, event %d (%s) of stream %q: %v", e.Position, e.Revision, e.Type, e.Stream, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }
