package reservations

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
)

// fold is the projection behind the records.
type fold struct {
	*Projection
	shards []shard       // by worker
	sweep  chan struct{} // ended records may have to go
	swept  atomic.Int64  // recorded time up to which they went, in steps of sweepEvery
	cutAt  aggregates.Instant
	// written is the latest recording of an event that is written and published.
	written atomic.Int64
}

// shard is one worker's part.
type shard struct {
	drafts map[key]draft
	cut    map[key]draft      // the drafts last cut out: being written, or published
	newest aggregates.Instant // the latest recording of an event folded
	bytes  int                // about what the drafts take
}

// key names a record.
type key struct{ sku, id string }

// draft is a record being folded: now is nil when it is to be removed, before when it is new. Records themselves do not
// change.
type draft struct {
	before *Record // as last cut out
	now    *Record
}

// draftBytes is about what a draft takes beside its records.
const draftBytes = 200

func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	p, err := f.model.Progress(ctx)
	if err == nil {
		f.restart(aggregates.Instant(p.Own))
	}
	return p, err
}

func (f *fold) Reset(ctx context.Context) error {
	err := f.model.Reset(ctx)
	if err == nil {
		f.restart(0)
	}
	return err
}

// restart forgets what is only in memory. Records may have been written and never published, so the cache goes too.
// newest is the latest recording of an event in what is written.
func (f *fold) restart(newest aggregates.Instant) {
	for i := range f.shards {
		f.shards[i] = shard{drafts: map[key]draft{}, newest: newest}
	}
	f.cutAt = newest
	f.written.Store(int64(newest))
	f.swept.Store(0)
	f.early.reset()
	f.cache.Clear()
}

// ignored are the events of a SKU that are not about reservations. An event of a type not known here is not ignored: it
// might be.
var ignored = map[string]bool{
	stock.TypeItemRegistered: true, stock.TypeStockCounted: true, stock.TypeStockReceived: true, stock.TypeReceiptCostCorrected: true,
	stock.TypeStockSold: true, stock.TypeStockReturned: true, stock.TypeStockAdjusted: true,
	stock.TypeStockConditionChanged: true, stock.TypeTransferShipped: true, stock.TypeTransferReceived: true,
	stock.TypeOversoldDetected: true, stock.TypeSafetyStockSet: true, stock.TypeSupplyExpected: true,
	stock.TypeSupplyRescheduled: true, stock.TypeSupplyCancelled: true, stock.TypeShortfallDetected: true,
	stock.TypeReservationBarred: true, stock.TypeReservationOrdered: true, stock.TypeObservationRecorded: true,
	stock.TypeAllocationSet: true, stock.TypeSellingRuleSet: true, stock.TypeSafetyPeriodPassed: true,
	stock.TypeBufferSet: true, said.TypeTaken: true,
	stock.TypeKitDefined: true, stock.TypeKitMembershipSet: true,
}

// FoldsFacts says that records are made of facts and when they were recorded.
func (f *fold) FoldsFacts() {}

func (f *fold) Ignores(eventType string) bool { return ignored[eventType] }

// Watch looks for what the read model loses.
func (f *fold) Watch(ctx context.Context) error { return projections.WatchModel(ctx, f.model) }

func (f *fold) Unwritten() (bytes int) {
	for i := range f.shards {
		bytes += f.shards[i].bytes
	}
	return bytes
}

func (f *fold) Fold(ctx context.Context, worker int, e *projections.Event) error {
	id := reservationID(e.Fact)
	if id == "" {
		return nil
	}
	s := &f.shards[worker]
	k := key{sku: e.Record.Stream[len(aggregates.SKUPrefix):], id: id}
	d, err := f.draft(ctx, s, k)
	if err != nil {
		return err
	}
	at, position := e.Metadata.RecordedAt, e.Record.Position
	s.newest = max(s.newest, at)
	if d.now != nil && position <= d.now.Position {
		return nil // the record includes it already
	}
	if d.now != nil {
		k.sku = d.now.SKU
	} else {
		k.sku = strings.Clone(k.sku)
	}
	switch placed := e.Fact.(type) {
	case *stock.ReservationPlaced:
		s.keep(k, draft{d.before, place(k.sku, placed, at, position)})
	case *stock.KitReservationPlaced:
		if d.now == nil { // it may be said twice
			s.keep(k, draft{d.before, placeKits(k.sku, placed, at, position)})
		}
	default:
		if d.now != nil {
			s.keep(k, draft{d.before, d.now.after(e.Fact, at, position)})
		}
	}
	return nil
}

