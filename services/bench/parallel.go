package bench

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallelCalls bounds the calls in flight outside the windows measured.
const parallelCalls = 8

// parallel runs do for 0 to n-1, some at once, until one fails. It returns the first error.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(n, parallelCalls) {
		running.Go(func() {
			for i := int(next.Add(1) - 1); i < n && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}
