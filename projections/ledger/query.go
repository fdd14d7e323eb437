package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
)

// Place is what lay at one location at an instant, in base units, and what it was worth.
type Place struct {
	Location                      string
	OnHand                        [conditions]int64
	Reserved, InTransit, Incoming int64
	Value                         int64 // of what is on hand, in minor units of the SKU's currency
	InTransitValue                int64
	Uncosted                      int64 // units on hand whose cost is not known; they are worth nothing
}

func (p *Place) zero() bool {
	return p.OnHand == [conditions]int64{} && p.Reserved|p.InTransit|p.Incoming|p.Value|p.InTransitValue|p.Uncosted == 0
}

// Units on hand, in any condition.
func (p *Place) Units() (n int64) {
	for _, x := range p.OnHand {
		n += x
	}
	return n
}

// SKU is one at an instant. Places without anything are left out.
type SKU struct {
	SKU      string
	Item     Item
	Currency string  // "" when nothing of it ever had a cost
	Places   []Place // in order of location
}

// Snapshot is every SKU at an instant, in order of SKU.
type Snapshot struct {
	Result
	SKUs []SKU
}

// Result says what an answer was built from.
type Result struct {
	Position uint64 // repeat the question with it and get the same answer
	Events   uint64 // that changed a number
	Settled  bool   // without the position as well, for ever
}

// ask calls f with a cut that has a position. What is in memory is not dropped meanwhile.
func (l *Ledger) ask(c Cut, f func(c Cut) error) (Result, error) {
	l.loading.RLock()
	defer l.loading.RUnlock()
	asked, head := c, l.head.Load()
	if asked.Position == 0 {
		asked.Position = head.position
	}
	r := Result{Position: asked.Position, Settled: c.Axis == Recorded && head.watermark > c.At}
	return r, f(asked)
}

// Past tells of one SKU; nil when nothing was known of it.
func (l *Ledger) Past(ctx context.Context, c Cut, sku string, m valuation.Method) (found *SKU, r Result, err error) {
	r, err = l.ask(c, func(c Cut) error {
		all, g, err := l.group(ctx, groupOf(sku), c, m)
		found = nil
		for i := range all {
			if all[i].SKU == sku {
				found = &all[i]
			}
		}
		r.Events = g.events
		return err
	})
	return found, r, err
}

