package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// Store is what commands need of an event store.
//
// Append writes events to the end of a stream and returns once they are durable. next is the number of
// events the caller knows the stream to have; when the stream has another number, Append changes nothing and
// returns *ConflictError, unless the events with exactly these ids already stand at next: then it is a
// repeated append, and the first one's result is returned. Position is that of the last event.
//
// ReadStream calls each for the events of a stream from revision on, in order, until there are no more or
// each returns false. A stream that does not exist has no events. Data is valid until each returns.
//
// LoadSnapshot returns the newest snapshot of a stream under a schema, or ok = false. SaveSnapshot replaces
// it; it need not be durable. A snapshot is a cache: it may vanish, and is never ahead of the stream.
//
// Every method may return ErrUnavailable (wrapped): nothing is known to be wrong with the request, try again.
type Store interface {
	Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	LoadSnapshot(ctx context.Context, stream, schema string) (snapshot Snapshot, ok bool, err error)
	SaveSnapshot(ctx context.Context, stream, schema string, snapshot Snapshot) error
}

// Appended is the result of a durable append.
type Appended struct {
	Position uint64 // of the last event appended
}

// Snapshot is an encoded state of a stream after its first Next events.
type Snapshot struct {
	Next     uint64
	Position uint64 // of the last event in it
	Data     []byte
}

// ErrUnavailable says that the store cannot serve now; the same call may succeed later.
var ErrUnavailable = errors.New("event store unavailable")

// ErrFull says that the disk is too full to accept writes safely; nothing was written.
var ErrFull = fmt.Errorf("%w: disk is full", ErrUnavailable)

// ErrUnknownOutcome says that an append may or may not have happened. Repeating it with the same event ids
// is safe.
var ErrUnknownOutcome = fmt.Errorf("%w: outcome of the append is unknown", ErrUnavailable)

// ConflictError says that a stream has another number of events than expected.
type ConflictError struct {
	Stream   string
	Expected uint64
	Actual   uint64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %q has %d events, expected %d", e.Stream, e.Actual, e.Expected)
}
