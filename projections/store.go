package projections

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
)

// Store is what projections need of an event store.
//
// Subscribe reads everything after a position, first what is stored, then what is appended from then on, in
// order of position, durable events only. With prefixes only streams whose name starts with one of them.
// End is the position of the last durable event, 0 when there is none.
type Store interface {
	Subscribe(ctx context.Context, after uint64, prefixes ...string) (Subscription, error)
	End(ctx context.Context) (uint64, error)
}

// Subscription hands out events in batches. Next blocks until there is something to hand out or ctx ends; a
// batch may have no records and only move Through on. The batch and what it points to are valid until the next
// call of Next but one, so that one can be folded while the next one is read; names of streams may be kept for as
// long as one likes, but hold those of their whole batch in memory. One goroutine at a time may use it.
type Subscription interface {
	Next(ctx context.Context) (Batch, error)
	Close() error
}

// Hastener is a Subscription that finds out only now and then that there is nothing for it up to the store's end. Hasten has it look at once, as somebody
// waits; it does not block, and may be called again and again until it has led to something.
type Hastener interface{ Hasten() }

// Batch is a run of events. Through is the position up to which, with this batch, everything was handed out.
type Batch struct {
	Records []aggregates.Record
	Through uint64
}
