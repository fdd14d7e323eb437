package eventstoredb

import (
	"context"
	"errors"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// Append is commands.Store's. It is repeated, with the same ids, until it is known what became of it, or ctx ends: then the
// error is also commands.ErrUnknownOutcome when the server may have heard of it.
func (s *Store) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	what := fmt.Sprintf("append to stream %q", stream)
	if err := checkName("name of the stream", stream); err != nil {
		return commands.Appended{}, err
	}
	if len(events) == 0 {
		return commands.Appended{}, errors.New("append of no events")
	}
	var expected esdb.ExpectedRevision = esdb.NoStream{}
	if next > 0 {
		expected = esdb.Revision(next - 1)
	}
	list := make([]esdb.EventData, len(events))
	for i := range events {
		list[i] = toEvent(&events[i])
	}
	ctx, cancel := s.limited(ctx)
	defer cancel()
	var tried attempts
	position, err := repeat(ctx, s.supervisor, &tried, func(ctx context.Context, c *esdb.Client) (uint64, error) {
		return place(ctx, c, escape(stream), expected, next+uint64(len(events))-1, list)
	})
	if err == nil {
		return commands.Appended{Position: position}, nil
	}
	return commands.Appended{}, s.appendError(ctx, what, stream, next, &tried, err)
}

// place appends and gives the position of the last event. A server that knew the append again may not say it.
func place(ctx context.Context, c *esdb.Client, stream string, expected esdb.ExpectedRevision, last uint64, events []esdb.EventData) (uint64, error) {
	got, err := write(ctx, c, stream, expected, events...)
	if err != nil {
		return 0, err
	}
	if got.CommitPosition > 0 {
		return got.CommitPosition, nil
	}
	p, err := readPage(ctx, c, stream, esdb.Forwards, last, 1)
	if err != nil {
		return 0, err
	}
	if len(p.events) == 0 || p.events[0].EventNumber != last {
		return 0, fmt.Errorf("event %d of stream %q was written, and is not there", last, stream)
	}
	return p.events[0].Position.Commit, nil
}

func (s *Store) appendError(ctx context.Context, what, stream string, next uint64, tried *attempts, err error) error {
	ended := ctx.Err() != nil || errors.Is(err, errClosed)
	switch {
	case ended && tried.sent:
		return fmt.Errorf("%s: %w: %w", what, commands.ErrUnknownOutcome, err)
	case ended:
		return translate(what, err)
	}
	switch judge(err) {
	case conflict:
		actual, ok := actualNext(err)
		if !ok {
			if actual, err = s.length(ctx, stream); err != nil {
				return err
			}
		}
		return &commands.ConflictError{Stream: stream, Expected: next, Actual: actual}
	case rejected:
		return fmt.Errorf("%s: the server refused it %d times before it was complete: %w; it may be larger than the server allows (MaxAppendSize)", what, tried.rejected, err)
	}
	return translate(what, err)
}

// length is the number of events of a stream.
func (s *Store) length(ctx context.Context, stream string) (uint64, error) {
	e, err := call(ctx, s, fmt.Sprintf("read stream %q", stream), func(ctx context.Context, c *esdb.Client) (*esdb.RecordedEvent, error) {
		return last(ctx, c, escape(stream))
	})
	if err != nil || e == nil {
		return 0, err
	}
	return e.EventNumber + 1, nil
}
