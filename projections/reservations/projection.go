package reservations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "reservations"

// DefaultCacheBytes bounds the records kept in memory, when the configuration does not.
const DefaultCacheBytes = 64 << 20

// MaxPage is the most that one List or Due returns.
const MaxPage = 1000

// Keep is for how long an ended reservation is found: 30 days, by the recorded time of later reservation events,
// rounded down to sweepEvery.
const Keep = 30 * 24 * 60 * 60 * aggregates.Second

// ErrNotFound says that no reservation has the id.
var ErrNotFound = errors.New("no such reservation")

// DueHold is a hold whose end has come.
type DueHold struct {
	SKU           string
	ReservationID string
	ExpiresAt     aggregates.Instant
}

// record is what tells a read model the hold's place among those due; nil for none.
func (d *DueHold) record() *Record {
	if d == nil {
		return nil
	}
	r := &Record{SKU: d.SKU}
	r.ID, r.ExpiresAt = d.ReservationID, d.ExpiresAt
	return r
}

// Config says what the projection is made of. Store and Model must be set.
type Config struct {
	Store      projections.Store
	Model      ReadModel
	Workers    int              // that fold in parallel; GOMAXPROCS when 0
	CacheBytes int64            // bound of the records kept in memory; DefaultCacheBytes when 0
	Now        func() time.Time // time.Now when nil
	After      func() bool      // after a start it gives way while this is true, for a while
	Log        *slog.Logger     // slog.Default() when nil
}

// Projection of reservations. Make it with New, then Run it.
type Projection struct {
	runner *projections.Runner
	model  ReadModel
	cache  *projections.Cache[known]
	early  horizon
}

// known is what is cached of an id.
type known struct {
	records []*Record // by SKU
	all     bool      // every record of the id is in it
}

// New makes a projection. Reads work at once, from what the read model holds; they follow the store while Run runs.
func New(c Config) *Projection {
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	p := &Projection{model: c.Model, cache: projections.NewCache(c.CacheBytes, (*known).size)}
	f := &fold{Projection: p, sweep: make(chan struct{}, 1)}
	p.runner = projections.NewRunner(f, projections.Config{
		Name: Name, Prefixes: []string{aggregates.SKUPrefix},
		Store: c.Store, Workers: c.Workers, Gather: projections.Gather, After: c.After, Now: c.Now, Log: c.Log,
	})
	f.shards = make([]shard, p.runner.Workers)
	return p
}

// Run keeps the records current until ctx ends, and returns nil then.
func (p *Projection) Run(ctx context.Context) error { return p.runner.Run(ctx) }

// Get returns the reservations with an id, one per SKU, in bytewise order of SKU. When there is none it waits until the
// projection has reached the store's end as of the call, before it returns ErrNotFound.
func (p *Projection) Get(ctx context.Context, id string) ([]*Record, error) {
	records, err := p.byID(ctx, id)
	if err != nil || len(records) > 0 {
		return records, err
	}
	if err := p.runner.WaitForEnd(ctx); err != nil {
		return nil, fmt.Errorf("find reservation %q: %w", id, err)
	}
	if records, err = p.byID(ctx, id); err == nil && len(records) == 0 {
		err = fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	return records, err
}

// Find returns at once the reservations with an id that are readable now, one per SKU, in bytewise order of SKU; none
// when there is none.
func (p *Projection) Find(ctx context.Context, id string) ([]*Record, error) { return p.byID(ctx, id) }

// List returns up to limit (at most MaxPage) reservations of a SKU, oldest first, that were placed after a position;
// 0 starts. next is the position to go on after, 0 on the last page.
func (p *Projection) List(ctx context.Context, sku string, liveOnly bool, after uint64, limit int) (page []*Record, next uint64, err error) {
	limit = max(1, min(limit, MaxPage))
	page, err = p.model.List(ctx, sku, liveOnly, after, limit+1)
	if err != nil {
		return nil, 0, fmt.Errorf("list reservations of SKU %q: %w", sku, err)
	}
	if len(page) > limit {
		page, next = page[:limit], page[limit-1].Placed
	}
	for i, r := range page {
		if published := p.cache.Get(r.ID).of(sku); published != nil {
			page[i] = published // the stored one may be newer and not published yet
		}
	}
	return page, next, nil
}

// Due returns up to limit (at most MaxPage) holds whose end is not after now, the earliest first, after one that an earlier
// call returned, or from the first; and when the next one after those ends, 0 when none is known.
func (p *Projection) Due(ctx context.Context, now aggregates.Instant, after *DueHold, limit int) (due []DueHold, next aggregates.Instant, err error) {
	early, published := p.early.now()
	limit = max(1, min(limit, MaxPage))
	held, err := p.model.Due(ctx, early, after.record(), 1) // as a rule nothing is due
	if err == nil && len(held) > 0 && held[0].ExpiresAt <= now {
		held, err = p.model.Due(ctx, early, after.record(), limit+1)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find holds due by %s: %w", now.Time(), err)
	}
	for _, r := range held {
		if r.ExpiresAt > now || len(due) == limit {
			next = r.ExpiresAt
			break
		}
		due = append(due, DueHold{SKU: r.SKU, ReservationID: r.ID, ExpiresAt: r.ExpiresAt})
	}
	if after != nil {
		return due, next, nil
	}
	first := aggregates.Instant(math.MaxInt64)
	if len(held) > 0 {
		first = held[0].ExpiresAt
	}
	p.early.raise(first, published)
	return due, next, nil
}

// Position is the store position up to which everything is readable.
func (p *Projection) Position() uint64 { return p.runner.Position() }

// WaitFor waits until everything up to a position is readable.
func (p *Projection) WaitFor(ctx context.Context, position uint64) error {
	return p.runner.WaitFor(ctx, position)
}

// Status tells how far the projection has come.
func (p *Projection) Status(ctx context.Context) projections.Status { return p.runner.Status(ctx) }

// CacheBytes is about what the records in memory take.
func (p *Projection) CacheBytes() int64 { return p.cache.Bytes() }

// byID returns all records of an id.
func (p *Projection) byID(ctx context.Context, id string) ([]*Record, error) {
	k, err := p.cache.Load(ctx, id, p.read)
	if k == nil || err != nil || k.all {
		return k.list(), err
	}
	whole, err := p.read(ctx, id)
	if whole != nil && err == nil {
		p.cache.Swap(id, k, whole)
	}
	return whole.list(), err
}

func (p *Projection) read(ctx context.Context, id string) (*known, error) {
	records, err := p.model.ByID(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find reservation %q: %w", id, err)
	}
	return &known{records: records, all: true}, nil // none, too: who asks is often about to place it
}

func (k *known) list() []*Record {
	if k == nil {
		return nil
	}
	return k.records
}

func (k *known) size() (bytes int) {
	for _, r := range k.records {
		bytes += r.Size()
	}
	return bytes
}

// of returns the record of a SKU.
func (k *known) of(sku string) *Record {
	for _, r := range k.list() {
		if r.SKU == sku {
			return r
		}
	}
	return nil
}

// with returns what is known after a change of one SKU's record; r is nil when it was removed.
func (k *known) with(sku string, r *Record) *known {
	next := &known{}
	if k != nil {
		next.all = k.all
		next.records = slices.DeleteFunc(slices.Clone(k.records), func(x *Record) bool { return x.SKU == sku })
	}
	if r != nil {
		at, _ := slices.BinarySearchFunc(next.records, sku, func(x *Record, sku string) int { return strings.Compare(x.SKU, sku) })
		next.records = slices.Insert(next.records, at, r)
	}
	return next
}
