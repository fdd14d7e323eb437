package availability

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// Streams reads streams of events; every event store does. ReadStream calls each for the events of a stream from a revision on, in order,
// until there are no more or each returns false; Data is valid until it returns.
type Streams interface {
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// ErrCut says that a stream does not begin with its first event any more, so that nothing can be folded from it.
var ErrCut = errors.New("the stream does not begin with its first event")

// EventRef names an event of a SKU.
type EventRef struct {
	Revision   uint64
	Position   uint64
	Type       string
	ID         aggregates.EventID
	RecordedAt aggregates.Instant
}

func (e EventRef) String() string {
	return fmt.Sprintf("%s #%d at position %d, recorded %s", e.Type, e.Revision, e.Position, e.RecordedAt.Time().Format("2006-01-02T15:04:05.000Z07:00"))
}

// fresh is a document that is folded from its stream alone, without a value for any channel.
type fresh struct {
	Document
	next uint64   // revision
	last EventRef // the last event that it includes
}

// follow folds the next events, and calls each after every one of them. It ends before the first event that upto refuses.
func (f *fresh) follow(ctx context.Context, streams Streams, upto func(*aggregates.Record, aggregates.Metadata) bool, each func() error) error {
	var failed error
	err := streams.ReadStream(ctx, aggregates.SKUPrefix+f.SKU, f.next, func(r aggregates.Record) bool {
		if r.Revision != f.next {
			failed = fmt.Errorf("%w: SKU %q, event %d comes where %d should", ErrCut, f.SKU, r.Revision, f.next)
			return false
		}
		fact, m, err := codec.Decode(r)
		if err != nil {
			failed = fmt.Errorf("event %d of SKU %q: %w", r.Revision, f.SKU, err)
			return false
		}
		if !upto(&r, m) {
			return false
		}
		f.Balances.Evolve(fact)
		f.Position, f.RecordedAt, f.next = r.Position, max(f.RecordedAt, m.RecordedAt), r.Revision+1
		f.last = EventRef{Revision: r.Revision, Position: r.Position, Type: strings.Clone(r.Type), ID: r.ID, RecordedAt: m.RecordedAt}
		if each != nil {
			failed = each()
		}
		return failed == nil && ctx.Err() == nil
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return fmt.Errorf("read the stream of SKU %q: %w", f.SKU, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}
