package eventstoredb

import (
	"context"
	"fmt"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/aggregates"
)

// ReadStream is commands.Store's. It reads pages, so that each may take its time and may use the store.
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error {
	for from <= math.MaxInt64 {
		p, err := s.page(ctx, stream, esdb.Forwards, from)
		if err != nil {
			return err
		}
		for _, e := range p.events {
			if !each(toRecord(e)) {
				return nil
			}
			from = e.EventNumber + 1
		}
		if !p.full {
			return nil
		}
	}
	return ctx.Err()
}

// ReadStreamBackwards calls each for the events of a stream from revision from down, in descending order, until
// there are no more or each returns false. With math.MaxUint64 it starts at the stream's end. Data is valid until
// each returns.
func (s *Store) ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error {
	for {
		p, err := s.page(ctx, stream, esdb.Backwards, from)
		if err != nil {
			return err
		}
		for _, e := range p.events {
			if !each(toRecord(e)) {
				return nil
			}
			if e.EventNumber == 0 {
				return nil
			}
			from = e.EventNumber - 1
		}
		if !p.full {
			return nil
		}
	}
}

func (s *Store) page(ctx context.Context, stream string, direction esdb.Direction, from uint64) (page, error) {
	return call(ctx, s, fmt.Sprintf("read stream %q", stream), func(ctx context.Context, c *esdb.Client) (page, error) {
		return readPage(ctx, c, escape(stream), direction, from, pageEvents)
	})
}

// End is projections.Store's: the position of the newest event of the whole server, whoever wrote it.
func (s *Store) End(ctx context.Context) (uint64, error) {
	return call(ctx, s, "read the end of $all", func(ctx context.Context, c *esdb.Client) (uint64, error) {
		p, err := newest(ctx, c, esdb.End{}, 1)
		if err != nil || len(p.events) == 0 {
			return 0, err
		}
		return p.events[0].Position.Commit, nil
	})
}

// newest reads the last events of $all before a position, the newest first.
func newest(ctx context.Context, c *esdb.Client, before esdb.AllPosition, count int) (page, error) {
	r, err := c.ReadAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: before, RequiresLeader: true}, uint64(count))
	return take(r, err, count)
}
