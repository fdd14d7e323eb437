package availability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// Name of the projection, in status, logs and storage.
const Name = "availability"

// DefaultCacheBytes bounds the documents kept in memory, when the configuration does not.
const DefaultCacheBytes = 96 << 20

// MaxScan is the most documents that one Scan returns.
const MaxScan = 1000

// ErrUnknownChannel says that a channel is not defined.
var ErrUnknownChannel = errors.New("channel is not defined")

// ErrUnreadable says that the read model cannot be asked or trusted now: it cannot be reached, it lost something and is
// being built again, or it has not moved for too long. Ask the SKU's own stream, or again later.
var ErrUnreadable = errors.New("the read model of availability cannot be read now")

const (
	// MaxStaleness is how old an answer is at most while the projection does not move, for whatever reason: its read model
	// fails, the store is away, or its subscription hands out nothing. Older ones are ErrUnreadable.
	MaxStaleness = 5 * time.Second
	// rememberedAfter is how old an answer of a projection that does not move is said to be remembered.
	rememberedAfter = time.Second
	// stillAfter is how long a projection has not moved when its answers are bounded: less than MaxStaleness, since it may
	// have moved once more after it was last known to be at the store's end.
	stillAfter = MaxStaleness - rememberedAfter
)

// From tells where an answer comes from.
type From uint8

const (
	FromModel  From = iota // the projected read model, which follows the store
	FromMemory             // what this process remembers, while the read model does not get on
	FromStream             // the SKU's own stream
)

// Availability of one SKU on one channel, in base units. The Offer's Standing is 0 for an unknown SKU.
type Availability struct {
	SKU     string
	Channel string
	stock.Offer
	Decimals   int                // of the SKU's base unit
	Known      bool               // false when nothing was ever recorded for the SKU
	Position   uint64             // of the last event that the answer includes; only grows per SKU and channel
	RecordedAt aggregates.Instant // of that event
	CurrentAt  aggregates.Instant // everything recorded up to here is included; 0 when not known, and in changes
	From       From
}

// Config says what the projection is made of. Store, Model and Policies must be set.
type Config struct {
	Store      projections.Store
	Model      ReadModel
	Policies   *policies.Directory // to be run by the caller
	Workers    int                 // that fold in parallel; GOMAXPROCS when 0
	CacheBytes int64               // bound of the documents kept in memory; DefaultCacheBytes when 0
	Heartbeat  time.Duration       // after which an idle watcher hears of its position; DefaultHeartbeat when 0
	Now        func() time.Time    // time.Now when nil
	Log        *slog.Logger        // slog.Default() when nil
}

// Projection of availability. Make it with New, then Run it.
type Projection struct {
	runner  *projections.Runner
	model   ReadModel
	dir     *policies.Directory
	cache   *projections.Cache[Document]
	hub     *hub
	pricing atomic.Pointer[pricing]

	boundaries boundaries
	risks      risks
	survey     survey
	mendings   chan *mending
	exchanges  chan *exchanging
	fold       *fold
}

// New makes a projection. Reads work at once, from what the read model holds; they follow the store while Run runs.
func New(c Config) *Projection {
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	p := &Projection{model: c.Model, dir: c.Policies, cache: projections.NewCache(c.CacheBytes, (*Document).sizeRead),
		survey: survey{turn: make(chan struct{}, 1)}, mendings: make(chan *mending), exchanges: make(chan *exchanging)}
	p.hub = newHub(p, c.Heartbeat)
	f := newFold(p)
	p.fold = f
	c.Policies.OnChange(f.policyChanged)
	p.runner = projections.NewRunner(f, projections.Config{
		Name: Name, Prefixes: []string{aggregates.SKUPrefix},
		Store: c.Store, Workers: c.Workers, Now: c.Now, Log: c.Log,
	})
	f.addWorkers(p.runner.Workers)
	return p
}

// Run keeps the documents current until ctx ends, and returns nil then. The directory of policies must be running too.
func (p *Projection) Run(ctx context.Context) error {
	defer p.fold.letExchangeGo()
	return p.runner.Run(ctx)
}

