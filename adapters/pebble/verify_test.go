package pebble

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
)

// verify reads the database past the store's own reading and checks what must hold after any crash: positions 1, 2,
// 3, … without gaps, revisions of each stream likewise, no id twice in a stream, and an index that says exactly what the
// events say. It returns the events by stream.
func verify(t testing.TB, s *Store) map[string][]aggregates.Record {
	t.Helper()
	streams, err := verified(s)
	if err != nil {
		t.Fatal(err)
	}
	return streams
}

func verified(s *Store) (map[string][]aggregates.Record, error) {
	streams := map[string][]aggregates.Record{}
	ids := map[string]map[aggregates.EventID]bool{}
	end := uint64(0)
	err := each(s, spaceEvent, func(key, value []byte) error {
		if end++; eventPosition(key) != end {
			return fmt.Errorf("position %d comes where %d is due", eventPosition(key), end)
		}
		var f frame
		if err := f.parse(end, value); err != nil {
			return err
		}
		stream := string(f.stream)
		if f.revision != uint64(len(streams[stream])) {
			return fmt.Errorf("position %d holds revision %d of %q, %d is due", end, f.revision, stream, len(streams[stream]))
		}
		if ids[stream] == nil {
			ids[stream] = map[aggregates.EventID]bool{}
		}
		if ids[stream][f.id] {
			return fmt.Errorf("%q has event %s twice", stream, f.id)
		}
		ids[stream][f.id] = true
		streams[stream] = append(streams[stream], aggregates.Record{
			NewEvent: aggregates.NewEvent{ID: f.id, Type: string(f.kind), Data: slices.Clone(f.data)}, Stream: stream, Revision: f.revision, Position: end,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if got, err := s.End(context.Background()); err != nil || got != end {
		return nil, fmt.Errorf("the store says it ends at %d (%v), its last event is at %d", got, err, end)
	}
	return streams, verifyIndex(s, streams)
}

func verifyIndex(s *Store, streams map[string][]aggregates.Record) error {
	indexed := map[string]int{}
	err := each(s, spaceStream, func(key, value []byte) error {
		name, _, ok := cutPart(key[1:])
		if !ok {
			return fmt.Errorf("index key %q", key)
		}
		x, err := parseRun(key, value)
		if err != nil {
			return err
		}
		stream := string(name)
		if x.revision != uint64(indexed[stream]) || x.next() > uint64(len(streams[stream])) {
			return fmt.Errorf("run %+v of %q, which has %d events, %d of them indexed before", x, stream, len(streams[stream]), indexed[stream])
		}
		for i := range x.count {
			if at := streams[stream][x.revision+i].Position; at != x.position+i {
				return fmt.Errorf("run %+v of %q: revision %d is at position %d", x, stream, x.revision+i, at)
			}
		}
		indexed[stream] += int(x.count)
		return nil
	})
	if err != nil {
		return err
	}
	for stream, list := range streams {
		if indexed[stream] != len(list) {
			return fmt.Errorf("%q has %d events, %d of them are in the index", stream, len(list), indexed[stream])
		}
	}
	return nil
}

func each(s *Store, space byte, visit func(key, value []byte) error) error {
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{space}, UpperBound: keyUpper(space)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if err := visit(it.Key(), it.Value()); err != nil {
			return firstError(err, it.Close())
		}
	}
	return firstError(it.Error(), it.Close())
}

// fact is the n-th event of a stream in these tests.
func fact(stream string, n, size int) aggregates.NewEvent {
	data := fmt.Appendf(nil, "fact %d of %s ", n, stream)
	if len(data) < size {
		data = bytes.Repeat(data, size/len(data)+1)[:size]
	}
	return aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: "StockSold", Data: data}
}

func facts(stream string, n, count, size int) []aggregates.NewEvent {
	list := make([]aggregates.NewEvent, count)
	for i := range list {
		list[i] = fact(stream, n+i, size)
	}
	return list
}
