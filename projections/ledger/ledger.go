package ledger

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "ledger"

// Interval is how many postings are kept in memory at most, about, before they are merged into the blocks. About so much is read from the
// events again after a restart.
const Interval = 1 << 18

// Config says what the projection is made of. Store and Model must be set.
type Config struct {
	Store    projections.Store
	Model    ReadModel
	Interval int              // Interval when 0
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger     // slog.Default() when nil
}

// Ledger is the projection. Make it with New, then Run it.
type Ledger struct {
	runner *projections.Runner
	model  ReadModel
	parts  [Groups]part
	head   atomic.Pointer[head]

	writing sync.Mutex // held while something is put into memory or into blocks
	taken   uint64     // everything up to this position is in either, of every group

	loading sync.RWMutex // held while what is in memory is dropped, and for reading while it must not be
}

// head is how far the ledger can be read, and the latest recording up to there.
type head struct {
	position  uint64
	watermark aggregates.Instant
}

// part is what a group has in memory: postings and descriptions that are in no block yet, in order of position.
type part struct {
	mu      sync.RWMutex // held for reading while the group is read
	recent  []posting
	items   []description
	through uint64 // the position up to which everything is in blocks
	used    atomic.Bool
	late    atomic.Bool // there are late postings
}

// New makes a projection.
func New(c Config) *Ledger {
	l := &Ledger{model: c.Model}
	l.head.Store(&head{})
	if c.Interval == 0 {
		c.Interval = Interval
	}
	l.runner = projections.NewRunner(&fold{ledger: l, interval: c.Interval}, projections.Config{
		Name: Name, Prefixes: []string{aggregates.SKUPrefix}, Store: c.Store, Workers: 1, Background: true, Now: c.Now, Log: c.Log,
	})
	return l
}

// Run keeps the ledger current until ctx ends, and returns nil then.
func (l *Ledger) Run(ctx context.Context) error { return l.runner.Run(ctx) }

// Position is the store position up to which everything is readable.
func (l *Ledger) Position() uint64 { return l.runner.Position() }

// WaitFor waits until everything up to a position is readable.
func (l *Ledger) WaitFor(ctx context.Context, position uint64) error {
	return l.runner.WaitFor(ctx, position)
}

// WaitForEnd waits until everything that the store holds now is readable.
func (l *Ledger) WaitForEnd(ctx context.Context) error { return l.runner.WaitForEnd(ctx) }

// Status tells how far the projection has come.
func (l *Ledger) Status(ctx context.Context) projections.Status { return l.runner.Status(ctx) }
