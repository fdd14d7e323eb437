package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
)

// Store is an event store that can change what it holds; *pebble.Store is one.
type Store interface {
	Streams(ctx context.Context, prefix, after string, limit int) ([]string, error)
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	Rewrite(ctx context.Context, records []aggregates.Record) error
	DropSnapshot(ctx context.Context, stream string) error
	Reclaim(ctx context.Context, position uint64) error
}

// Heads signs heads of the tree over all events; *audit.Heads does.
type Heads interface {
	Record(ctx context.Context) (audit.Head, error)
}

// Reader reads events in the order of the store; a projection does.
type Reader interface {
	Position() uint64
	WaitFor(ctx context.Context, position uint64) error
}

// Config says what the service works with. All but Readers, After and Log must be set.
type Config struct {
	Store Store
	Stock commands.Doer[stock.State]  // whose states begin with the snapshots in the store
	Trail commands.Doer[domain.State] // the stream of tree heads
	Heads Heads
	// Readers have read what is condensed: one that read the beginning of something before, and its end after, would not know them as the same.
	Readers []Reader
	Now     func() aggregates.Instant
	After   time.Duration // condense events this old, once a day; 0 for never
	Log     *slog.Logger
}

// readPatience is how long readers are waited for.
const readPatience = 10 * time.Second

// ErrUnread says that a read model has not come as far as what is to be condensed.
var ErrUnread = errors.New("a read model has not read yet what is to be condensed; try again once it is there, stockfold status tells how far each is")

// Bounds.
const (
	MinAge     = 24 * time.Hour // of an event that is condensed
	MaxSkipped = 100            // SKUs that are named

	page  = 256 // streams listed at once
	every = 24 * time.Hour
	first = time.Minute // after the start
)

// Service condenses. Make it with New.
type Service struct {
	Config
	running chan struct{} // holds one while it does, or must not
	held    atomic.Bool   // it must not
}

// New returns the service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c, running: make(chan struct{}, 1)}
}

// Summary is what a run did, or with Check would do.
type Summary struct {
	SKUs        int64
	Condensed   int64    // events
	Before      int64    // events that had been condensed before
	Kept        int64    // events old enough, and needed
	Skipped     int64    // SKUs whose condensed events would come to something else
	SkippedSKUs []string // the first MaxSkipped of them
	BytesBefore int64    // of the events that are condensed now
	BytesAfter  int64

	last uint64 // position of an event that was rewritten
}

// Request says what to condense.
type Request struct {
	Before aggregates.Instant // recorded before
	Check  bool               // change nothing
	// Each is told how many more SKUs of how many are done; Reclaiming that room on disk is being taken back. Both may be nil.
	Each       func(skus, total int) error
	Reclaiming func() error
}

// Condense condenses what was recorded before an instant. It returns refusals.ErrCondensing while another run does,
// refusals.ErrReplayRunning while it is held, ErrUnread, *TamperedError, and the errors of the
// store; what was condensed up to then stays so, and the next run goes on.
func (s *Service) Condense(ctx context.Context, r Request) (Summary, error) {
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	default:
		return Summary{}, s.busy()
	}
	x := &run{Service: s, Request: r, digests: audit.Digests{}}
	err := x.all(ctx)
	return x.Summary, err
}

// Hold has nothing be condensed until release is called, as something is read from the beginning. It returns refusals.ErrCondensing while something is condensed.
func (s *Service) Hold() (release func(), err error) {
	select {
	case s.running <- struct{}{}:
		s.held.Store(true)
		return func() { s.held.Store(false); <-s.running }, nil
	default:
		return nil, s.busy()
	}
}

// busy tells what keeps the service.
func (s *Service) busy() error {
	if s.held.Load() {
		return refusals.ErrReplayRunning
	}
	return refusals.ErrCondensing
}

// Run condenses once a day, until ctx ends. Trouble is logged, and tried again the next day.
func (s *Service) Run(ctx context.Context) error {
	if s.After <= 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTimer(first)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		sum, err := s.Condense(ctx, Request{Before: s.Now().Add(-s.After)})
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Error("old events are not condensed, will try again in a day", "error", err)
		case err == nil && sum.Condensed+sum.Skipped > 0:
			s.Log.Info("old events are condensed", "events", sum.Condensed, "skus", sum.SKUs, "skipped", sum.Skipped, "took", time.Since(began))
		}
		t.Reset(every)
	}
}

// run is one run.
type run struct {
	*Service
	Request
	Summary
	digests   audit.Digests
	condensed int64 // in the whole store
	begun     bool
}

func (r *run) all(ctx context.Context) error {
	total := 0
	if err := r.pages(ctx, func(streams []string) error { total += len(streams); return nil }); err != nil {
		return err
	}
	err := r.pages(ctx, func(streams []string) error {
		for _, stream := range streams {
			if err := r.stream(ctx, stream); err != nil {
				return fmt.Errorf("condense %s: %w", stream, err)
			}
		}
		if r.Each == nil {
			return nil
		}
		return r.Each(len(streams), total)
	})
	if err != nil || r.Check {
		return err
	}
	return r.conclude(ctx)
}

// pages calls each with the names of all streams of SKUs, some at a time.
func (r *run) pages(ctx context.Context, each func(streams []string) error) error {
	for after := ""; ; {
		streams, err := r.Store.Streams(ctx, aggregates.SKUPrefix, after, page)
		if err != nil || len(streams) == 0 {
			return err
		}
		if err := each(streams); err != nil {
			return err
		}
		after = streams[len(streams)-1]
	}
}

// conclude records what all condensed events say, and takes the room back.
func (r *run) conclude(ctx context.Context) error {
	if r.condensed > 0 {
		if err := r.record(ctx, domain.HistoryCondensed{Before: r.Request.Before, Done: true, Events: r.condensed, Digest: r.digests.Sum()}); err != nil {
			return err
		}
	}
	if r.last == 0 {
		return nil
	}
	if r.Reclaiming != nil {
		if err := r.Reclaiming(); err != nil {
			return err
		}
	}
	return r.Store.Reclaim(ctx, r.last)
}

// begin records that events are going to be condensed, before the first one is: under a head that covers them.
func (r *run) begin(ctx context.Context) error {
	if r.begun {
		return nil
	}
	if _, err := r.Heads.Record(ctx); err != nil && !errors.Is(err, audit.ErrNoKey) {
		return fmt.Errorf("record a tree head before: %w", err)
	}
	r.begun = true
	return r.record(ctx, domain.HistoryCondensed{Before: r.Request.Before})
}

// read waits until all readers have read up to a position.
func (r *run) read(ctx context.Context, position uint64) error {
	for _, x := range r.Readers {
		if x.Position() >= position {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, readPatience)
		err := x.WaitFor(waiting, position)
		if cancel(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %v", ErrUnread, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

const actor = "stockfold"

func (r *run) record(ctx context.Context, c domain.HistoryCondensed) error {
	m := aggregates.Metadata{Actor: actor, CorrelationID: "retention",
		IdempotencyKey: fmt.Sprintf("condensed:%d:%t:%d", c.Before, c.Done, r.Now())}
	_, err := r.Trail.Do(ctx, aggregates.TreeHeads, m, &condensing{c})
	return err
}

// condensing wants it recorded how far condensing has come.
type condensing struct{ domain.HistoryCondensed }

func (c *condensing) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return domain.Condense(s, c.HistoryCondensed), nil
}
