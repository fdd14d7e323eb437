// Package reallocation moves promises that cannot be kept where they were made: because their location was closed to the channel, or because it has less
// than is promised from it.
//
// It owns the process that asks the read model of availability for SKUs whose documents say so, and has each SKU's stream decide what moves, to where the
// channel's own rules take units from (aggregates/stock). It keeps nothing: what is at risk follows from the stock and the policies at any time, so a process
// that ends at any point leaves nothing half done, and the next one, or another replica, finds the rest. It guarantees that a promise is moved as a
// whole event or not at all, never to where it would oversell, and that what cannot move stays, is counted, and is tried again when something of the
// SKU or of the policies changes. Rules of reallocation say what stays where it is; without one promises move.
package reallocation

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/commands"
)

const (
	// every is how often the process looks.
	every = time.Second
	// batch is how many SKUs one round is about of those that surely have something at risk, and of the others.
	batch = 200
	// suspecting is how long one round looks through reservations of SKUs of which it is not sure that anything is at risk: a tenth of a core. After a start, and
	// when policies changed, those may be all there are.
	suspecting = every / 10
	// perSKU is how many promises of one SKU one round moves.
	perSKU = 256
	// again is after how long a SKU whose promises could not move is tried again though nothing is known to have changed: holds end, and cut-offs pass.
	again = 60 * aggregates.Second
	// decideTimeout bounds one round's work on one SKU.
	decideTimeout = 10 * time.Second
)

// actor is who moves promises, in the record.
const actor = "stockfold-reallocation"

// Directory knows the policies; *policies.Directory does.
type Directory interface{ Tables() *policies.Tables }

// View knows which SKUs may have promises at risk; *availability.Projection does. It learns of SKUs that do not change by being scanned.
type View interface {
	Risky(after string, limit int) (list []availability.Risky, more bool)
	Settle(availability.Risky)
	Survey(ctx context.Context) error
}

// Index lists the reservations of a SKU; *reservations.Projection does.
type Index interface {
	List(ctx context.Context, sku string, liveOnly bool, after uint64, limit int) (page []*reservations.Record, next uint64, err error)
}

// Config says what the process works with. All of it must be set.
type Config struct {
	Directory Directory
	View      View
	Index     Index
	SKUs      commands.Doer[stock.State]
	Now       func() aggregates.Instant
	Log       *slog.Logger
}

// Process moves promises.
type Process struct {
	Config
	moved   atomic.Int64
	more    atomic.Bool
	trouble string // last one logged; of Run's goroutine
	after   string // SKU that the last round ended with

	mu    sync.Mutex
	tried map[string]attempt
}

// attempt is what was found of a SKU the last time.
type attempt struct {
	availability.Risky
	rules        uint64 // position of the shared rules, as of then
	at           aggregates.Instant
	reservations int
	units        int64
}

var (
	_ Directory = (*policies.Directory)(nil)
	_ View      = (*availability.Projection)(nil)
	_ Index     = (*reservations.Projection)(nil)
)

// New returns the process; Run starts it.
func New(c Config) *Process { return &Process{Config: c, tried: map[string]attempt{}} }

// Status counts promises at risk, as last seen, and what was moved.
type Status struct {
	SKUs         int
	Reservations int
	Units        int64 // base units, of all SKUs together
	Moved        int64 // reservations that this process has moved
	More         bool  // there are SKUs beyond those that are known
}

// Status returns the counts.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Moved: p.moved.Load(), More: p.more.Load()}
	for _, x := range p.tried {
		if x.reservations > 0 {
			s.SKUs, s.Reservations, s.Units = s.SKUs+1, s.Reservations+x.reservations, s.Units+x.units
		}
	}
	return s
}

// Run works until ctx ends, and returns nil then.
func (p *Process) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		p.report(ctx, errors.Join(p.View.Survey(ctx), p.Round(ctx)))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Round looks at SKUs that may have promises at risk, and moves those that can be moved: at most batch SKUs of a kind, going on where the last round ended. What it
// could not do it finds again.
func (p *Process) Round(ctx context.Context) error {
	list, more := p.View.Risky("", availability.MaxRisky)
	p.more.Store(more)
	p.forget(list)
	due := p.due(list)
	var trouble error
	var suspected time.Duration
	for _, x := range due {
		if ctx.Err() != nil || !x.Sure && suspected >= suspecting {
			break
		}
		began := time.Now()
		if err := p.settle(ctx, x); err != nil {
			trouble = err
		}
		if !x.Sure {
			suspected += time.Since(began)
		}
		p.after = x.SKU
	}
	return trouble
}

// due picks SKUs that something is new about, in order from where the last round ended: first at most batch of those that surely have something at risk, then as
// many of the others, which they must not keep from their turn.
func (p *Process) due(list []availability.Risky) []availability.Risky {
	var sure, others []availability.Risky
	p.mu.Lock()
	defer p.mu.Unlock()
	now, rules := p.Now(), p.Directory.Tables().Rules().Position
	first, _ := slices.BinarySearchFunc(list, p.after, func(x availability.Risky, after string) int {
		if x.SKU <= after {
			return -1
		}
		return 1
	})
	for i := range list {
		x := list[(first+i)%len(list)]
		was, known := p.tried[x.SKU]
		switch {
		case known && was.Risky == x && was.rules == rules && now-was.at < again:
		case x.Sure && len(sure) < batch:
			sure = append(sure, x)
		case !x.Sure && len(others) < batch:
			others = append(others, x)
		}
	}
	return append(sure, others...)
}

// forget drops what is known of SKUs that are at risk no more.
func (p *Process) forget(list []availability.Risky) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for sku := range p.tried {
		_, risky := slices.BinarySearchFunc(list, sku, func(x availability.Risky, sku string) int {
			switch {
			case x.SKU < sku:
				return -1
			case x.SKU > sku:
				return 1
			}
			return 0
		})
		if !risky {
			delete(p.tried, sku)
		}
	}
}

// report logs trouble when it is news.
func (p *Process) report(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	switch {
	case text != "" && text != p.trouble:
		p.Log.Warn("promises at risk could not be moved, will try again", "error", text)
	case text == "" && p.trouble != "" && ctx.Err() == nil:
		p.Log.Info("promises at risk are moved again")
	}
	p.trouble = text
}
