// Package periods records that rules have begun or ended, within about a second.
//
// It owns the process that looks for rules whose time has come: shared rules and buffers in the directory of policies, a SKU's own rules in
// what the read model of availability has. It guarantees that read models, watchers and publication hear of it by an event, in order with all
// others. No decision waits for it: which rule is in force follows from the time alone (aggregates/stock).
package periods

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/services/commands"
)

const (
	// batch is how many SKUs one round is about.
	batch = 1_000
	// every is how often the process looks.
	every = time.Second
	// actor is who records it.
	actor = "stockfold-periods"
)

// Directory knows when policies change by themselves; *policies.Directory does.
type Directory interface{ Tables() *policies.Tables }

// View knows which SKUs have rules that began or ended; *availability.Projection does. It learns of SKUs that do not change by being
// scanned.
type View interface {
	Passed(now aggregates.Instant, limit int) []string
	Survey(ctx context.Context) error
}

// Config says what the process works with. All of it must be set, Log apart.
type Config struct {
	Directory Directory
	View      View
	SKUs      commands.Doer[stock.State]
	Rules     commands.Doer[rules.State]
	Now       func() aggregates.Instant
	Log       *slog.Logger
}

// Process records that rules have begun or ended.
type Process struct {
	Config
	trouble string // last one logged
}

var (
	_ Directory = (*policies.Directory)(nil)
	_ View      = (*availability.Projection)(nil)
)

// New returns the process; Run starts it.
func New(c Config) *Process {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Process{Config: c}
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

// Round records what has come by now. What it could not record it finds again.
func (p *Process) Round(ctx context.Context) error {
	var trouble error
	if at, _ := p.Directory.Tables().Passed(p.Now()); at != 0 {
		if _, err := p.Rules.Do(ctx, aggregates.SharedRules, metadata(), passShared(at)); err != nil {
			trouble = err
		}
	}
	for _, sku := range p.View.Passed(p.Now(), batch) {
		if _, err := p.SKUs.Do(ctx, sku, metadata(), passOwn{}); err != nil {
			trouble = err
		}
	}
	return trouble
}

func metadata() aggregates.Metadata {
	key := "period:" + rand.Text()
	return aggregates.Metadata{Actor: actor, IdempotencyKey: key, CorrelationID: key}
}

type passShared aggregates.Instant

// Decide records that shared rules began or ended.
func (x passShared) Decide(s *rules.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return rules.PassPeriod(s, aggregates.Instant(x), now), nil
}

type passOwn struct{}

// Decide records that rules of a SKU began or ended.
func (passOwn) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return stock.PassPeriod(s, now), nil
}

// report logs trouble when it is news.
func (p *Process) report(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != p.trouble && text != "" {
		p.Log.Error("that rules began or ended could not be recorded, will try again", "error", err)
	}
	p.trouble = text
}
