package reconciliation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/reconciliation/classify"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
)

// Bounds of what a snapshot says. Of one beyond them nothing is compared, and every row is told as such.
const (
	MaxLocations = 10_000  // of one that is complete
	MaxSKURows   = 100_000 // of one SKU
)

// ErrIncomplete says that not every chunk of a snapshot has come.
var ErrIncomplete = errors.New("not every chunk of the snapshot has come")

// Compare compares a snapshot that is whole, corrects what is to be corrected, and completes the run; nothing when it is completed. It may be called again after
// any error, and by several at once.
func (s *Service) Compare(ctx context.Context, runID string) error {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
		s.busy.Store(runID, true)
		defer s.busy.Delete(runID)
	case <-ctx.Done():
		return ctx.Err()
	}
	state, err := s.run(ctx, runID)
	if err != nil || state.Completed != nil {
		return cmp.Or(err, s.delist(ctx, runID, &state))
	}
	c := &comparison{Service: s, id: runID, header: state.Header, until: state.RowsAt, locations: map[string]bool{},
		ends: logEnds{state.Header.AsOf, map[partition]logEnd{}}}
	c.rows.dir = s.Dir
	defer func() {
		if err := c.rows.close(); err != nil {
			s.Log.Warn("files of a reconciliation are not removed", "error", err)
		}
	}()
	if err := c.compare(ctx); err != nil {
		s.stats.failures.Add(1)
		return fmt.Errorf("reconciliation run %s: %w", runID, err)
	}
	return nil
}

// comparison is one in the making.
type comparison struct {
	*Service
	id        string
	header    reconciliation.Header
	until     aggregates.Instant // what was recorded by then is compared
	rows      sorter
	locations map[string]bool // that the snapshot is about
	outside   *outside
	ends      logEnds

	taken   reconciliation.Totals // rows, and those that could not be read
	unfit   string                // why nothing of it can be compared
	part    part
	kept    kept
	whole   *wholly
	pending []reconciliation.Row // of one SKU
}

func (c *comparison) compare(ctx context.Context) error {
	err := c.load(ctx)
	if err == nil && c.unfit == "" {
		err = c.measure()
	}
	if err != nil {
		return err
	}
	if c.unfit != "" {
		return c.giveUp(ctx)
	}
	if c.outside, err = c.Service.outside(ctx); err != nil {
		return err
	}
	if c.header.Complete {
		if err := tokens.AwaitEnd(ctx, c.Items); err != nil {
			return err
		}
		c.whole = &wholly{items: c.Items}
	}
	err = c.rows.each(func(r *reconciliation.Row) error {
		if len(c.pending) > 0 && c.pending[0].SKU != r.SKU {
			if err := c.settle(ctx); err != nil {
				return err
			}
		}
		c.pending = append(c.pending, *r)
		return nil
	})
	if err == nil {
		err = c.settle(ctx)
	}
	if err == nil {
		err = c.unsaid(ctx, "")
	}
	if err == nil {
		err = c.keepPart(ctx)
	}
	if err != nil {
		return err
	}
	return c.finish(ctx)
}

// load reads the rows that were taken, and what is kept already of what was found.
func (c *comparison) load(ctx context.Context) error {
	chunks, last := 0, -1
	err := c.each(ctx, 0, func(e aggregates.Event, revision uint64) error {
		c.kept.next = revision + 1
		if f, ok := e.(*reconciliation.Found); ok {
			c.kept.take(f)
		}
		x, ok := e.(*reconciliation.RowsTaken)
		if !ok {
			return nil
		}
		if chunks++; x.Last {
			last = x.Chunk
		}
		c.taken.Rows, c.taken.Refused = c.taken.Rows+int64(len(x.Rows)), c.taken.Refused+int64(len(x.Refused))
		for i := range x.Rows {
			if l := x.Rows[i].Location; len(c.locations) < MaxLocations {
				c.locations[l] = true
			} else if c.header.Complete && !c.locations[l] {
				c.unfit = fmt.Sprintf("a complete snapshot is of at most %d locations, and this one has more; split it", MaxLocations)
			}
		}
		if c.unfit != "" {
			return nil
		}
		return c.rows.add(x.Rows)
	})
	if err == nil && chunks != last+1 {
		err = ErrIncomplete
	}
	if c.header.Location != "" {
		c.locations[c.header.Location] = true
	}
	return err
}

