// Package orders is the read model of orders: how each stands, to be listed, and to find those that are to be driven on.
//
// It owns one record per order, without its lines: those are the stream's. It guarantees that an order which its SKUs have not been told
// everything of is pending in the read model once it has come that far, and that records only move forward. It leaves to
// others what is done about it.
package orders

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "orders"

// MaxPage is the most records that one call returns.
const MaxPage = 1000

// Query selects orders.
type Query struct {
	Channel  string // "": any
	OpenOnly bool   // with something left to send or to settle
	After    uint64 // position of the first event of the order to go on after; 0 starts
	Limit    int    // 1 to MaxPage
}

// ReadModel keeps the records.
//
// Write applies records and the progress in one step; a record with a lower position than the stored one changes nothing, nor
// does a progress of a lower position. One returns nil when there is no record. List is in order of Placed. Work lists records
// that are Work, in bytewise order of id, after one. Reset removes everything. Errors are the back end's; the same call may succeed later. A model that can lose what was written is
// projections.Watched.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	One(ctx context.Context, id string) (*Record, error)
	List(ctx context.Context, q Query) ([]*Record, error)
	Work(ctx context.Context, after string, limit int) ([]*Record, error)
	Write(ctx context.Context, changed []*Record, p projections.Progress) error
	Reset(ctx context.Context) error
}

// Config says what the projection is made of. Store and Model must be set.
type Config struct {
	Store projections.Store
	Model ReadModel
	Now   func() time.Time // time.Now when nil
	After func() bool      // after a start it gives way while this is true, for a while
	Log   *slog.Logger     // slog.Default() when nil
}

// Projection of orders. Make it with New, then Run it.
type Projection struct {
	runner *projections.Runner
	model  ReadModel
}

// New makes a projection.
func New(c Config) *Projection {
	p := &Projection{model: c.Model}
	p.runner = projections.NewRunner(&fold{model: c.Model}, projections.Config{
		Name: Name, Prefixes: []string{aggregates.OrderPrefix}, Store: c.Store, Workers: 1, Gather: projections.Gather, After: c.After, Now: c.Now, Log: c.Log,
	})
	return p
}

// Run keeps the records current until ctx ends, and returns nil then.
func (p *Projection) Run(ctx context.Context) error { return p.runner.Run(ctx) }

// List returns up to Limit orders, the oldest first, and the position to go on after, 0 on the last page.
func (p *Projection) List(ctx context.Context, q Query) (page []*Record, next uint64, err error) {
	limit := max(1, min(q.Limit, MaxPage))
	q.Limit = limit + 1
	if page, err = p.model.List(ctx, q); err != nil {
		return nil, 0, err
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].Placed
	}
	return page, next, nil
}

// Work returns up to limit orders that are pending, or whose holds will end, in bytewise order of id, after one.
func (p *Projection) Work(ctx context.Context, after string, limit int) ([]*Record, error) {
	return p.model.Work(ctx, after, max(1, min(limit, MaxPage)))
}

// Position is the store position up to which everything is readable.
func (p *Projection) Position() uint64 { return p.runner.Position() }

// WaitFor waits until everything up to a position is readable.
func (p *Projection) WaitFor(ctx context.Context, position uint64) error {
	return p.runner.WaitFor(ctx, position)
}

// Status tells how far the projection has come.
func (p *Projection) Status(ctx context.Context) projections.Status { return p.runner.Status(ctx) }

// fold is the projection behind the records. Records do not change once made.
type fold struct {
	model  ReadModel
	drafts map[string]*Record
	cut    map[string]*Record // the drafts last cut out: being written, or written
}

// draftBytes is about what a draft takes.
const draftBytes = 300

func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	f.drafts, f.cut = map[string]*Record{}, nil
	return f.model.Progress(ctx)
}

func (f *fold) Reset(ctx context.Context) error {
	f.drafts, f.cut = map[string]*Record{}, nil
	return f.model.Reset(ctx)
}

func (f *fold) Ignores(string) bool { return false }

func (f *fold) Tend(context.Context, projections.Touch) error { return nil }

// Watch looks for what the read model loses.
func (f *fold) Watch(ctx context.Context) error { return projections.WatchModel(ctx, f.model) }

func (f *fold) Unwritten() int { return draftBytes * len(f.drafts) }

func (f *fold) Fold(ctx context.Context, _ int, e *projections.Event) error {
	id := e.Record.Stream[len(aggregates.OrderPrefix):]
	r, err := f.latest(ctx, id)
	if err != nil || r != nil && r.Position >= e.Record.Position {
		return err
	}
	if r == nil {
		r = &Record{ID: strings.Clone(id), Placed: e.Record.Position, Status: order.StatusAwaited}
	}
	f.drafts[r.ID] = r.after(e)
	return nil
}

func (f *fold) latest(ctx context.Context, id string) (*Record, error) {
	if r := f.drafts[id]; r != nil {
		return r, nil
	}
	if r := f.cut[id]; r != nil {
		return r, nil
	}
	return f.model.One(ctx, id)
}

func (f *fold) Cut() projections.Pending {
	p := &pending{model: f.model, records: f.drafts}
	f.cut, f.drafts = f.drafts, map[string]*Record{}
	return p
}

// pending is what was folded between two cuts.
type pending struct {
	model   ReadModel
	records map[string]*Record
}

func (p *pending) Empty() bool { return len(p.records) == 0 }

func (p *pending) Write(ctx context.Context, progress projections.Progress) error {
	changed := make([]*Record, 0, len(p.records))
	for r := range maps.Values(p.records) {
		changed = append(changed, r)
	}
	return p.model.Write(ctx, changed, progress)
}

func (p *pending) Publish(uint64) {}

var _ projections.Projection = (*fold)(nil)
