package eventstoredb

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

const contentJSON = "application/json"

// toEvent writes an event of ours for the server.
func toEvent(e *aggregates.NewEvent) esdb.EventData {
	out := esdb.EventData{EventID: uuid.UUID(e.ID), EventType: e.Type, ContentType: esdb.ContentTypeJson}
	var err error
	if out.Data, out.Metadata, err = codec.JSON(e.Type, e.Data); err != nil {
		out.ContentType, out.Data, out.Metadata = esdb.ContentTypeBinary, e.Data, nil
	}
	return out
}

// toRecord reads an event of the server. Of JSON that is not ours, or of a type that is not known, there is only the
// metadata: who decodes it learns that the type is not known.
func toRecord(e *esdb.RecordedEvent) aggregates.Record {
	r := aggregates.Record{
		NewEvent: aggregates.NewEvent{ID: aggregates.EventID(e.EventID), Type: e.EventType, Data: e.Data},
		Stream:   unescape(e.StreamID), Revision: e.EventNumber, Position: e.Position.Commit,
	}
	if e.ContentType == contentJSON {
		r.Data, _ = codec.FromJSON(e.EventType, e.Data, e.UserMetadata)
	}
	return r
}

// page is what one call reads.
type page struct {
	events []*esdb.RecordedEvent
	bytes  int
	full   bool // there may be more
}

// take reads a page. A stream that does not exist is empty.
func take(s *esdb.ReadStream, err error, limit int) (page, error) {
	var p page
	if err != nil {
		return p, err
	}
	defer s.Close()
	for len(p.events) < limit && p.bytes < pageBytes {
		e, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil && judge(err) == notThere {
			return page{}, nil
		}
		if err != nil {
			return p, err
		}
		if e.Event == nil {
			continue // a link to an event that is gone
		}
		p.events = append(p.events, e.Event)
		p.bytes += len(e.Event.Data) + len(e.Event.UserMetadata)
	}
	p.full = true
	return p, nil
}

// readPage reads a stream from a revision, in either direction.
func readPage(ctx context.Context, c *esdb.Client, stream string, direction esdb.Direction, from uint64, limit int) (page, error) {
	o := esdb.ReadStreamOptions{Direction: direction, From: esdb.Revision(from), RequiresLeader: true}
	if from > math.MaxInt64 {
		o.From = esdb.End{}
	}
	s, err := c.ReadStream(ctx, stream, o, uint64(limit))
	return take(s, err, limit)
}

// last reads the newest event of a stream; nil when there is none.
func last(ctx context.Context, c *esdb.Client, stream string) (*esdb.RecordedEvent, error) {
	p, err := readPage(ctx, c, stream, esdb.Backwards, math.MaxUint64, 1)
	if err != nil || len(p.events) == 0 {
		return nil, err
	}
	return p.events[0], nil
}

// write appends to a stream under its name on the server.
func write(ctx context.Context, c *esdb.Client, stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) (*esdb.WriteResult, error) {
	return c.AppendToStream(ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected, RequiresLeader: true}, events...)
}