// All tells of every SKU.
func (l *Ledger) All(ctx context.Context, c Cut, m valuation.Method) (*Snapshot, error) {
	s := &Snapshot{}
	r, err := l.ask(c, func(c Cut) error {
		found := make([][]SKU, Groups)
		var events, last atomic.Uint64
		err := l.each(ctx, func(g int) error {
			skus, x, err := l.group(ctx, g, c, m)
			if err != nil {
				return err
			}
			found[g] = skus
			events.Add(x.events)
			raise(&last, x.position)
			return nil
		})
		s.SKUs, s.Events, s.Position = slices.Concat(found...), events.Load(), last.Load()
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.Axis == Occurred {
		s.Position = r.Position
	}
	s.Settled = r.Settled
	slices.SortFunc(s.SKUs, func(a, b SKU) int { return cmp.Compare(a.SKU, b.SKU) })
	return s, nil
}

func raise(v *atomic.Uint64, to uint64) {
	for old := v.Load(); old < to && !v.CompareAndSwap(old, to); old = v.Load() {
	}
}

// each calls f for every group that has something, several at once, until one fails.
func (l *Ledger) each(ctx context.Context, f func(g int) error) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	errs := make([]error, max(1, runtime.GOMAXPROCS(0)))
	for w := range errs {
		workers.Go(func() {
			for g := int(next.Add(1)) - 1; g < Groups && errs[w] == nil; g = int(next.Add(1)) - 1 {
				if errs[w] = context.Cause(ctx); errs[w] == nil && l.parts[g].used.Load() {
					errs[w] = f(g)
				}
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// read loads a group while nothing merges it.
func (l *Ledger) read(ctx context.Context, g int, c Cut, from aggregates.Instant, m valuation.Method) (t *timeline, known map[string]Item, err error) {
	x := &l.parts[g]
	x.mu.RLock()
	defer x.mu.RUnlock()
	if t, err = load(ctx, l.model, g, c, from, x.recent, m); err != nil {
		return nil, nil, err
	}
	stored, err := l.model.Group(ctx, g)
	if err != nil {
		return nil, nil, err
	}
	if known, err = items(stored, x.items, c); err != nil {
		return nil, nil, fmt.Errorf("ledger, group %d: %w", g, err)
	}
	return t, known, nil
}

// group tells of the SKUs of one group.
func (l *Ledger) group(ctx context.Context, g int, c Cut, m valuation.Method) ([]SKU, *group, error) {
	t, known, err := l.read(ctx, g, c, c.At, m)
	if err != nil {
		return nil, newGroup(), err
	}
	t.advance(c.At)
	defer t.free()
	list := make([]SKU, 0, len(t.skus))
	for i := range t.skus {
		places := t.places(int32(i), m)
		if len(places) == 0 {
			continue
		}
		list = append(list, SKU{SKU: t.sku[i], Item: known[t.sku[i]], Currency: t.skus[i].currency, Places: places})
	}
	return list, t.group, nil
}

// places tells of one SKU, in order of location.
func (g *group) places(sku int32, m valuation.Method) []Place {
	s := &g.skus[sku]
	list := make([]Place, 0, len(s.rows))
	for i := range s.rows {
		r := &s.rows[i]
		p := Place{Location: g.location[r.location], OnHand: r.onHand, Reserved: r.reserved, InTransit: r.inTransit, Incoming: r.incoming}
		switch {
		case r.pools != nil:
			p.Value, p.InTransitValue = r.pools.stock[m].Value(), r.pools.transit[m].Value()
			p.Uncosted = r.pools.stock[m].Uncosted
		default:
			p.Uncosted = max(0, p.Units())
		}
		if !p.zero() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Place) int { return cmp.Compare(a.Location, b.Location) })
	return list
}

// Line is what became of a SKU at a location between two instants: Opening plus each flow is Closing, in units and in value.
type Line struct {
	SKU, Location, Currency, Category, Unit string
	Decimals                                int
	Opening, Closing                        Amount
	Flow                                    [stock.Flows]Amount
}

// Amount is units and what they are worth. Units leave with a minus.
type Amount struct{ Units, Value int64 }

// Add adds up.
func (a *Amount) Add(b Amount) { a.Units, a.Value = a.Units+b.Units, a.Value+b.Value }

func (x *Line) zero() bool {
	return x.Opening == Amount{} && x.Closing == Amount{} && x.Flow == [stock.Flows]Amount{}
}

// Report is every line between two instants, in order of SKU and location.
type Report struct {
	Result
	Lines []Line
}

// Between tells what changed after an instant, up to that of the cut.
func (l *Ledger) Between(ctx context.Context, from aggregates.Instant, c Cut, m valuation.Method) (*Report, error) {
	report := &Report{}
	r, err := l.ask(c, func(c Cut) error {
		found := make([][]Line, Groups)
		var events, last atomic.Uint64
		err := l.each(ctx, func(g int) error {
			t, known, err := l.read(ctx, g, c, from, m)
			if err != nil {
				return err
			}
			found[g] = t.between(from, c.At, m, known)
			t.free()
			events.Add(t.events)
			raise(&last, t.position)
			return nil
		})
		report.Lines, report.Events, report.Position = slices.Concat(found...), events.Load(), last.Load()
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.Axis == Occurred {
		report.Position = r.Position
	}
	report.Settled = r.Settled
	slices.SortFunc(report.Lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Location, b.Location)) })
	return report, nil
}

// between moves a timeline from one instant to another and tells what changed.
func (t *timeline) between(from, to aggregates.Instant, m valuation.Method, known map[string]Item) []Line {
	t.advance(from)
	lines := map[[2]int32]*Line{}
	line := func(sku, location int32) *Line {
		x := lines[[2]int32{sku, location}]
		if x == nil {
			item := known[t.sku[sku]]
			x = &Line{SKU: t.sku[sku], Location: t.location[location], Category: item.Category, Unit: item.Unit, Decimals: item.Decimals}
			lines[[2]int32{sku, location}] = x
		}
		return x
	}
	t.eachRow(func(sku int32, r *row) { line(sku, r.location).Opening = r.amount(m) })
	t.watch = func(x move) { line(x.sku, x.location).Flow[x.flow].Add(Amount{x.units, x.value[m]}) }
	t.advance(to)
	t.watch = nil
	t.eachRow(func(sku int32, r *row) {
		x := line(sku, r.location)
		x.Closing, x.Currency = r.amount(m), t.skus[sku].currency
	})
	list := make([]Line, 0, len(lines))
	for _, x := range lines {
		if !x.zero() {
			list = append(list, *x)
		}
	}
	return list
}

func (g *group) eachRow(f func(sku int32, r *row)) {
	for i := range g.skus {
		for j := range g.skus[i].rows {
			f(int32(i), &g.skus[i].rows[j])
		}
	}
}

func (r *row) amount(m valuation.Method) (a Amount) {
	for _, n := range r.onHand {
		a.Units += n
	}
	if r.pools != nil {
		a.Value = r.pools.stock[m].Value()
	}
	return a
}

// Step is a change of what is on hand of a SKU at a location, by one event. Counts of one instant are told as one.
type Step struct {
	Position uint64
	At       aggregates.Instant
	Location string
	Flow     stock.Flow
	Amount
}

// Trace lists what makes up the lines of one SKU between two instants, in order.
func (l *Ledger) Trace(ctx context.Context, sku string, from aggregates.Instant, c Cut, m valuation.Method) (steps []Step, r Result, err error) {
	r, err = l.ask(c, func(c Cut) error {
		t, _, err := l.read(ctx, groupOf(sku), c, from, m)
		if err != nil {
			return err
		}
		steps = nil
		t.advance(from)
		t.watch = func(x move) {
			if t.sku[x.sku] == sku {
				steps = append(steps, Step{Position: x.position, At: x.at, Location: t.location[x.location], Flow: x.flow, Amount: Amount{x.units, x.value[m]}})
			}
		}
		t.advance(c.At)
		return nil
	})
	return steps, r, err
}

// Shows tells whether the answer to a cut is all there, whatever the store holds beyond.
func (l *Ledger) Shows(c Cut) bool {
	head := l.head.Load()
	if c.Position != 0 {
		return c.Position <= head.position
	}
	return c.Axis == Recorded && head.watermark > c.At
}
