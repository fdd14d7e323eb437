package availability

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// fold is the projection behind the documents. A document is folded in a draft, which only its worker knows and which shares what
// does not change with the document before it; when it is cut out, nobody changes it any more.
type fold struct {
	*Projection
	shards  []shard // by worker
	changed chan struct{}
	policy  uint64 // version of the policies that every document includes, those not yet cut out as well
	cutAt   uint64 // policy when last cut
	unheard bool   // there were changes that no watcher was told of; used when publishing only

	mended   []chan struct{} // to be closed when what is folded now is published
	exchange *exchanging     // between two subscriptions
}

// shard is one worker's part.
type shard struct {
	drafts map[string]draft
	cut    map[string]draft // the drafts last cut out: being written, or published
	bytes  int              // about what the drafts take
}

// draft is a document being folded, and the one published before it.
type draft struct {
	*Document
	before *Document // what watchers have heard of; nil when that was nothing, or is not known
}

// draftBytes is about what a draft takes beside its document; eventBytes what an event adds to it. It shares the balances of most locations with the
// document before it, which counts in full: it is mostly the draft alone that keeps that in memory.
const (
	draftBytes = 256
	eventBytes = 16
)

// policiesPatience is how long loading waits for the directory of policies before it reports that as an error.
const policiesPatience = 5 * time.Second

func newFold(p *Projection) *fold {
	return &fold{Projection: p, changed: make(chan struct{}, 1)}
}

func (f *fold) addWorkers(n int) { f.shards = make([]shard, n) }

// Load waits for the policies first, so that documents are not computed under old ones only to be computed again.
func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	waiting, done := context.WithTimeoutCause(ctx, policiesPatience, errors.New("they do not get on, see their own status"))
	defer done()
	if err := f.dir.WaitForEnd(waiting); err != nil {
		return projections.Progress{}, fmt.Errorf("wait for the policies: %w", err)
	}
	progress, err := f.model.Progress(ctx)
	if err == nil {
		progress, err = f.exchangeNow(ctx, progress)
	}
	if err != nil {
		return progress, err
	}
	f.restart(progress)
	return progress, nil
}

func (f *fold) Reset(ctx context.Context) error {
	if err := f.model.Reset(ctx); err != nil {
		return err
	}
	f.restart(projections.Progress{})
	return nil
}

// restart forgets what is only in memory. Documents may have been written and never published, so the cache goes too.
func (f *fold) restart(p projections.Progress) {
	for i := range f.shards {
		f.shards[i] = shard{drafts: map[string]draft{}}
	}
	letGo(f.mended)
	f.mended = nil
	f.policy, f.cutAt = p.Own, p.Own
	f.cache.Clear()
	f.hub.restart(p)
}

// FoldsFacts says that documents are made of facts and when they were recorded.
func (f *fold) FoldsFacts() {}

// Ignores nothing: every event of a SKU at least moves its document's position.
func (f *fold) Ignores(string) bool { return false }

func (f *fold) Unwritten() (bytes int) {
	for i := range f.shards {
		bytes += f.shards[i].bytes
	}
	return bytes
}

func (f *fold) Fold(ctx context.Context, worker int, e *projections.Event) error {
	s, sku := &f.shards[worker], e.Record.Stream[len(aggregates.SKUPrefix):]
	d, ok := s.drafts[sku]
	if !ok {
		sku = strings.Clone(sku)
		before, err := f.latest(ctx, s, sku)
		if err != nil {
			return err
		}
		d = s.begin(sku, before)
	}
	if e.Record.Position <= d.Position {
		// The document includes it already: this process was ended before it published that, or another one that shares the
		// read model was faster. What the watchers here have heard of is not known.
		d.before = nil
		s.drafts[d.SKU] = d
		return nil
	}
	d.Balances.Evolve(e.Fact)
	d.Position, d.RecordedAt = e.Record.Position, max(d.RecordedAt, e.Metadata.RecordedAt)
	d.weight += eventBytes
	s.bytes += eventBytes
	return nil
}

