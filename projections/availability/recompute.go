package availability

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// recomputeChunk is how many documents are computed anew between two batches of live events.
const recomputeChunk = 64

// policyChanged wakes the pass over all documents.
func (f *fold) policyChanged(c policies.Change) {
	if len(c.Channels) == 0 {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Tend brings the stored values of all documents up to date after each change of policies, and takes in documents that are mended. How far that has come is
// stored with the documents; a pass cut short starts again, and passes over what is up to date. Nobody else changes
// f.policy meanwhile.
func (f *fold) Tend(ctx context.Context, touch projections.Touch) error {
	for {
		if prices := f.prices(); prices.version != f.policy {
			if err := f.recompute(ctx, prices.version, touch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-f.changed:
		case m := <-f.mendings:
			if err := f.mend(m, touch); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// recompute has every document written that was computed under policies older than a version. Those being written
// may have been computed before the change and are not stored yet, so they come first.
func (f *fold) recompute(ctx context.Context, version uint64, touch projections.Touch) error {
	if err := touch(f.touchCut); err != nil {
		return err
	}
	after := ""
	for {
		chunk, err := f.model.Scan(ctx, after, recomputeChunk)
		if err != nil {
			return fmt.Errorf("scan documents after SKU %q: %w", after, err)
		}
		if len(chunk) == 0 {
			break
		}
		after = chunk[len(chunk)-1].SKU
		err = touch(func(workerOf func(string) int) error {
			for _, d := range chunk {
				if d.Policies() >= version {
					continue
				}
				if err := f.touchDocument(ctx, workerOf, d.SKU, version); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return touch(func(func(string) int) error { f.policy = version; return nil })
}

// touchCut has what was last cut out written again.
func (f *fold) touchCut(func(string) int) error {
	for i := range f.shards {
		s := &f.shards[i]
		for sku, d := range s.cut {
			if _, ok := s.drafts[sku]; !ok {
				s.begin(sku, d.Document)
			}
		}
	}
	return nil
}

// touchDocument makes a draft of a document that has no other change than its policies.
func (f *fold) touchDocument(ctx context.Context, workerOf func(string) int, sku string, version uint64) error {
	s := &f.shards[workerOf(aggregates.SKUPrefix+sku)]
	if _, ok := s.drafts[sku]; ok {
		return nil
	}
	if _, ok := s.cut[sku]; !ok {
		before, err := f.Projection.latest(ctx, sku)
		if err != nil || before == nil || before.Policies() >= version {
			return err
		}
		s.begin(sku, before)
		return nil
	}
	s.begin(sku, s.cut[sku].Document)
	return nil
}
