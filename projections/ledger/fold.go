package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// fold is the projection behind the ledger. One worker folds, in the order of the store: what was known at an instant depends on it.
type fold struct {
	ledger    *Ledger
	interval  int
	postings  []posting
	spare     []posting // memory for those after the next cut; used by Cut and Write only
	items     []description
	watermark aggregates.Instant
	names     map[string]string // so that a name is kept once
	kept      int               // postings in memory that are written; used by Write only
}

func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	f.ledger.loading.Lock()
	defer f.ledger.loading.Unlock()
	f.postings, f.items, f.names, f.kept = nil, nil, map[string]string{}, 0
	p, err := f.ledger.model.Progress(ctx)
	if err != nil {
		return p, err
	}
	f.watermark = aggregates.Instant(p.Own)
	f.ledger.taken = p.Position
	f.ledger.head.Store(&head{p.Position, f.watermark})
	for g := range f.ledger.parts {
		stored, err := f.ledger.model.Group(ctx, g)
		if err != nil {
			return p, err
		}
		r := reader{b: stored}
		through := uint64(0)
		if stored != nil {
			through = r.uvarint()
		}
		if r.bad {
			return p, fmt.Errorf("group %d: %w", g, ErrDamaged)
		}
		f.ledger.parts[g].begin(through)
	}
	return p, nil
}

func (x *part) begin(through uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.recent, x.items, x.through = nil, nil, through
	x.used.Store(through > 0)
	x.late.Store(false)
}

func (f *fold) Reset(ctx context.Context) error {
	if err := f.ledger.model.Reset(ctx); err != nil {
		return err
	}
	_, err := f.Load(ctx)
	return err
}

// FoldsFacts says that postings are made of facts and their times.
func (f *fold) FoldsFacts() {}

// Ignores nothing: the order of all recordings decides what was known.
func (f *fold) Ignores(string) bool { return false }

// Watch looks for what the read model loses.
func (f *fold) Watch(ctx context.Context) error { return projections.WatchModel(ctx, f.ledger.model) }

// Unwritten counts each posting three times: here, in the list that is being written, and in its group.
func (f *fold) Unwritten() int { return 3 * int(unsafe.Sizeof(posting{})) * len(f.postings) }

func (f *fold) Fold(_ context.Context, _ int, e *projections.Event) error {
	f.watermark = max(f.watermark, e.Metadata.RecordedAt)
	sku := f.name(e.Record.Stream[len(aggregates.SKUPrefix):])
	first := len(f.postings)
	f.postings = post(f.postings, sku, e, f.watermark)
	for i := first; i < len(f.postings); i++ {
		f.postings[i].location = f.name(f.postings[i].location)
	}
	if d, ok := describe(sku, e, f.watermark); ok {
		f.items = append(f.items, d)
	}
	return nil
}

// name returns a text that shares no memory with an event.
func (f *fold) name(s string) string {
	if kept, ok := f.names[s]; ok {
		return kept
	}
	kept := string([]byte(s))
	f.names[kept] = kept
	return kept
}

// maxNames bounds the names that are kept once.
const maxNames = 1 << 17

func (f *fold) Cut() projections.Pending {
	p := &pending{fold: f, postings: f.postings, items: f.items, watermark: f.watermark}
	f.postings, f.spare, f.items = f.spare, nil, nil
	if len(f.names) > maxNames {
		clear(f.names)
	}
	return p
}

// pending is what was folded between two cuts.
type pending struct {
	*fold
	postings  []posting
	items     []description
	watermark aggregates.Instant
}

func (p *pending) Empty() bool { return len(p.postings)+len(p.items) == 0 }

// Write puts postings into memory, and what is there into blocks when it is much. The stored progress says no more than what is
// in blocks.
func (p *pending) Write(ctx context.Context, progress projections.Progress) error {
	l := p.ledger
	l.writing.Lock()
	defer l.writing.Unlock()
	for i := range p.postings {
		x := &p.postings[i]
		l.parts[groupOf(x.sku)].take(x, nil)
	}
	for i := range p.items {
		l.parts[groupOf(p.items[i].sku)].take(nil, &p.items[i])
	}
	l.taken = progress.Position
	p.fold.kept += len(p.postings) + len(p.items)
	if cap(p.postings) <= maxSpare {
		clear(p.postings)
		p.fold.spare = p.postings[:0]
	}
	if p.fold.kept < p.interval {
		return nil
	}
	for g := range l.parts {
		if err := l.merge(ctx, g, progress.Position); err != nil {
			return fmt.Errorf("checkpoint of the ledger, group %d: %w", g, err)
		}
	}
	progress.Own = uint64(p.watermark)
	if err := l.model.Save(ctx, progress); err != nil {
		return err
	}
	p.fold.kept = 0
	return nil
}

func (x *part) take(p *posting, d *description) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.used.Store(true)
	if p != nil && p.position > x.through {
		x.recent = append(x.recent, *p)
		if p.late() {
			x.late.Store(true)
		}
	}
	if d != nil && d.position > x.through {
		x.items = append(x.items, *d)
	}
}

func (p *pending) Publish(through uint64) { p.ledger.head.Store(&head{through, p.watermark}) }

// merge puts what a group has in memory into its blocks.
func (l *Ledger) merge(ctx context.Context, g int, through uint64) error {
	x := &l.parts[g]
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.recent)+len(x.items) == 0 {
		return nil
	}
	stored, err := l.model.Group(ctx, g)
	if err != nil {
		return err
	}
	w := Written{}
	if w.Group, err = appendItems(stored, through, x.items); err != nil {
		return err
	}
	for a := range axes {
		if len(x.recent) == 0 {
			break
		}
		if w.Blocks[a], w.Gone[a], err = merge(ctx, l.model, g, a, x.recent); err != nil {
			return err
		}
	}
	if err := l.model.Write(ctx, g, w); err != nil {
		return err
	}
	x.recent, x.items, x.through = nil, nil, through
	x.late.Store(false)
	return nil
}

// appendItems gives the stored form of a group: the position, then each description, in order.
func appendItems(stored []byte, through uint64, more []description) ([]byte, error) {
	r := reader{b: stored}
	if stored != nil {
		r.uvarint()
	}
	if r.bad {
		return nil, ErrDamaged
	}
	b := append(binary.AppendUvarint(nil, through), r.b...)
	for i := range more {
		d := &more[i]
		b = binary.AppendUvarint(b, d.position)
		b = binary.AppendVarint(b, int64(d.watermark))
		for _, s := range [...]string{d.sku, d.item.Name, d.item.Unit, d.item.Category} {
			b = appendName(b, s)
		}
		b = binary.AppendUvarint(b, uint64(d.item.Decimals))
	}
	return b, nil
}

// items reads what SKUs of a group are, at a cut. On the axis of occurred time that is what was said last.
func items(stored []byte, more []description, c Cut) (map[string]Item, error) {
	r := reader{b: stored}
	if stored != nil {
		r.uvarint()
	}
	found := map[string]Item{}
	take := func(d *description) {
		if d.position <= c.limit() && (c.Axis == Occurred || d.watermark <= c.At) {
			found[d.sku] = d.item
		}
	}
	for len(r.b) > 0 {
		d := description{position: r.uvarint(), watermark: aggregates.Instant(r.varint()), sku: r.name()}
		d.item = Item{Name: r.name(), Unit: r.shared(), Category: r.shared(), Decimals: int(r.uvarint())}
		take(&d)
	}
	for i := range more {
		take(&more[i])
	}
	return found, r.err()
}

var _ projections.Projection = (*fold)(nil)
