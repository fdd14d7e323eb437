package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
)

// ReservationBytes is what Redis takes at most for a reservation, by MEMORY USAGE, with its places in the indexes, beside its
// id, SKU, channel and locations, which count ReservationIDTimes together.
const (
	ReservationBytes   = 768
	ReservationIDTimes = 6
)

// Spaces of keys.
const (
	spaceReservation = "reservation"
	spacePlaced      = "placed"
	spaceLive        = "live"
	spaceDue         = "due"
	spaceEnded       = "ended"
)

// Reservations keeps the records of reservations, by id and SKU. What else there is are indexes: an entry says where to
// look, and counts only if the record says the same.
type Reservations struct {
	db    *DB
	guard *guard
}

// Reservations returns the read model of reservations.
func (d *DB) Reservations() *Reservations {
	return &Reservations{db: d, guard: d.guardOf(reservations.Name, d.tags)}
}

// Progress tells how far the records have come. After ErrLost it begins anew.
func (m *Reservations) Progress(ctx context.Context) (projections.Progress, error) {
	return m.guard.progress(ctx)
}

// Watch returns ErrLost when Redis loses something, nil at ctx's end, and why it cannot tell.
func (m *Reservations) Watch(ctx context.Context) error { return m.guard.watch(ctx) }

func (m *Reservations) key(id string) string { return m.db.key(spaceReservation, tagged(id)) }

// One returns a record, nil when there is none.
func (m *Reservations) One(ctx context.Context, id, sku string) (*reservations.Record, error) {
	var stored *goredis.StringCmd
	calls := []call{func(pipe goredis.Pipeliner) { stored = pipe.HGet(ctx, m.key(id), sku) }}
	if err := m.guard.read(ctx, calls, m.key(id)); err != nil {
		return nil, err
	}
	return readRecord(stored)
}

func readRecord(stored *goredis.StringCmd) (*reservations.Record, error) {
	value, err := stored.Result()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &reservations.Record{}
	return r, readVersioned(value, r)
}

// ByID returns the records of an id, in bytewise order of SKU.
func (m *Reservations) ByID(ctx context.Context, id string) (list []*reservations.Record, err error) {
	var stored *goredis.MapStringStringCmd
	calls := []call{func(pipe goredis.Pipeliner) { stored = pipe.HGetAll(ctx, m.key(id)) }}
	if err := m.guard.read(ctx, calls, m.key(id)); err != nil {
		return nil, err
	}
	for _, value := range stored.Val() {
		r := &reservations.Record{}
		if err := readVersioned(value, r); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *reservations.Record) int { return strings.Compare(a.SKU, b.SKU) })
	return list, nil
}

// List returns a SKU's records that were placed after a position, in that order.
func (m *Reservations) List(ctx context.Context, sku string, liveOnly bool, placedAfter uint64, limit int) ([]*reservations.Record, error) {
	space := spacePlaced
	if liveOnly {
		space = spaceLive
	}
	from := "[" + string(bigEndian(placedAfter+1))
	return m.look(ctx, from, limit, func(ctx context.Context, from string, n int) (names []indexed, err error) {
		key := m.db.key(space, tagged(sku))
		var found *goredis.StringSliceCmd
		calls := []call{func(pipe goredis.Pipeliner) {
			found = pipe.ZRangeArgs(ctx, goredis.ZRangeArgs{Key: key, Start: from, Stop: "+", ByLex: true, Count: int64(n)})
		}}
		if err := m.guard.read(ctx, calls, key); err != nil {
			return nil, err
		}
		for _, member := range found.Val() {
			names = append(names, indexed{space: space, of: sku, member: member, id: member[min(8, len(member)):], sku: sku})
		}
		return names, nil
	})
}

// Due returns held records whose hold ends at an instant or later, the earliest first, after one returned earlier.
func (m *Reservations) Due(ctx context.Context, from aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	first := "[" + string(bigEndian(uint64(from)))
	if last != nil {
		first = "(" + timeMember(last.ExpiresAt, last)
	}
	return m.lookByTime(ctx, spaceDue, first, "+", limit)
}

// Ended returns records that ended before an instant, the earliest first, after one returned earlier.
func (m *Reservations) Ended(ctx context.Context, before aggregates.Instant, last *reservations.Record, limit int) ([]*reservations.Record, error) {
	from := "-"
	if last != nil {
		if last.EndedAt >= before {
			return nil, nil
		}
		from = "(" + timeMember(last.EndedAt, last)
	}
	return m.lookByTime(ctx, spaceEnded, from, "("+string(bigEndian(uint64(before))), limit)
}