// reservationID is the id of the reservation that a fact is about, "" when it is about none.
func reservationID(fact aggregates.Event) string {
	switch e := fact.(type) {
	case *stock.ReservationPlaced:
		return e.ReservationID
	case *stock.ReservationConfirmed:
		return e.ReservationID
	case *stock.ReservationExtended:
		return e.ReservationID
	case *stock.ReservationFulfilled:
		return e.ReservationID
	case *stock.ReservationReleased:
		return e.ReservationID
	case *stock.ReservationExpired:
		return e.ReservationID
	case *stock.ReservationReallocated:
		return e.ReservationID
	case *stock.ReservationChanged:
		return e.ReservationID
	case *stock.KitReservationPlaced:
		return e.ReservationID
	case *stock.KitReservationEnded:
		return e.ReservationID
	}
	return ""
}

func (s *shard) keep(k key, d draft) {
	if old, ok := s.drafts[k]; ok && old.now != nil {
		s.bytes -= old.now.Size()
	} else if !ok {
		s.bytes += draftBytes
	}
	if d.now != nil {
		s.bytes += d.now.Size()
	}
	s.drafts[k] = d
}

// draft returns the newest state of a record.
func (f *fold) draft(ctx context.Context, s *shard, k key) (draft, error) {
	if d, ok := s.drafts[k]; ok {
		return d, nil
	}
	if d, ok := s.cut[k]; ok {
		return draft{d.now, d.now}, nil
	}
	if known := f.cache.Get(k.id); known != nil {
		if r := known.of(k.sku); r != nil || known.all {
			return draft{r, r}, nil
		}
	}
	r, err := f.model.One(ctx, k.id, k.sku)
	if err != nil {
		return draft{}, fmt.Errorf("read reservation %q of SKU %q: %w", k.id, k.sku, err)
	}
	return draft{r, r}, nil
}

func (f *fold) Cut() projections.Pending {
	c := &pending{fold: f, newest: f.cutAt, drafts: make([]map[key]draft, len(f.shards))}
	for i := range f.shards {
		s := &f.shards[i]
		c.newest = max(c.newest, s.newest)
		c.drafts[i], s.cut = s.drafts, s.drafts
		c.count += len(s.drafts)
		s.drafts, s.bytes = map[key]draft{}, 0
	}
	f.cutAt = c.newest
	return c
}

// pending is what was folded between two cuts.
type pending struct {
	fold   *fold
	newest aggregates.Instant // the latest recording of an event folded so far
	drafts []map[key]draft
	count  int
}

func (c *pending) Empty() bool { return c.count == 0 }

func (c *pending) Write(ctx context.Context, p projections.Progress) error {
	changes := make([]Change, 0, c.count)
	for _, drafts := range c.drafts {
		for _, d := range drafts {
			changes = append(changes, Change{Before: d.before, After: d.now})
		}
	}
	p.Own = uint64(c.newest)
	return c.fold.model.Write(ctx, changes, p)
}

func (c *pending) Publish(uint64) {
	for _, drafts := range c.drafts {
		for k, d := range drafts {
			c.fold.cache.Put(k.id, c.fold.cache.Get(k.id).with(k.sku, d.now))
			if d.now != nil && d.now.ExpiresAt != 0 && d.now.Live() {
				c.fold.early.lower(d.now.ExpiresAt)
			}
		}
	}
	c.fold.mindSweep(c.newest)
}

var _ projections.Projection = (*fold)(nil)
