package pebble

import (
	"context"
	"errors"
	"math"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
)

// ReadStream is commands.Store's. It shows what is durable when it is called.
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) (err error) {
	if err := s.enterToRead(ctx); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	if h, ok := s.heads.get(stream); ok && h.next <= from {
		return nil
	}
	if from == 0 {
		if none, err := s.learnEnd(stream, 0); none || err != nil {
			return err
		}
	}
	generation := s.heads.now()
	next, whole, err := s.readStream(ctx, stream, from, s.tail.end.Load(), each)
	if whole && err == nil {
		s.heads.learn(generation, stream, next)
	}
	return err
}

// learnEnd tells whether a stream ends at a revision, which none of its runs has in its midst: whether none begins there, durable or
// not. The filters of the tables answer that, as a rule, where looking for a last run reads a block of each level.
func (s *Store) learnEnd(stream string, revision uint64) (ends bool, err error) {
	generation := s.heads.now()
	runs, err := s.db.NewIter(&pebbledb.IterOptions{UseL6Filters: true})
	if err != nil {
		return false, err
	}
	key := appendNamed(make([]byte, 0, len(stream)+24), spaceStream, stream)
	found := runs.SeekPrefixGE(appendRunKey(key, nil, revision))
	if err := firstError(runs.Error(), runs.Close()); found || err != nil {
		return false, err
	}
	s.heads.learn(generation, stream, revision)
	return true, nil
}

// ReadStreamBackwards calls each for the events of a stream from revision from down, in descending order, until
// there are no more or each returns false. With math.MaxUint64 it starts at the stream's end. Data is valid until
// each returns.
func (s *Store) ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) (err error) {
	if err := s.enterToRead(ctx); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	r, err := s.newStreamReader(ctx, stream, s.tail.end.Load(), each)
	if err != nil {
		return err
	}
	return r.close(r.backwards(from))
}

// readStream reads a stream up to the position visible. whole tells that it came to the stream's end, and that nothing is on its way to it;
// next is how many events the stream has then.
func (s *Store) readStream(ctx context.Context, stream string, from, visible uint64, each func(aggregates.Record) bool) (next uint64, whole bool, err error) {
	r, err := s.newStreamReader(ctx, stream, visible, each)
	if err != nil {
		return 0, false, err
	}
	err = r.close(r.forwards(from))
	return r.next, !r.stopped && !r.hidden, err
}

// lastRun returns a stream's last run, durable or not; a run of no events when the stream has none.
func (s *Store) lastRun(stream string) (last run, err error) {
	lower, upper := streamBounds(stream)
	runs, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return run{}, err
	}
	if runs.Last() {
		last, err = parseRun(runs.Key(), runs.Value())
	}
	return last, firstError(err, runs.Error(), runs.Close())
}

// streamReader goes through a stream's runs and, within each, through its events.
type streamReader struct {
	ctx     context.Context
	store   *Store
	stream  string
	visible uint64
	each    func(aggregates.Record) bool
	lower   []byte
	runs    *pebbledb.Iterator
	events  *pebbledb.Iterator // nil until there is an event to read
	key     []byte
	read    int
	gets    int
	next    uint64 // events up to the last run seen
	stopped bool
	hidden  bool // a run is not visible yet
	looking bool // up events one by one, while nothing is rewritten
}

func (s *Store) newStreamReader(ctx context.Context, stream string, visible uint64, each func(aggregates.Record) bool) (*streamReader, error) {
	r := &streamReader{ctx: ctx, store: s, stream: stream, visible: visible, each: each}
	lower, upper := streamBounds(stream)
	r.lower = lower
	var err error
	r.runs, err = s.db.NewIter(&pebbledb.IterOptions{LowerBound: lower, UpperBound: upper})
	return r, err
}

// needEvents makes the iterator of events, unless there is one: most reads find a stream that has nothing new.
func (r *streamReader) needEvents() (err error) {
	if r.events == nil {
		r.events, err = r.store.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{spaceEvent}, UpperBound: keyUpper(spaceEvent)})
		r.endLooking()
	}
	return err
}

// mayLook tells whether events may be looked up one by one: an iterator shows what there was at one moment, and this does while nothing is rewritten.
func (r *streamReader) mayLook() bool {
	r.looking = r.looking || r.store.looks.begin()
	return r.looking
}

func (r *streamReader) endLooking() {
	if r.looking {
		r.looking = false
		r.store.looks.end()
	}
}