func (m *Reservations) lookByTime(ctx context.Context, space, from, to string, limit int) ([]*reservations.Record, error) {
	index := lexIndex{db: m.db, space: space}
	return m.look(ctx, from, limit, func(ctx context.Context, from string, n int) (names []indexed, err error) {
		s, err := m.guard.standing(ctx)
		if err != nil {
			return nil, err
		}
		members, err := index.after(ctx, m.guard, s, from, to, n)
		for _, member := range members {
			if id, sku, ok := cutTimeMember(member); ok {
				names = append(names, indexed{space: space, of: id, member: member, id: id, sku: sku})
			}
		}
		return names, err
	})
}

// look reads the records that an index names, as far as they are still in it.
func (m *Reservations) look(ctx context.Context, from string, limit int,
	names func(ctx context.Context, from string, n int) ([]indexed, error)) (list []*reservations.Record, err error) {
	for len(list) < limit {
		found, err := names(ctx, from, limit-len(list))
		if err != nil || len(found) == 0 {
			return list, err
		}
		stored := make([]*goredis.StringCmd, len(found))
		calls := make([]call, len(found))
		for i, x := range found {
			calls[i] = func(pipe goredis.Pipeliner) { stored[i] = pipe.HGet(ctx, m.key(x.id), x.sku) }
		}
		if err := m.guard.read(ctx, calls); err != nil {
			return nil, err
		}
		for i, x := range found {
			r, err := readRecord(stored[i])
			if err != nil {
				return nil, err
			}
			if r != nil && slices.Contains(entriesOf(r), x) {
				list = append(list, r)
			}
		}
		from = "(" + found[len(found)-1].member
	}
	return list, nil
}

// Write applies changes, and the progress after them. Places in indexes are added before the records and removed after
// them: a place without its record is passed over.
func (m *Reservations) Write(ctx context.Context, changes []reservations.Change, p projections.Progress) error {
	return m.guard.writeOwn(ctx, p, func(ctx context.Context) error {
		for chunk := range slices.Chunk(changes, maxPipeline) {
			if err := m.writeChunk(ctx, chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *Reservations) writeChunk(ctx context.Context, changes []reservations.Change) error {
	var added []indexed
	evals := make([]*eval, 0, len(changes))
	written := make([]reservations.Change, 0, len(changes))
	for _, c := range changes {
		added = append(added, entriesOf(c.After)...)
		e, err := m.writing(c)
		if err != nil {
			return err
		}
		if e != nil {
			evals, written = append(evals, e), append(written, c)
		}
	}
	if err := m.index(ctx, added, true); err != nil {
		return err
	}
	if err := m.db.runScripts(ctx, evals); err != nil {
		return err
	}
	var gone []indexed
	for i, c := range written {
		now, err := outcome(c, evals[i].answer)
		if err != nil {
			return err
		}
		stays := entriesOf(now)
		for _, x := range append(entriesOf(c.Before), entriesOf(c.After)...) {
			if !slices.Contains(stays, x) {
				gone = append(gone, x)
			}
		}
	}
	return m.index(ctx, gone, false)
}

// writing is the script that makes a change, nil when there is nothing to do.
func (m *Reservations) writing(c reservations.Change) (*eval, error) {
	if c.After != nil {
		return writing(m.key(c.After.ID), c.After.SKU, c.After.Position, c.After)
	}
	if c.Before == nil {
		return nil, nil
	}
	return &eval{script: writeField, keys: []string{m.key(c.Before.ID)}, args: []any{c.Before.SKU, decimal(c.Before.Position)}}, nil
}

// outcome is the record that is stored after a change: its own, or a newer one that was there.
func outcome(c reservations.Change, answer *goredis.Cmd) (*reservations.Record, error) {
	newer, err := answer.Text()
	if errors.Is(err, goredis.Nil) {
		return c.After, nil
	}
	if err != nil {
		return nil, err
	}
	r := &reservations.Record{}
	if err := readVersioned(newer, r); err != nil {
		return nil, fmt.Errorf("what is stored instead of a change: %w", err)
	}
	return r, nil
}

// Reset removes everything.
func (m *Reservations) Reset(ctx context.Context) error {
	return m.guard.reset(ctx, spaceReservation, spacePlaced, spaceLive, spaceDue, spaceEnded)
}

var _ reservations.ReadModel = (*Reservations)(nil)