// measure finds a SKU with more rows than can be compared.
func (c *comparison) measure() error {
	if c.taken.Rows <= MaxSKURows {
		return nil
	}
	sku, n := "", 0
	return c.rows.each(func(r *reconciliation.Row) error {
		if r.SKU != sku {
			sku, n = r.SKU, 0
		}
		if n++; n > MaxSKURows && c.unfit == "" {
			c.unfit = fmt.Sprintf("SKU %q has more than %d rows", r.SKU, MaxSKURows)
		}
		return nil
	})
}

// giveUp completes a run of which nothing can be compared, so that nobody tries again and again.
func (c *comparison) giveUp(ctx context.Context) error {
	why := reconciliation.Found{Refused: []reconciliation.Refused{{Reason: clip(c.unfit)}}}
	_, err := c.Runs.Do(ctx, c.id, metadata(c.id, "part 0", &c.header, c.Now()), deciding[reconciliation.State](
		func(x *reconciliation.State) ([]aggregates.Event, error) { return reconciliation.Keep(x, why) }))
	if err != nil && !errors.Is(err, reconciliation.ErrOvertaken) { // somebody said so before
		return err
	}
	c.taken.Refused += c.taken.Rows
	return c.complete(ctx, c.taken)
}

// each reads the events of the run from a revision on.
func (c *comparison) each(ctx context.Context, from uint64, yield func(aggregates.Event, uint64) error) error {
	var bad error
	err := c.Store.ReadStream(ctx, aggregates.ReconciliationPrefix+c.id, from, func(r aggregates.Record) bool {
		var e aggregates.Event
		if e, _, bad = codec.Decode(r); bad == nil {
			bad = yield(e, r.Revision)
		}
		return bad == nil
	})
	return cmp.Or(err, bad)
}

// settle compares the rows of one SKU.
func (c *comparison) settle(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	rows := c.pending
	if err := c.unsaid(ctx, rows[0].SKU); err != nil {
		return err
	}
	if err := c.sku(ctx, rows[0].SKU, rows); err != nil {
		return err
	}
	c.pending = c.pending[:0]
	return nil
}

// sku compares what a snapshot says of a SKU. What is kept already is not compared again.
func (c *comparison) sku(ctx context.Context, sku string, rows []reconciliation.Row) error {
	if c.part.skus == partSKUs {
		if err := c.keepPart(ctx); err != nil {
			return err
		}
	}
	if sku <= c.kept.through {
		return nil
	}
	c.part.skus, c.part.last = c.part.skus+1, sku
	err := c.spots(ctx, sku, rows)
	var long *refusals.TooManyEvents
	if !errors.As(err, &long) {
		return err
	}
	for i := range rows {
		c.refuse(sku, rows[i].Line, long)
	}
	return nil
}

// spots compares each place that a snapshot tells of, of one SKU.
func (c *comparison) spots(ctx context.Context, sku string, rows []reconciliation.Row) error {
	if c.header.Channel != "" {
		return c.shown(ctx, sku, rows)
	}
	a, err := c.Service.read(ctx, sku, c.header.Source, c.header.AsOf, c.until)
	if err != nil {
		return err
	}
	said := map[spot]bool{}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Location == rows[0].Location && rows[n].Condition == rows[0].Condition {
			n++
		}
		said[spotOf(&rows[0])] = true
		c.place(ctx, a, rows[:n])
		rows = rows[n:]
	}
	if c.header.Complete {
		c.leftOut(ctx, sku, a, said)
	}
	return nil
}

// place compares the rows of one place: one, unless the source has the place twice.
func (c *comparison) place(ctx context.Context, a *account, rows []reconciliation.Row) {
	r := &rows[0]
	said, err := quantity(r, &a.item)
	if err != nil {
		c.refuse(r.SKU, r.Line, err)
		return
	}
	x := c.caseOf(ctx, a, r.SKU, spotOf(r), said)
	if len(rows) > 1 {
		c.note(a, r, x, classify.Finding{Class: reconciliation.Duplicate, Evidence: repeated(rows)})
		return
	}
	if x.Differs() {
		c.note(a, r, x, classify.Explain(x))
	}
}