// Get returns the ATS of one SKU on one channel; ErrUnknownChannel.
func (p *Projection) Get(ctx context.Context, sku, channel string) (Availability, error) {
	prices := p.prices()
	i, ok := prices.find(channel)
	if !ok {
		return Availability{}, fmt.Errorf("%w: %q", ErrUnknownChannel, channel)
	}
	current, from, err := p.standing()
	if err != nil {
		return Availability{}, err
	}
	d, err := p.document(ctx, sku)
	if err != nil {
		return Availability{}, err
	}
	a, err := p.answer(ctx, prices, d, sku, i, p.runner.Now)
	a.CurrentAt, a.From = current, from
	return a, err
}

// standing tells how current answers are, and where they come from. When the projection does not move they are
// ErrUnreadable after MaxStaleness. One that moves, and is behind, answers all the same, and says how old that is.
func (p *Projection) standing() (current aggregates.Instant, from From, err error) {
	at := p.runner.Current()
	if !at.IsZero() {
		current = aggregates.At(at)
	}
	stuck, still := p.runner.Stuck(), p.runner.Still()
	if !stuck && still <= rememberedAfter {
		return current, FromModel, nil
	}
	switch age := p.runner.Now().Sub(at); {
	case age > MaxStaleness && (stuck || still > stillAfter):
		return 0, 0, fmt.Errorf("%w: it does not move", ErrUnreadable)
	case age > rememberedAfter:
		return current, FromMemory, nil
	}
	return current, FromModel, nil
}

// BatchGet appends to dst the ATS of each SKU on one channel, in the order asked; ErrUnknownChannel.
func (p *Projection) BatchGet(ctx context.Context, channel string, skus []string, dst []Availability) ([]Availability, error) {
	first := len(dst)
	current, from, err := p.batch(ctx, channel, skus, func(prices *pricing, i int, d *Document, sku string) error {
		a, err := p.answer(ctx, prices, d, sku, i, p.runner.Now)
		if err == nil {
			dst = append(dst, a)
		}
		return err
	})
	for i := range dst[first:] {
		a := &dst[first+i]
		a.CurrentAt, a.From = current, from
	}
	return dst, err
}

// batch calls each with the document of every SKU, nil for one that nothing was recorded for, and the place of the channel in the pricing in force. It returns up to
// when what the documents say is current, and what they were read from.
func (p *Projection) batch(ctx context.Context, channel string, skus []string, each func(prices *pricing, i int, d *Document, sku string) error) (
	current aggregates.Instant, from From, err error) {
	prices := p.prices()
	i, ok := prices.find(channel)
	if !ok {
		return 0, 0, fmt.Errorf("%w: %q", ErrUnknownChannel, channel)
	}
	if current, from, err = p.standing(); err != nil {
		return 0, 0, err
	}
	for _, sku := range skus {
		d, err := p.document(ctx, sku)
		if err == nil {
			err = each(prices, i, d, sku)
		}
		if err != nil {
			return current, from, err
		}
	}
	return current, from, nil
}

// Stock returns a SKU's document under the policies in force, nil when nothing was ever recorded for it.
func (p *Projection) Stock(ctx context.Context, sku string) (*Document, error) {
	d, err := p.document(ctx, sku)
	if d == nil || err != nil {
		return nil, err
	}
	return d.under(p.prices()), nil
}

// Scan returns up to limit (at most MaxScan) documents of the SKUs after a SKU, in bytewise order; "" is before all.
// It ends when it returns none.
func (p *Projection) Scan(ctx context.Context, after string, limit int) ([]*Document, error) {
	return p.scan(after, func() ([]*Document, error) { return p.model.Scan(ctx, after, min(limit, MaxScan)) })
}

