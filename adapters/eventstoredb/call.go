package eventstoredb

import (
	"context"
	"errors"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/metadata"
)

// once makes one call on the client that works and returns by ctx's end, also when the call does not: it then ends by
// itself, since its own context has ended too. sent is false when the call was never made.
func once[T any](ctx context.Context, s *supervisor, f func(context.Context, *esdb.Client) (T, error)) (value T, sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return value, false, err
	}
	g, err := s.acquire(ctx)
	if err != nil {
		return value, false, err
	}
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer g.leave()
		both, end := within(ctx, g.calls)
		defer end()
		var o outcome
		o.err = guarded(func() (err error) {
			o.value, err = f(leader(both), g.client)
			return err
		})
		done <- o
	}()
	select {
	case o := <-done:
		if o.err != nil && g.calls.Err() != nil && ctx.Err() == nil {
			o.err = fmt.Errorf("%w: %w", errLost, o.err)
		}
		if o.err != nil && judge(o.err) == reconnect {
			g.retire()
		}
		return o.value, true, o.err
	case <-ctx.Done():
		return value, true, ctx.Err()
	}
}

// leader asks for the leader of the cluster. The client has an option for it that it does not send.
func leader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// within gives a context that ends with either of two.
func within(ctx, other context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return both, func() { stop(); cancel() }
}

// attempts counts what was tried.
type attempts struct {
	sent     bool // the server may have heard of it
	rejected int
}

// repeat makes a call until it succeeds, or fails for good, or ctx ends. The caller sees ctx's error with the last one of
// the server.
func repeat[T any](ctx context.Context, s *supervisor, tried *attempts, f func(context.Context, *esdb.Client) (T, error)) (T, error) {
	wait := minBackoff
	for {
		value, sent, err := once(ctx, s, f)
		tried.sent = tried.sent || sent
		if err == nil {
			return value, nil
		}
		if ctx.Err() != nil || errors.Is(err, errClosed) {
			return value, err
		}
		switch judge(err) {
		case tryAgain:
			sleep(ctx, wait)
			wait = min(2*wait, maxBackoff)
		case reconnect:
			// acquire waits for the next client
		case rejected:
			if tried.rejected++; tried.rejected >= earlyRejections {
				return value, err
			}
		default:
			return value, err
		}
	}
}

// limited gives calls without a deadline one.
func (s *Store) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.opts.Timeout)
}

// call repeats a call that changes nothing, or may be made twice.
func call[T any](ctx context.Context, s *Store, what string, f func(context.Context, *esdb.Client) (T, error)) (T, error) {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	value, err := repeat(ctx, s.supervisor, &attempts{}, f)
	if err != nil {
		return value, translate(what, err)
	}
	return value, nil
}
