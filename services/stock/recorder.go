package stock

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/validation"
)

// Locations tells which locations are defined.
type Locations interface {
	Location(id string) (location.State, bool)
}

// Options of a Recorder. Zero fields take the defaults named below.
type Options struct {
	AcceptUnknownLocations bool                      // record facts at locations that nobody defined
	Now                    func() aggregates.Instant // the clock; the system's by default
}

// Recorder is the one way in for physical facts. It is safe for concurrent use.
//
// Only the location where a fact happened must be defined: the other end of a transfer may be a place that the service
// does not know.
type Recorder struct {
	streams   commands.Doer[domain.State]
	locations Locations
	opts      Options
	delays    Delays
}

// NewRecorder returns a Recorder over the streams of SKUs.
func NewRecorder(streams commands.Doer[domain.State], locations Locations, opts Options) *Recorder {
	if opts.Now == nil {
		opts.Now = func() aggregates.Instant { return aggregates.At(time.Now()) }
	}
	return &Recorder{streams: streams, locations: locations, opts: opts}
}

// Delays returns the measured delay of every source, in order of their names.
func (r *Recorder) Delays() []Delay { return r.delays.List() }

// Knows tells whether facts at a location can be recorded.
func (r *Recorder) Knows(location string) bool {
	if r.opts.AcceptUnknownLocations {
		return true
	}
	_, ok := r.locations.Location(location)
	return ok
}

// Movement validates a movement and returns its fact. origin adds what only the message knows: topic, partition,
// offset, sequence and causation. prefix goes before the names of fields. Errors: *validation.Error,
// *validation.ClockSkewError, *Rejection for a location that is not defined.
func (r *Recorder) Movement(m *pb.Movement, prefix string, origin aggregates.Metadata) (Fact, error) {
	c := validation.Checker{Prefix: prefix}
	checkMovement(&c, m)
	if err := c.Err(); err != nil {
		return Fact{}, err
	}
	f := factOf(m, origin)
	if err := checkAhead(prefix+"occurred_at", f.Metadata.OccurredAt, r.opts.Now()); err != nil {
		return Fact{}, err
	}
	if !optionalLocation(m) && !r.Knows(m.Location) {
		return Fact{}, UnknownLocation(m.Location)
	}
	return f, nil
}

// Sale validates a sale as a whole and returns its facts, one per line. origin holds what the message says of it: its
// id and source, when it occurred, and where it came from. Errors are those of Movement.
func (r *Recorder) Sale(s *pb.Sale, origin aggregates.Metadata) ([]Fact, error) {
	var c validation.Checker
	checkSale(&c, s, &origin)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := checkAhead("time", origin.OccurredAt, r.opts.Now()); err != nil {
		return nil, err
	}
	if !r.Knows(s.Location) {
		return nil, UnknownLocation(s.Location)
	}
	return factsOf(s, origin), nil
}

// Result of one fact that was submitted.
type Result struct {
	Moved    domain.Moved
	Position uint64 // a read that includes it sees the fact
	Err      error  // nil when the fact is recorded, now or before; see Reject and Temporary
}

// Submit queues facts and returns. done is called once, with one result per fact in their order, when all of them are
// durable or have failed; it is called from a mailbox and must not block. Facts of one SKU take effect in the order in
// which they were submitted. Submitting a fact again is safe.
func (r *Recorder) Submit(facts []Fact, done func([]Result)) {
	if len(facts) == 0 {
		done(nil)
		return
	}
	b := &batch{results: make([]Result, len(facts)), done: done}
	b.left.Store(int32(len(facts)))
	for i := range facts {
		x := &recording{fact: &facts[i], recorder: r, batch: b, result: &b.results[i]}
		if err := r.streams.Submit(x.fact.SKU, x.fact.Metadata, x, x.finish); err != nil {
			x.finish(commands.Outcome{}, err)
		}
	}
}

// Record submits facts and waits for their results.
func (r *Recorder) Record(ctx context.Context, facts []Fact) ([]Result, error) {
	results := make(chan []Result, 1)
	r.Submit(facts, func(all []Result) { results <- all })
	select {
	case all := <-results:
		return all, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("recording %d facts: %w", len(facts), ctx.Err())
	}
}

// NeedsTrial tells whether facts that belong together could fail one by one for what only their streams know, other
// than by a re-used id: a quantity with decimals may have too many for its item, and a huge one may not fit a balance.
func NeedsTrial(facts []Fact) bool {
	if len(facts) < 2 {
		return false
	}
	for i := range facts {
		if m := &facts[i].Movement; m.Decimal != "" || m.Quantity > hugeQuantity {
			return true
		}
	}
	return false
}

// hugeQuantity is so much that no balance made of less ever overflows: it takes nine thousand million facts.
const hugeQuantity = 1_000_000_000

// Try decides facts that belong together without recording any, and returns the first error, nil when all could be
// recorded now.
func (r *Recorder) Try(ctx context.Context, facts []Fact) error {
	for i := range facts {
		x := &recording{fact: &facts[i], recorder: r, trial: true}
		if _, err := r.streams.Do(ctx, x.fact.SKU, x.fact.Metadata, x); err != nil {
			where := fmt.Sprintf("line %d, SKU %q: ", i+1, x.fact.SKU)
			if rejection := Reject(err); rejection != nil {
				rejection.Message = where + rejection.Message
				return rejection
			}
			return fmt.Errorf("%s%w", where, err)
		}
	}
	return nil
}

// batch is what was submitted together.
type batch struct {
	results []Result
	left    atomic.Int32
	done    func([]Result)
}

// recording is the intention to record one fact.
type recording struct {
	fact     *Fact
	recorder *Recorder
	trial    bool // decide only
	batch    *batch
	result   *Result

	moved   domain.Moved
	at      aggregates.Instant
	history *domain.History
}

var (
	_ commands.Intention[domain.State] = (*recording)(nil)
	_ commands.Learner                 = (*recording)(nil)
)

// Decide decides the fact on the SKU's state.
func (x *recording) Decide(s *domain.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	movement := x.fact.Movement
	movement.History = x.history
	movement.Owner = x.recorder.owner(s, x.fact, m.OccurredAt)
	moved, events, err := domain.Move(s, movement, m, now)
	x.moved, x.at = moved, now
	if x.trial {
		return nil, err
	}
	return events, err
}

// Wants tells whether the decision needs the stream's past.
func (x *recording) Wants(err error) bool {
	var need *domain.NeedHistory
	if !errors.As(err, &need) {
		return false
	}
	x.history = need.History
	return true
}

// Learn takes in an event of the stream's past.
func (x *recording) Learn(e aggregates.Event, revision uint64, m aggregates.Metadata) {
	x.history.Add(e, revision, m)
}

func (x *recording) finish(out commands.Outcome, err error) {
	*x.result = Result{Err: err}
	if err == nil {
		x.result.Moved, x.result.Position = x.moved, out.Position
		if !x.moved.Duplicate {
			x.recorder.delays.observe(x.fact.Metadata.Source.System, x.fact.Metadata.OccurredAt, x.at, &x.moved)
		}
	}
	if x.batch.left.Add(-1) == 0 {
		x.batch.done(x.batch.results)
	}
}
