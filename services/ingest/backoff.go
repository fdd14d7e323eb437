package ingest

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses between tries.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// backoff makes pauses that grow. The zero value starts with the shortest.
type backoff struct{ tries int }

// next returns the next pause: twice the one before, up to lastPause, less up to a quarter by chance.
func (b *backoff) next() time.Duration {
	pause := min(firstPause<<min(b.tries, 16), lastPause)
	b.tries++
	return pause - rand.N(pause/4)
}

// wait pauses, or returns ctx's error.
func (b *backoff) wait(ctx context.Context) error {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
