// Package expiry records that holds have ended, within a second of their end.
//
// It owns the process that asks the index of reservations for holds whose end has come and carries each end to the
// SKU's stream. It guarantees that a hold's end is recorded once, however many replicas try, and that trouble with one
// SKU or with the store delays it and stops nothing. No decision waits for it: whether a hold still counts follows from
// the time alone (aggregates/stock).
package expiry

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/commands"
)

const (
	// batch is how many holds are looked up at once.
	batch = reservations.MaxPage
	// inFlight is how many commands are under way at once.
	inFlight = 256
	// perCommand is how many holds one command ends.
	perCommand = 1_000
	// troubled is with how many SKUs there may be trouble until it is taken for trouble with the store, and the process
	// looks no further.
	troubled = 64
	// late is how long after a whole second the process looks: all holds end on whole seconds.
	late = 10 * time.Millisecond
	// retry is how long the process waits after trouble.
	retry = 250 * time.Millisecond
	// visible is how long the process waits until the index has what it recorded.
	visible = 5 * time.Second
)

// actor is who ends holds, in the record.
const actor = "stockfold-expiry"

// Index finds holds whose end has come; *reservations.Projection does.
type Index interface {
	Due(ctx context.Context, now aggregates.Instant, after *reservations.DueHold, limit int) (due []reservations.DueHold, next aggregates.Instant, err error)
	WaitFor(ctx context.Context, position uint64) error
}

// Config says what the process works with. Index, SKUs and Now must be set; a nil Log is slog.Default().
type Config struct {
	Index Index
	SKUs  commands.Doer[stock.State]
	Now   func() aggregates.Instant
	Log   *slog.Logger
}

// Process records the end of holds.
type Process struct {
	Config
	expired, failed atomic.Uint64
	trouble         string // last one logged; of Run's goroutine
}

var _ Index = (*reservations.Projection)(nil)

// New returns the process; Run starts it.
func New(c Config) *Process {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Process{Config: c}
}

// Stats counts what the process did.
type Stats struct {
	Expired uint64 // holds whose end it recorded
	Failed  uint64 // commands that failed and were tried again later
}

// Stats returns the counts.
func (p *Process) Stats() Stats { return Stats{Expired: p.expired.Load(), Failed: p.failed.Load()} }

// Run works until ctx ends, and returns nil once what was under way has ended.
func (p *Process) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		recorded, err := p.round(ctx)
		p.report(ctx, err)
		switch {
		case err != nil:
			sleep(ctx, retry)
		case recorded == 0:
			sleep(ctx, p.untilNextSecond())
		}
	}
	return nil
}

// round ends the holds that are due now, at most batch, and waits until the index knows. Holds of a SKU that there is trouble
// with stay due, so it looks beyond them for those of others.
func (p *Process) round(ctx context.Context) (recorded int, err error) {
	ended := ended{failed: map[string]bool{}}
	for after := (*reservations.DueHold)(nil); ; {
		var due []reservations.DueHold
		if due, _, err = p.Index.Due(ctx, p.Now(), after, batch); err != nil {
			break
		}
		p.end(ctx, due, &ended)
		if len(due) < batch || len(ended.failed) == 0 || len(ended.failed) > troubled || ctx.Err() != nil {
			break
		}
		after = &due[len(due)-1]
	}
	ended.err = errors.Join(ended.err, err)
	p.expired.Add(uint64(ended.recorded))
	if err = nil; ended.position > 0 {
		waiting, cancel := context.WithTimeout(ctx, visible)
		defer cancel()
		err = p.Index.WaitFor(waiting, ended.position)
	}
	return ended.recorded, errors.Join(ended.err, err)
}

func (p *Process) untilNextSecond() time.Duration {
	now := p.Now()
	rest := aggregates.Second - now%aggregates.Second
	return time.Duration(rest)*time.Microsecond + late
}

// report logs trouble when it is news.
func (p *Process) report(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	switch {
	case text != "" && text != p.trouble:
		p.Log.Warn("ends of holds are not recorded on time; decisions are not affected", "error", text)
	case text == "" && p.trouble != "" && ctx.Err() == nil:
		p.Log.Info("ends of holds are recorded on time again")
	}
	p.trouble = text
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// expire is the intention: to end what is due on a stream at an instant that has come.
type expire struct{ until aggregates.Instant }

// Decide ends holds. Those that were confirmed, extended or released in between are no longer due.
func (x *expire) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return stock.Expire(s, min(x.until, now), perCommand), nil
}

// metadata of the end of holds. Each command is one of its own: what it ends is never due again.
func metadata(until aggregates.Instant) aggregates.Metadata {
	return aggregates.Metadata{OccurredAt: until, Actor: actor, IdempotencyKey: "expire:" + rand.Text()}
}