func (r *streamReader) close(err error) error {
	r.endLooking()
	err = firstError(err, r.runs.Close())
	if r.events != nil {
		err = firstError(err, r.events.Close())
	}
	return err
}

// seek moves to the run that holds a revision, or to the last one before it.
func (r *streamReader) seek(revision uint64) bool {
	if revision == math.MaxUint64 {
		return r.runs.Last()
	}
	r.key = appendRunKey(r.key[:0], r.lower, revision+1)
	return r.runs.SeekLT(r.key)
}

func (r *streamReader) forwards(from uint64) error {
	for ok := from > 0 && r.seek(from) || r.runs.First(); ok && !r.stopped; ok = r.runs.Next() {
		x, err := parseRun(r.runs.Key(), r.runs.Value())
		if err != nil {
			return err
		}
		if x.lastPosition() > r.visible {
			r.hidden = true
			break
		}
		if r.next = x.next(); from >= x.next() {
			continue
		}
		first := x.position + max(from, x.revision) - x.revision
		if err := r.run(x, first, x.lastPosition()); err != nil {
			return err
		}
	}
	return r.runs.Error()
}

// maxGets is how many events of a stream are looked up one by one: for so few an iterator costs more than it saves.
const maxGets = 8

// get hands out the events of a short run, one by one.
func (r *streamReader) get(x run, first, last uint64) error {
	for position := first; position <= last && !r.stopped; position++ {
		r.gets++
		r.key = appendEventKey(r.key[:0], position)
		value, closer, err := r.store.db.Get(r.key)
		if errors.Is(err, pebbledb.ErrNotFound) {
			return missing(position)
		}
		if err != nil {
			return err
		}
		if err := firstError(r.handValue(x, position, value), closer.Close()); err != nil {
			return err
		}
	}
	return nil
}

// run hands out the events of a run from one position to another.
func (r *streamReader) run(x run, first, last uint64) error {
	if r.events == nil && r.gets+int(min(last-first, maxGets)) < maxGets && r.mayLook() {
		return r.get(x, first, last)
	}
	if err := r.needEvents(); err != nil {
		return err
	}
	r.key = appendEventKey(r.key[:0], first)
	position := first
	for ok := r.events.SeekGE(r.key); ok && position <= last; ok = r.events.Next() {
		if err := r.hand(x, position); err != nil || r.stopped {
			return err
		}
		position++
	}
	if err := r.events.Error(); err != nil {
		return err
	}
	if position <= last {
		return missing(position)
	}
	return nil
}

func (r *streamReader) backwards(from uint64) error {
	for ok := r.seek(from); ok && !r.stopped; ok = r.runs.Prev() {
		x, err := parseRun(r.runs.Key(), r.runs.Value())
		if err != nil {
			return err
		}
		if x.lastPosition() > r.visible {
			continue
		}
		last := x.position + min(from, x.next()-1) - x.revision
		if err := r.runBackwards(x, last); err != nil {
			return err
		}
	}
	return r.runs.Error()
}

func (r *streamReader) runBackwards(x run, last uint64) error {
	if err := r.needEvents(); err != nil {
		return err
	}
	r.key = appendEventKey(r.key[:0], last+1)
	position := last
	for ok := r.events.SeekLT(r.key); ok && position >= x.position; ok = r.events.Prev() {
		if err := r.hand(x, position); err != nil || r.stopped {
			return err
		}
		position--
	}
	if err := r.events.Error(); err != nil {
		return err
	}
	if position >= x.position {
		return missing(position)
	}
	return nil
}

// hand gives the event under the iterator, which must be the one at position, to the caller.
func (r *streamReader) hand(x run, position uint64) error {
	if eventPosition(r.events.Key()) != position {
		return missing(position)
	}
	value, err := r.events.ValueAndErr()
	if err != nil {
		return err
	}
	return r.handValue(x, position, value)
}

func (r *streamReader) handValue(x run, position uint64, value []byte) error {
	if r.read++; r.read%checkEvery == 0 && r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	var f frame
	if err := f.parse(position, value); err != nil {
		return err
	}
	if string(f.stream) != r.stream || f.revision != x.revision+position-x.position {
		return misplaced(position, r.stream, f)
	}
	r.stopped = !r.each(aggregates.Record{
		NewEvent: aggregates.NewEvent{ID: f.id, Type: r.store.kinds.get(f.kind), Data: f.data},
		Stream:   r.stream, Revision: f.revision, Position: position,
	})
	return nil
}
