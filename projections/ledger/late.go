package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// What came late lies in memory until its group is merged, and until then every question about occurred time after it has to be answered from the block of its
// instant on, however long ago that is. So groups with late postings are merged soon, one by one, while the store has little to do.

const (
	lateBy    = time.Minute // from then on a posting is late
	lateShare = 4           // so many times as long as a merge took, nothing is merged
)

var lateEvery = 200 * time.Millisecond // between looks for groups; less in tests

// late tells whether a posting belongs long before its recording.
func (p *posting) late() bool {
	return p.at[Recorded]-p.at[Occurred] > aggregates.Instant(lateBy/time.Microsecond) // of one that a count covers, too
}

// Tend merges groups with late postings until ctx ends.
func (f *fold) Tend(ctx context.Context, _ projections.Touch) error {
	t := time.NewTicker(lateEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		if err := f.ledger.mergeLate(ctx, lateShare); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// mergeLate merges every group with late postings, with rests of so many times as long as each took. It ends early when the store has much to do.
func (l *Ledger) mergeLate(ctx context.Context, rest time.Duration) error {
	for g := range l.parts {
		if !l.parts[g].late.Load() {
			continue
		}
		if l.runner.Busy() || ctx.Err() != nil {
			return nil
		}
		began := time.Now()
		if err := l.mergeNow(ctx, g); err != nil {
			return fmt.Errorf("merge what came late, group %d: %w", g, err)
		}
		if rest > 0 {
			projections.Sleep(ctx, rest*time.Since(began))
		}
	}
	return nil
}

func (l *Ledger) mergeNow(ctx context.Context, g int) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.merge(ctx, g, l.taken)
}
