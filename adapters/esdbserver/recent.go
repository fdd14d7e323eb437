package esdbserver

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
)

// place is where an event stands.
type place struct {
	stream   string
	revision uint64
	position uint64
}

// recent remembers where the newest maxRecent events stand: an append without an expected revision is known again by
// them, also after a restart.
type recent struct {
	places map[aggregates.EventID]place
	ring   []aggregates.EventID
	at     int
}

func newRecent() *recent {
	return &recent{places: make(map[aggregates.EventID]place), ring: make([]aggregates.EventID, 0, 1024)}
}

func (r *recent) add(id aggregates.EventID, p place) {
	if _, ok := r.places[id]; ok {
		r.places[id] = p
		return
	}
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, id)
	} else {
		delete(r.places, r.ring[r.at])
		r.ring[r.at] = id
		r.at = (r.at + 1) % maxRecent
	}
	r.places[id] = p
}

// load reads the newest events of a store.
func (r *recent) load(ctx context.Context, store Store) error {
	end, err := store.End(ctx)
	if err != nil {
		return err
	}
	return readForwards(ctx, store, end-min(end, maxRecent), end, nil, func(e aggregates.Record) error {
		r.add(e.ID, place{e.Stream, e.Revision, e.Position})
		return nil
	})
}

// find tells where all events of an append stand, in order, in one stream. Without any of them it is ok = false; with
// some, mixed is true.
func (r *recent) find(stream string, events []aggregates.NewEvent) (last place, ok, mixed bool) {
	for i := range events {
		p, known := r.places[events[i].ID]
		if !known || p.stream != stream {
			return place{}, false, i > 0
		}
		last = p
	}
	return last, len(events) > 0, false
}
