package eventstoredb

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// A cell is a stream of which only the newest event counts; $maxCount 1 lets the server drop the others.

// repairEvery is after how many writes a cell's metadata is written again, in case the first time failed.
const repairEvery = 1024

// cellMetadata is the same event every time, so that it is written once.
var cellMetadata = esdb.EventData{EventID: uuid.MustParse("6d0f9c0b-4b1e-5a35-9f67-53544f434b46"), EventType: "$metadata",
	ContentType: esdb.ContentTypeJson, Data: []byte(`{"$maxCount":1}`)}

// fill puts a value into a cell.
func (s *Store) fill(ctx context.Context, what, stream string, value esdb.EventData) error {
	value.EventID = uuid.New() // of this write, however often it is repeated
	_, err := call(ctx, s, what, func(ctx context.Context, c *esdb.Client) (struct{}, error) {
		got, err := write(ctx, c, stream, esdb.Any{}, value)
		if err == nil && got.NextExpectedVersion%repairEvery == 0 {
			_, err = write(ctx, c, "$$"+stream, esdb.Any{}, cellMetadata)
		}
		return struct{}{}, err
	})
	return err
}

// fillJSON puts a JSON document into a cell.
func (s *Store) fillJSON(ctx context.Context, what, stream, kind string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return s.fill(ctx, what, stream, esdb.EventData{EventType: kind, ContentType: esdb.ContentTypeJson, Data: data})
}

// look gives what is in a cell; nil when there is nothing.
func (s *Store) look(ctx context.Context, what, stream string) (*esdb.RecordedEvent, error) {
	return call(ctx, s, what, func(ctx context.Context, c *esdb.Client) (*esdb.RecordedEvent, error) {
		return last(ctx, c, stream)
	})
}

// lookJSON reads a JSON document from a cell; ok is false when there is none.
func (s *Store) lookJSON(ctx context.Context, what, stream string, value any) (ok bool, err error) {
	e, err := s.look(ctx, what, stream)
	if err != nil || e == nil {
		return false, err
	}
	if err := json.Unmarshal(e.Data, value); err != nil {
		return false, fmt.Errorf("%s: event %d of stream %s is damaged: %w", what, e.EventNumber, stream, err)
	}
	return true, nil
}