// repeated is the evidence for a place that has several rows.
func repeated(rows []reconciliation.Row) (list []reconciliation.Evidence) {
	for i := range rows[:min(len(rows), classify.MaxEvidence)] {
		r := &rows[i]
		says := r.Decimal
		if says == "" {
			says = fmt.Sprint(r.Quantity)
		}
		list = append(list, reconciliation.Evidence{Kind: "row", Text: fmt.Sprintf("line %d says %s of the same place", r.Line, says)})
	}
	return list
}

func spotOf(r *reconciliation.Row) spot { return spot{r.Location, conditions[r.Condition]} }

// caseOf gathers the evidence about a place.
func (c *comparison) caseOf(ctx context.Context, a *account, sku string, at spot, said int64) *classify.Case {
	p := a.at(at)
	x := &classify.Case{Source: c.header.Source, AsOf: c.header.AsOf, Said: said, Held: p.held, Then: p.then}
	if !x.Differs() {
		return x
	}
	x.Late = p.late
	c.queued(ctx, x.Late, &c.ends)
	x.Letters, x.Unread = c.outside.lettersAt(sku, at, a)
	x.Twice, x.Observed, x.Counts = p.twice, p.unbelieved(), p.outranked()
	x.Gaps, x.Owners = c.outside.gapsOf(sku, at, a), c.owners(at.location)
	return x
}

// owners are the systems of record of what lies at a location.
func (c *comparison) owners(id string) []string {
	if l, ok := c.Directory.Location(id); ok && l.Owners != nil {
		if o, named := l.Owners.At(location.OnHand, c.header.AsOf); named {
			return o.Sources
		}
	}
	return nil
}

// note notes a discrepancy.
func (c *comparison) note(a *account, r *reconciliation.Row, x *classify.Case, f classify.Finding) {
	d := reconciliation.Discrepancy{SKU: r.SKU, Location: r.Location, Condition: r.Condition, Line: r.Line, Said: x.Said, Held: x.Held, HeldThen: x.Then,
		Class: f.Class, Evidence: f.Evidence, Decimals: a.item.Decimals}
	if r.Currency != "" {
		d.Currency, d.ValueAtRisk = r.Currency, risk(minus(x.Said, x.Held), r, a.item.Decimals)
	}
	if c.header.Policy != reconciliation.Report && c.header.Channel == "" && mendable(f.Class) {
		d.Proposed = minus(x.Said, x.Held)
		d.WithinLimits = c.header.Policy == reconciliation.Correct && d.Proposed != 0 && magnitude(d.Proposed) <= c.header.MaxUnits &&
			slices.Contains(x.Owners, c.header.Source)
	}
	c.part.discrepancies = append(c.part.discrepancies, d)
}

// mendable tells whether an adjustment mends a discrepancy of a class. What is on its way mends itself, and would count twice; what is a mistake of the source is
// mended there.
func mendable(class reconciliation.Class) bool {
	return class == reconciliation.Unexplained || class == reconciliation.ConflictingCounts
}

// minus is a difference; the largest, or the smallest, number when it does not fit.
func minus(a, b int64) int64 {
	switch c := a - b; {
	case a >= 0 && b < 0 && c < 0:
		return math.MaxInt64
	case a < 0 && b >= 0 && c >= 0:
		return math.MinInt64
	default:
		return c
	}
}

func magnitude(x int64) int64 {
	if x < 0 {
		return max(-(x + 1), -x) // of the smallest number the largest
	}
	return x
}

// scaled is |units| of an item with so many decimals, times a cost per unit.
func scaled(units, cost int64, decimals int) int64 {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	v := new(big.Int).Mul(big.NewInt(magnitude(units)), big.NewInt(cost))
	v.Add(v.Lsh(v, 1), power).Div(v, power.Lsh(power, 1))
	if !v.IsInt64() {
		return math.MaxInt64
	}
	return v.Int64()
}
