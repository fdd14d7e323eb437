package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/audit"
)

// TamperedError says that an event is not the one that was recorded: what cannot be proved is not condensed.
type TamperedError struct {
	Stream   string
	Revision uint64
}

func (e *TamperedError) Error() string {
	return fmt.Sprintf("event %d of stream %q does not follow from the one before it, and nothing is condensed that cannot be proved; stockfold verify tells more", e.Revision, e.Stream)
}

// maxNames bounds the documents, reservations and orders of a stream that is condensed, and events that speak of none.
const maxNames = 1 << 21

// maxRound is how many bytes of a stream are rewritten at once. Events that speak of the same and are more stay as they are.
const maxRound = 8 << 20

// stream condenses one stream. It reads it several times, up to where it ended the first time.
func (r *run) stream(ctx context.Context, name string) error {
	r.SKUs++
	x := &walk{run: r, name: name, names: newNames()}
	if err := x.survey(ctx); err != nil {
		return err
	}
	r.Summary.Before += x.condensed
	if !x.old || len(x.names.parent) > maxNames {
		x.leave(x.old)
		return nil
	}
	if err := x.find(ctx); err != nil {
		return err
	}
	same, err := x.compare(ctx)
	if err != nil {
		return err
	}
	if !same {
		x.leave(true)
		return nil
	}
	r.Condensed, r.Kept = r.Condensed+x.done, r.Kept+x.kept
	r.BytesBefore, r.BytesAfter = r.BytesBefore+x.bytesBefore, r.BytesAfter+x.bytesAfter
	if x.done > 0 && !r.Check {
		if err := x.rewrite(ctx); err != nil {
			return err
		}
	}
	r.count(name, x.condensed+x.done, x.digest)
	return nil
}

// count counts the condensed events of a stream.
func (r *run) count(stream string, events int64, digest domain.Hash) {
	if r.condensed += events; events > 0 {
		r.digests[stream] = digest
	}
}

// walk is one stream on its way.
type walk struct {
	*run
	name  string
	names names

	events    []event     // all of them, when they are few
	state     stock.State // of all events
	length    uint64      // events looked at
	old       bool        // there are events to be condensed
	condensed int64       // events that were condensed before
	before    domain.Hash // digest of those
	sealed    uint64      // one more than the revision of the last event that carries a seal; those before may lose theirs

	done, kept, bytesBefore, bytesAfter int64
	digest                              domain.Hash // of those and what is condensed now
}

// leave leaves a stream as it is.
func (x *walk) leave(skipped bool) {
	x.count(x.name, x.condensed, x.before)
	if !skipped {
		return
	}
	if x.Skipped++; len(x.SkippedSKUs) < MaxSkipped {
		x.SkippedSKUs = append(x.SkippedSKUs, x.name[len(aggregates.SKUPrefix):])
	}
}

// event is an event of the stream under way.
type event struct {
	aggregates.Record
	fact aggregates.Event
	meta aggregates.Metadata
}

// maxEvents is how many events of a stream are kept in memory, instead of being read for each step.
const maxEvents = 4096

// Fewer in tests.
var (
	keptEvents uint64 = maxEvents
	roundBytes        = maxRound
)

// keep keeps an event, unless there are too many.
func (x *walk) keep(e *event) {
	if x.length > keptEvents {
		x.events = nil
		return
	}
	kept := *e
	kept.Data = bytes.Clone(e.Data)
	x.events = append(x.events, kept)
}

