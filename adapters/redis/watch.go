package redis

import (
	"context"
	"errors"
	"time"
)

// maxSilence is how many looks in a row may fail before a watch gives up.
const maxSilence = 4

// watch looks for losses until ctx ends, and returns nil then. It returns what it found, or why it could not look.
func (g *guard) watch(ctx context.Context) error {
	tick := time.NewTicker(g.db.opts.WatchEvery)
	defer tick.Stop()
	for silent, n := 0, 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		limited, done := context.WithTimeout(ctx, readTimeout)
		err := g.check(limited)
		if err == nil {
			err = g.db.inspect(limited)
		}
		done()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			silent = 0
		case !unanswered(err) || errors.Is(err, ErrLost) || errors.Is(err, ErrEvicts):
			return err
		default:
			if silent++; silent >= maxSilence {
				return err
			}
		}
	}
}
