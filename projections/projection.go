package projections

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
)

// Event is a decoded record. Record.Data is valid only while Fold runs; everything else may be kept, Record.Stream better as
// a copy: it shares its memory with the names around it.
type Event struct {
	Record   aggregates.Record
	Fact     aggregates.Event
	Metadata aggregates.Metadata
}

// Projection is what a Runner runs. Load, Reset, Fold, Unwritten and Cut are never called at the same time,
// except Fold for streams of different workers. What Cut returned is written and published while the next
// events are folded, but before the next Cut.
type Projection interface {
	// Load returns how far the written model has come, and forgets all that was folded and not written.
	Load(ctx context.Context) (Progress, error)
	// Reset empties the model: it is about to be built from scratch.
	Reset(ctx context.Context) error
	// Ignores tells the types of events that this projection knows and has no use for: they are not decoded.
	Ignores(eventType string) bool
	// Fold applies one event; all events of a stream come from the same worker, in order. The event struct
	// is used again after Fold returns.
	Fold(ctx context.Context, worker int, e *Event) error
	// Unwritten estimates the bytes that wait for the next Cut.
	Unwritten() int
	// Cut takes out everything folded since the last Cut.
	Cut() Pending
	// Tend runs beside folding for as long as a subscription lasts, for work that no event asks for. It may
	// change what Fold changes only inside touch. It returns nil when it has nothing more to do.
	Tend(ctx context.Context, touch Touch) error
}

// RecordFolder is a Projection that has FoldRecord called instead of Fold: it has use for what is stored, of types that this version does not
// know as well. The record's data is valid until it returns. It returns when the event was recorded.
type RecordFolder interface {
	FoldRecord(ctx context.Context, r *aggregates.Record) (recorded aggregates.Instant, err error)
}

// FactFolder is a Projection whose Fold has no use for an event's metadata beside when it occurred and was recorded: the rest is not decoded. Of the fact
// it keeps texts and costs only: the structs and lists are used again, see codec.FactReader.
type FactFolder interface{ FoldsFacts() }

// Touch holds folding off while change runs, and has what it changed written like what an event changed. workerOf
// tells which worker folds a stream. It returns the error of change, or the cause of the subscription's end.
type Touch func(change func(workerOf func(stream string) int) error) error

// Pending is what was folded between two Cuts.
type Pending interface {
	// Empty tells that only the progress moved.
	Empty() bool
	// Write stores the documents and the progress in one step, or the documents first: the progress never says more than
	// what is stored.
	Write(ctx context.Context, p Progress) error
	// Publish makes readable what was written, through a position.
	Publish(through uint64)
}