// each calls f with the events of the stream up to a length, which it may change.
func (x *walk) each(ctx context.Context, length uint64, f func(*event) error) error {
	if uint64(len(x.events)) == length {
		for i := range x.events {
			e := x.events[i]
			if err := f(&e); err != nil {
				return err
			}
		}
		return nil
	}
	var bad error
	err := x.Store.ReadStream(ctx, x.name, 0, func(r aggregates.Record) bool {
		if r.Revision >= length {
			return false
		}
		e := event{Record: r}
		if e.fact, e.meta, bad = codec.Decode(r); bad == nil {
			bad = f(&e)
		}
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	return err
}

// survey folds the stream, proves it by its seals, and finds out which events speak of the same.
func (x *walk) survey(ctx context.Context) error {
	var seal codec.Seal
	unknown := false
	err := x.each(ctx, math.MaxUint64, func(e *event) error {
		if e.Revision == 0 && e.meta.RecordedAt >= x.Request.Before {
			return errRecent
		}
		x.length = e.Revision + 1
		x.keep(e)
		x.state.Evolve(e.fact, e.meta)
		if _, _, condensed := codec.CutCondensed(e.Data); condensed {
			x.condensed, unknown, x.names.command = x.condensed+1, true, ""
			x.before = audit.NextDigest(x.before, &e.Record)
			return nil
		}
		got, _, sealed := codec.CutSeal(e.Data)
		next := codec.NextSeal(seal, e.Stream, e.Revision, &e.NewEvent)
		if sealed && !unknown && got != next {
			return &TamperedError{Stream: e.Stream, Revision: e.Revision}
		}
		if seal = next; sealed {
			seal, unknown, x.sealed = got, false, x.length
		}
		recent := e.meta.RecordedAt >= x.Request.Before
		x.old = x.old || !recent
		recent = recent || e.meta.RecordedAt > x.Now()-reservations.Keep && stock.OfReservation(e.fact) // the index knows it by name
		return x.names.link(e, recent || !codec.Canonical(e.Data))                                      // of a version that knows more, what it knows might be names
	})
	if errors.Is(err, errRecent) {
		return nil
	}
	return err
}

// errRecent says that a stream has nothing old.
var errRecent = errors.New("begun lately")

// find marks what the state still needs, with all that speaks of the same.
func (x *walk) find(ctx context.Context) error {
	return x.each(ctx, x.length, func(e *event) error {
		if _, _, condensed := codec.CutCondensed(e.Data); condensed || e.meta.RecordedAt >= x.Request.Before || !x.needed(e) {
			return nil
		}
		set, err := x.names.set(e)
		if err == nil {
			x.names.need[set] = true
		}
		return err
	})
}

// needed tells whether an event by itself is to stay as it is.
func (x *walk) needed(e *event) bool {
	return e.Revision+1 >= x.sealed || x.state.Needs(e.fact, &e.meta)
}

// condense makes the condensed form of events, in their order; data is nil for one that stays as it is. It is the same each time.
type condense struct {
	*walk
	aliases map[string]string
	set     int32  // of the last event
	last    uint64 // the event that gave names last
	count   int    // how many
	key     string // of the last command
	command string // its other name
}

func (x *walk) condense() *condense { return &condense{walk: x, aliases: map[string]string{}} }

func (c *condense) next(e *event) (data []byte, err error) {
	if e.meta.IdempotencyKey != c.key || c.command == "" {
		c.key, c.command = e.meta.IdempotencyKey, alias(e.Revision, 0)
	}
	if _, _, condensed := codec.CutCondensed(e.Data); condensed || e.meta.RecordedAt >= c.Request.Before {
		return nil, nil
	}
	if c.set, err = c.names.set(e); err != nil || c.names.need[c.set] {
		return nil, err
	}
	return codec.Condense(nil, &e.Record, c.command, func(id string) string { return c.rename(id, e.Revision) })
}

// rename gives a name another one: that of the event that spoke of it first.
func (c *condense) rename(id string, revision uint64) string {
	if name, ok := c.aliases[id]; ok {
		return name
	}
	if revision != c.last {
		c.last, c.count = revision, 0
	}
	name := alias(revision, c.count)
	c.count++
	c.aliases[id] = name
	return name
}

func alias(revision uint64, n int) string {
	name := "~" + strconv.FormatUint(revision, 10)
	if n > 0 {
		name += "." + strconv.Itoa(n)
	}
	return name
}

// compare folds the stream as it would be, and tells whether it comes to the same.
func (x *walk) compare(ctx context.Context) (same bool, err error) {
	var state stock.State
	x.done, x.kept, x.bytesBefore, x.bytesAfter, x.digest = 0, 0, 0, 0, domain.Hash{}
	x.names.measure()
	c := x.condense()
	same = true
	err = x.each(ctx, x.length, func(e *event) error {
		data, err := c.next(e)
		if err != nil {
			return err
		}
		was, meta := e.fact, e.meta
		if data != nil {
			x.done++
			x.names.size[c.set] += len(data)
			x.bytesBefore, x.bytesAfter = x.bytesBefore+int64(len(e.Data)), x.bytesAfter+int64(len(data))
			e.Data = data
			if e.fact, e.meta, err = codec.Decode(e.Record); err != nil {
				return err
			}
			same = same && stock.SamePast(was, e.fact, &meta, &e.meta)
		}
		state.Evolve(e.fact, e.meta)
		if _, _, condensed := codec.CutCondensed(e.Data); condensed {
			x.digest = audit.NextDigest(x.digest, &e.Record)
		} else if e.meta.RecordedAt < x.Request.Before {
			x.kept++
		}
		return nil
	})
	if err == nil && x.names.refuse(roundBytes) {
		return x.compare(ctx)
	}
	if err != nil || !same {
		return false, err
	}
	before, err := x.state.MarshalBinary()
	if err != nil {
		return false, err
	}
	after, err := state.MarshalBinary()
	return bytes.Equal(before, after), err
}

// rewrite writes the condensed form, so many sets at once as may be.
func (x *walk) rewrite(ctx context.Context) error {
	if err := x.begin(ctx); err != nil {
		return err
	}
	if err := x.forget(ctx); err != nil {
		return err
	}
	for round, more := 1, true; more; round++ {
		var records []aggregates.Record
		var err error
		if records, more, err = x.round(ctx, round); err != nil {
			return err
		}
		if err := x.read(ctx, records[len(records)-1].Position); err != nil {
			return err
		}
		if err := x.Store.Rewrite(ctx, records); err != nil {
			return err
		}
		x.last = max(x.last, records[len(records)-1].Position)
	}
	return nil
}

// forget drops the snapshot, which may be of a time when more was needed: its reservations would end under names that it does not know. Who has begun with it,
// reads the rest before the command here is decided; one that is saved after knows nothing that is not needed now.
func (x *walk) forget(ctx context.Context) error {
	if err := x.Store.DropSnapshot(ctx, x.name); err != nil {
		return err
	}
	_, err := x.Stock.Do(ctx, x.name[len(aggregates.SKUPrefix):], aggregates.Metadata{IdempotencyKey: "read"}, reading{})
	return err
}

// reading wants nothing.
type reading struct{}

func (reading) Decide(*stock.State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error) {
	return nil, nil
}

// round condenses as many sets as may be rewritten at once, and tells whether there are more.
func (x *walk) round(ctx context.Context, number int) (records []aggregates.Record, more bool, err error) {
	size, c := 0, x.condense()
	err = x.each(ctx, x.length, func(e *event) error {
		data, err := c.next(e)
		if err != nil || data == nil {
			return err
		}
		round := &x.names.round[c.set]
		if *round == 0 {
			if size > 0 && size+x.names.size[c.set] > roundBytes {
				more = true
				return nil
			}
			*round, size = number, size+x.names.size[c.set]
		}
		if *round == number {
			e.Data = data
			records = append(records, e.Record)
		}
		return nil
	})
	return records, more, err
}
