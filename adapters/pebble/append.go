package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// Append is commands.Store's. When ctx ends while the append waits for its turn, nothing is written and ctx's
// error is returned; when it ends later, the error is also commands.ErrUnknownOutcome. Events beyond MaxEventBytes,
// and appends beyond MaxAppendEvents or MaxAppendBytes, are refused.
func (s *Store) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	size, err := checkAppend(stream, next, events)
	if err != nil {
		return commands.Appended{}, err
	}
	if err := s.enterToWrite(); err != nil {
		return commands.Appended{}, err
	}
	defer s.gate.leave()
	position, err := s.submit(ctx, newAppend(stream, next, events, size))
	return commands.Appended{Position: position}, err
}

// checkAppend refuses what is out of bounds and returns the bytes of all frames.
func checkAppend(stream string, next uint64, events []aggregates.NewEvent) (size int, err error) {
	if err := checkName("name of the stream", stream, MaxStreamBytes); err != nil {
		return 0, err
	}
	if len(events) == 0 {
		return 0, errors.New("append of no events")
	}
	if len(events) > MaxAppendEvents {
		return 0, fmt.Errorf("append of %d events to stream %q: at most %d are possible", len(events), stream, MaxAppendEvents)
	}
	for i := range events {
		e := &events[i]
		if err := checkName("event type", e.Type, MaxTypeBytes); err != nil {
			return 0, fmt.Errorf("append to stream %q: %w", stream, err)
		}
		if len(e.Data) > MaxEventBytes {
			return 0, fmt.Errorf("append to stream %q: %s has %d bytes of data, at most %d are possible", stream, e.Type, len(e.Data), MaxEventBytes)
		}
		size += frameBytes(stream, next+uint64(i), e)
	}
	if size > MaxAppendBytes {
		return 0, fmt.Errorf("append of %d bytes to stream %q: at most %d are possible", size, stream, MaxAppendBytes)
	}
	return size, nil
}

// newAppend encodes the events, in the caller's goroutine.
func newAppend(stream string, next uint64, events []aggregates.NewEvent, size int) *request {
	r := newRequest()
	r.stream, r.next = stream, next
	room := make([]byte, 0, size+len(stream)+4)
	r.prefix = appendNamed(room, spaceStream, stream)
	r.frames = r.prefix[len(r.prefix):]
	r.records = make([]aggregates.Record, len(events))
	for i := range events {
		e := &events[i]
		revision := next + uint64(i)
		r.frames = appendFrame(r.frames, stream, revision, e)
		end := len(r.frames)
		r.records[i] = aggregates.Record{
			NewEvent: aggregates.NewEvent{ID: e.ID, Type: e.Type, Data: r.frames[end-len(e.Data) : end : end]},
			Stream:   stream,
			Revision: revision,
		}
	}
	return r
}