// latest returns the newest document of a SKU that is not a draft, nil when there is none.
func (f *fold) latest(ctx context.Context, s *shard, sku string) (*Document, error) {
	if d, ok := s.cut[sku]; ok {
		return d.Document, nil
	}
	return f.Projection.latest(ctx, sku)
}

// begin makes a draft of what comes after a document.
func (s *shard) begin(sku string, before *Document) draft {
	d := draft{Document: &Document{SKU: sku, made: new(made), weight: documentBytes + len(sku)}, before: before}
	if before != nil {
		d.Position, d.RecordedAt, d.Balances = before.Position, before.RecordedAt, before.Balances.Next()
		if s.cut[sku].Document == before {
			d.weight = before.weight // its values and sums are being worked out
		} else {
			d.weight = before.Size()
		}
	}
	s.drafts[sku] = d
	s.bytes += draftBytes + d.weight
	return d
}

func (f *fold) Cut() projections.Pending {
	c := &pending{fold: f, policy: f.policy, moved: f.policy != f.cutAt, drafts: make([]map[string]draft, len(f.shards)), mended: f.mended}
	f.cutAt, f.mended = f.policy, nil
	for i := range f.shards {
		s := &f.shards[i]
		c.drafts[i], s.cut = s.drafts, s.drafts
		c.count += len(s.drafts)
		s.drafts, s.bytes = map[string]draft{}, 0
	}
	return c
}

// pending is what was folded between two cuts.
type pending struct {
	fold   *fold
	policy uint64
	moved  bool // the version of the policies that every document includes
	drafts []map[string]draft
	count  int
	mended []chan struct{} // to be closed once it is published

	bundled []draft // of kits and components, found when publishing
}

func (c *pending) Empty() bool { return c.count == 0 && !c.moved }

// Write computes what the channels can sell under the policies in force, and stores the documents.
func (c *pending) Write(ctx context.Context, p projections.Progress) error {
	prices := c.fold.prices()
	documents := make([]*Document, 0, c.count)
	for _, drafts := range c.drafts {
		for _, d := range drafts {
			d.price(prices, d.before)
			documents = append(documents, d.Document)
		}
	}
	p.Own = c.policy
	return c.fold.model.Write(ctx, documents, p)
}

func (c *pending) Publish(through uint64) {
	for _, drafts := range c.drafts {
		for sku, d := range drafts {
			c.fold.cache.Put(sku, d.Document)
			c.fold.noteBoundary(d)
			c.fold.risks.note(d.Document, d.before == nil || d.before.prices != d.prices)
			if d.Balances.Bundle() != nil {
				c.bundled = append(c.bundled, d)
			}
		}
	}
	c.fold.publish(c, through)
	letGo(c.mended)
}

// noteBoundary keeps when rules of a SKU begin or end next, while it has such.
func (f *fold) noteBoundary(d draft) {
	if d.boundary != 0 || d.before == nil || d.before.boundary != 0 {
		f.boundaries.note(d.Document)
	}
}

// farBehind is from how many events on it is cheaper for watchers to read the documents once they are current than to hear
// of every change on the way.
const farBehind = 1 << 16

// publish tells the watchers what changed. While the model is built again they would see old values once more, and while it
// is far behind, many that do not last: they go back to the documents when it is done.
func (f *fold) publish(c *pending, through uint64) {
	switch {
	case f.runner.Lost(through), f.runner.Behind(through) > farBehind:
		f.unheard = true
	case f.unheard:
		f.unheard = false
		f.hub.restart(projections.Progress{Position: through, Own: c.policy})
	default:
		f.announce(c, through)
	}
}

// announce tells the watchers of documents, and of kits that these are components of. When those cannot be looked at now, watchers go back to
// the documents.
func (f *fold) announce(c *pending, through uint64) {
	kits, err := f.kitChanges(c)
	if err != nil {
		f.hub.restart(projections.Progress{Position: through, Own: c.policy})
		return
	}
	f.hub.publish(c, through, kits)
}

var _ projections.Projection = (*fold)(nil)
