package ledger

import (
	"context"
	"time"
)

// SetBlockEntries makes blocks small.
func SetBlockEntries(n int) { entriesPerBlock = n }

// LookForLate sets how often is looked for what came late.
func LookForLate(every time.Duration) { lateEvery = every }

// MergeLate merges what came late, at once.
func (l *Ledger) MergeLate(ctx context.Context) error { return l.mergeLate(ctx, 0) }

// Late tells whether something that came late is in memory.
func (l *Ledger) Late() bool {
	for g := range l.parts {
		if l.parts[g].late.Load() {
			return true
		}
	}
	return false
}
