package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// parts are what was started, in order. They are stopped in reverse.
type parts struct {
	log     *slog.Logger
	started []part
	once    sync.Once
	err     error
}

type part struct {
	name string
	stop func(context.Context) error
}

func (p *parts) add(name string, stop func(context.Context) error) {
	p.started = append(p.started, part{name, stop})
}

// stop stops every part, the last one started first, also when one fails to.
func (p *parts) stop(ctx context.Context) error {
	p.once.Do(func() {
		var failed []error
		for i := len(p.started) - 1; i >= 0; i-- {
			x := p.started[i]
			began := time.Now()
			if err := x.stop(ctx); err != nil {
				failed = append(failed, fmt.Errorf("stop %s: %w", x.name, err))
			}
			p.log.Debug("stopped", "part", x.name, "took", time.Since(began))
		}
		p.err = errors.Join(failed...)
	})
	return p.err
}

// loop runs f in a goroutine of its own until it is stopped. A loop that ends by itself with an error fails the
// whole process: fail is told.
func (p *parts) loop(name string, fail func(error), f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = f(ctx)
		if ctx.Err() == nil && err != nil {
			fail(fmt.Errorf("%s ended: %w", name, err))
		}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
	}()
	p.add(name, func(stopping context.Context) error {
		cancel()
		select {
		case <-done:
			return err
		case <-stopping.Done():
			return fmt.Errorf("did not end in time: %w", stopping.Err())
		}
	})
}

// serve runs f in a goroutine of its own until shutdown makes it return.
func (p *parts) serve(name string, fail func(error), f func() error, shutdown func(context.Context) error) {
	done := make(chan error, 1)
	go func() {
		err := f()
		if err != nil {
			fail(fmt.Errorf("%s ended: %w", name, err))
		}
		done <- err
	}()
	p.add(name, func(ctx context.Context) error {
		err := shutdown(ctx)
		select {
		case <-done: // shutdown has ended it
			return err
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("did not end in time: %w", ctx.Err()))
		}
	})
}