// scan brings what look finds up to date, and notes what is to be known of it.
func (p *Projection) scan(after string, look func() ([]*Document, error)) ([]*Document, error) {
	var list []*Document
	steady, err := p.runner.Steadily(func() (err error) {
		list, err = look()
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: scan documents after SKU %q: %w", ErrUnreadable, after, err)
	case !steady:
		return nil, errRepairing
	}
	prices := p.prices()
	for i, d := range list {
		if published := p.cache.Get(d.SKU); published != nil {
			d = published // the stored one may be newer and not published yet
		}
		if d.boundary != 0 {
			p.boundaries.note(d)
		}
		list[i] = d.under(prices)
		p.risks.note(list[i], true)
	}
	return list, nil
}

// Position is the store position up to which everything is readable.
func (p *Projection) Position() uint64 { return p.runner.Position() }

// CatchingUp tells whether the projection moves towards what the store held when it began, and is not there yet.
func (p *Projection) CatchingUp() bool { return p.runner.CatchingUp() }

// WaitForEnd waits until everything that the store holds now is readable, policies included.
func (p *Projection) WaitForEnd(ctx context.Context) error {
	if err := p.runner.WaitForEnd(ctx); err != nil {
		return err
	}
	return p.dir.WaitForEnd(ctx)
}

// WaitFor waits until everything up to a position is readable, policies included.
func (p *Projection) WaitFor(ctx context.Context, position uint64) error {
	if err := p.runner.WaitFor(ctx, position); err != nil {
		return err
	}
	return p.dir.WaitFor(ctx, position)
}

// Stuck tells that the projection does not move, for the reason that Status has, or has not heard of the store for a while.
func (p *Projection) Stuck() bool { return p.runner.Stuck() || p.runner.Still() > rememberedAfter }

// Fresh is nil while answers can be given from here that are at most MaxStaleness old, or it says why they cannot.
func (p *Projection) Fresh() error {
	if p.runner.Loads() < 2 {
		return fmt.Errorf("%w: it is being loaded for the first time", ErrUnreadable)
	}
	if p.runner.Repairing() {
		return errRepairing
	}
	_, _, err := p.standing()
	return err
}

// Status tells how far the projection has come.
func (p *Projection) Status(ctx context.Context) projections.Status { return p.runner.Status(ctx) }

// CacheBytes is about what the documents in memory take.
func (p *Projection) CacheBytes() int64 { return p.cache.Bytes() }

var errRepairing = fmt.Errorf("%w: it lost what was written, and is being built again", ErrUnreadable)

// document returns the published document of a SKU, nil when there is none. While the model is being built again there
// is none to be had: it may be older than what readers have seen.
func (p *Projection) document(ctx context.Context, sku string) (*Document, error) {
	d, steady, err := p.look(ctx, sku)
	if !steady && !p.runner.Repairing() { // it was loaded meanwhile, and is all there
		d, steady, err = p.look(ctx, sku)
	}
	if !steady {
		return nil, errRepairing
	}
	return d, err
}

// look returns a document that is cached or stored, and whether the model was the same one all the while: while it is built
// again, folding brings old documents into the cache.
func (p *Projection) look(ctx context.Context, sku string) (d *Document, steady bool, err error) {
	loads := p.runner.Loads()
	if p.runner.Repairing() {
		return nil, false, nil
	}
	if d = p.cache.Get(sku); d == nil {
		d, err = p.cache.Load(ctx, sku, p.readPublished)
	}
	return d, p.runner.Loads() == loads && !p.runner.Repairing(), err
}

func (p *Projection) readPublished(ctx context.Context, sku string) (d *Document, err error) {
	steady, err := p.runner.Steadily(func() (err error) {
		d, err = p.read(ctx, sku)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	case !steady:
		return nil, errRepairing
	}
	return d, nil
}

// latest returns the newest document that was written, for folding on.
func (p *Projection) latest(ctx context.Context, sku string) (*Document, error) {
	if d := p.cache.Get(sku); d != nil {
		return d, nil
	}
	return p.cache.Load(ctx, sku, p.read)
}

func (p *Projection) read(ctx context.Context, sku string) (*Document, error) {
	d, err := p.model.Read(ctx, sku)
	if d == nil || err != nil {
		if err != nil {
			err = fmt.Errorf("read the document of SKU %q: %w", sku, err)
		}
		return nil, err
	}
	if prices := p.prices(); d.prices.version == prices.version && len(d.values) == len(prices.channels) {
		d.prices = prices
	}
	return d, nil
}

// prices returns the pricing under the policies in force.
func (p *Projection) prices() *pricing {
	t := p.dir.Tables()
	now := p.pricing.Load()
	if now != nil && now.version == t.Version() {
		return now
	}
	fresh := newPricing(t, now)
	if p.pricing.CompareAndSwap(now, fresh) {
		return fresh
	}
	return p.prices()
}
