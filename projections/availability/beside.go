package availability

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// besideCache bounds the documents that a read model beside keeps in memory.
const besideCache = 64 << 20

// catchUpPatience is how long a read model that takes another one's place waits for the last events, while nobody folds into the other one.
const catchUpPatience = 20 * time.Second

// Beside is a whole second read model, folded from the first event on with its own policies, beside the one that serves.
type Beside struct {
	*Projection
	rules   *policies.Directory
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// BesideConfig says what it is made of: all are needed. The models are empty.
type BesideConfig struct {
	Store     projections.Store
	Documents ReadModel
	Policies  policies.ReadModel
	Log       *slog.Logger
}

// StartBeside begins to build. Policies come first, so that documents are computed once. It goes on until Stop is called.
func StartBeside(c BesideConfig) *Beside {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Beside{rules: policies.New(policies.Config{Store: c.Store, Model: c.Policies, Log: c.Log}), cancel: cancel}
	b.Projection = New(Config{Store: c.Store, Model: c.Documents, Policies: b.rules, CacheBytes: besideCache, Log: c.Log})
	b.running.Go(func() { _ = b.rules.Run(ctx) }) // both return nil
	b.running.Go(func() {
		if err := b.rules.WaitForEnd(ctx); err == nil || ctx.Err() == nil {
			_ = b.Projection.Run(ctx)
		}
	})
	return b
}

// Stop ends building, and has everything written that was folded. It may be called again.
func (b *Beside) Stop() {
	b.cancel()
	b.running.Wait()
}

// Finish waits until the model includes everything up to a position, and stops.
func (b *Beside) Finish(ctx context.Context, least uint64) error {
	waiting, cancel := context.WithTimeoutCause(ctx, catchUpPatience, errors.New("the read model beside does not catch up"))
	defer cancel()
	if err := b.runner.WaitFor(waiting, least); err != nil {
		return err
	}
	b.Stop()
	p, err := b.model.Progress(ctx)
	if err == nil && p.Position < least {
		err = fmt.Errorf("the read model beside ended at position %d, before %d", p.Position, least)
	}
	return err
}

// ErrBesideWrong says that the second read model is not what a SKU's events come to, and must not be used.
var ErrBesideWrong = errors.New("the read model that was built beside is wrong itself")

// CompareBeside compares all documents with those of a second model that includes everything readable when it was called. Where they differ the SKU's stream decides.
// It calls drifted for each SKU whose document is wrong, in order of SKU, and counted now and then with how many were compared more; skipped are those that could
// not be.
func (c *Checker) CompareBeside(ctx context.Context, b *Beside, counted func(int) error, drifted func(*Drift) error) (skipped int64, err error) {
	here, there := &documents{model: c.model}, &documents{model: b.model}
	for {
		x, err := here.peek(ctx)
		if err != nil {
			return skipped, err
		}
		y, err := there.peek(ctx)
		if err != nil {
			return skipped, err
		}
		switch {
		case x == nil && y == nil:
			return skipped, nil
		case x == nil || y != nil && y.SKU < x.SKU:
			x = nil
			there.pop()
		case y == nil || x.SKU < y.SKU:
			y = nil
			here.pop()
		default:
			here.pop()
			there.pop()
		}
		d, sure, err := c.compareTwo(ctx, b, x, y)
		if err != nil {
			return skipped, err
		}
		if !sure {
			skipped++
		}
		if d != nil {
			if err := drifted(d); err != nil {
				return skipped, err
			}
		}
		if err := counted(1); err != nil {
			return skipped, err
		}
	}
}

// compareTwo compares the documents of one SKU, either of which may not be there. sure is false when it cannot be told.
func (c *Checker) compareTwo(ctx context.Context, b *Beside, live, built *Document) (d *Drift, sure bool, err error) {
	if live != nil && built != nil {
		same, err := alike(live, built)
		if same || err != nil {
			return nil, true, err
		}
	}
	sku := cmp.Or(live, built).SKU
	switch d, err = c.Check(ctx, sku); {
	case errors.Is(err, ErrAhead):
		return c.unfounded(ctx, b, live, built)
	case errors.Is(err, ErrCut):
		return nil, false, nil
	case d != nil || err != nil:
		return d, true, err
	case live != nil && built != nil && live.Position == built.Position:
		return nil, true, fmt.Errorf("%w: SKU %q at position %d", ErrBesideWrong, sku, built.Position)
	}
	return nil, true, nil // one is further than the other, or the SKU is new
}

// unfounded tells whether a document, of a position where the SKU's stream ends before, is of no event: that is known once the other model includes that position.
func (c *Checker) unfounded(ctx context.Context, b *Beside, live, built *Document) (*Drift, bool, error) {
	end, err := b.runner.Store.End(ctx)
	if err != nil || live == nil {
		return nil, false, err
	}
	if live.Position <= end {
		if err := b.runner.WaitFor(ctx, live.Position); err != nil {
			return nil, false, err
		}
	}
	d := &Drift{SKU: live.SKU, Kind: DriftUnfounded, Copy: CopyStored, Position: live.Position}
	now, err := b.model.Read(ctx, live.SKU)
	if err != nil {
		return nil, false, err
	}
	if now == nil {
		return d, true, nil
	}
	if now.Position >= live.Position {
		return nil, false, nil // the event came meanwhile
	}
	d.Should = now.Position
	return d, true, d.find(live, &fresh{Document: *now}, b.prices())
}

// alike tells whether two documents say the same. Values computed under other policies are passed over.
func alike(a, b *Document) (bool, error) {
	if a.Position != b.Position {
		return false, nil
	}
	if a.Policies() != b.Policies() {
		x, y := *a, *b
		x.prices, x.values, y.prices, y.values = nil, nil, nil, nil
		a, b = &x, &y
	}
	var e Encoder
	x, err := e.Append(nil, a)
	if err != nil {
		return false, err
	}
	y, err := e.Append(nil, b)
	return bytes.Equal(x, y), err
}

// documents reads those of a model in order of SKU.
type documents struct {
	model ReadModel
	after string
	page  []*Document
	ended bool
}

// documentsPage is how many documents are read at once.
const documentsPage = 256

// peek returns the next one, nil at the end.
func (d *documents) peek(ctx context.Context) (*Document, error) {
	if len(d.page) == 0 && !d.ended {
		page, err := d.model.Scan(ctx, d.after, documentsPage)
		if err != nil {
			return nil, fmt.Errorf("%w: scan documents after SKU %q: %w", ErrUnreadable, d.after, err)
		}
		if d.page, d.ended = page, len(page) == 0; !d.ended {
			d.after = page[len(page)-1].SKU
		}
	}
	if d.ended {
		return nil, nil
	}
	return d.page[0], nil
}

func (d *documents) pop() { d.page = d.page[1:] }
