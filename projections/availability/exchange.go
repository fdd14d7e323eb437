package availability

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/projections"
)

// exchangePatience is how long an exchange waits until whoever folds hands the read model over.
const exchangePatience = 30 * time.Second

// readableStep is how often it is looked whether a read model that was exchanged can be read.
const readableStep = time.Millisecond

// ErrNotExchanged says that a read model that was built cannot take the place of the one that serves any more; that one stays.
var ErrNotExchanged = errors.New("what was built cannot take the place of the read model that serves, which stays; build it again")

// ErrNoRoom says that there is no room for a second read model beside the one that serves.
var ErrNoRoom = errors.New("there is no room for a second read model beside the one that serves; make room, or mend what differs with a replay that is not from scratch")

// exchanging is a read model that is to take the place of the one that serves.
type exchanging struct {
	ctx  context.Context // of who asks
	swap func(ctx context.Context, least uint64) error
	done chan error // takes one

	claimed atomic.Bool // it is being done, or was given up
}

// Exchange has swap put other documents, with their progress, in the place of those of the read model, while nobody folds: it is told up to which position they have to
// include everything, so that nothing that was readable is lost. Until swap returns, answers come from what is remembered or, as while the read model is
// loaded, cannot be given from here. When swap fails the projection goes on with what the model has.
func (p *Projection) Exchange(ctx context.Context, swap func(ctx context.Context, least uint64) error) error {
	waiting, cancel := context.WithTimeoutCause(ctx, exchangePatience, errors.New("the projection does not get on"))
	defer cancel()
	x := &exchanging{ctx: ctx, swap: swap, done: make(chan error, 1)}
	select {
	case p.exchanges <- x:
	case <-waiting.Done():
		return fmt.Errorf("exchange the read model of availability: %w", context.Cause(waiting))
	}
	var err error
	select {
	case err = <-x.done:
	case <-waiting.Done():
		if err = context.Cause(waiting); !x.claimed.CompareAndSwap(false, true) {
			err = <-x.done // it has begun, and needs what the caller has
		}
	}
	if err != nil {
		return fmt.Errorf("exchange the read model of availability: %w", err)
	}
	for p.runner.Resuming() && waiting.Err() == nil { // until the new one can be read
		rest(waiting, readableStep)
	}
	return nil
}

// Watch looks for what the read model loses, and takes in one that is to take its place: that ends the subscription, and it is exchanged before the next one.
func (f *fold) Watch(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	lost := make(chan error, 1)
	go func() { lost <- projections.WatchModel(watching, f.model) }()
	defer func() {
		stop()
		if lost != nil {
			<-lost
		}
	}()
	for {
		select {
		case err := <-lost:
			if lost = nil; err != nil {
				return err
			}
		case x := <-f.exchanges:
			f.exchange = x
			return projections.ErrReload
		case <-ctx.Done():
			return nil
		}
	}
}

// exchangeNow exchanges the read model when that was asked for. Nobody folds.
func (f *fold) exchangeNow(ctx context.Context, p projections.Progress) (projections.Progress, error) {
	x := f.exchange
	f.exchange = nil
	if x == nil || !x.claimed.CompareAndSwap(false, true) {
		return p, nil
	}
	err := x.swap(x.ctx, p.Position)
	now, failed := f.model.Progress(ctx)
	x.done <- errors.Join(err, failed)
	return now, failed
}

// letExchangeGo tells whoever waits for an exchange that it does not come about.
func (f *fold) letExchangeGo() {
	if f.exchange != nil {
		f.exchange.done <- errors.New("the projection ended")
		f.exchange = nil
	}
}

// Announce tells watchers of SKUs again, whose values were wrong at the position that they know. Kits that these are in are told of as well.
func (p *Projection) Announce(ctx context.Context, skus []string) error {
	for _, sku := range skus {
		d, err := p.document(ctx, sku)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		if err := p.announce(ctx, d); err != nil {
			return err
		}
		if d.Balances.Bundle() == nil {
			continue
		}
		for _, m := range d.Balances.Bundle().PartOf {
			kit, err := p.document(ctx, m.Kit)
			if err == nil && kit != nil {
				err = p.announce(ctx, kit)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// announce tells of one document.
func (p *Projection) announce(ctx context.Context, d *Document) error {
	prices := p.prices()
	for i := range prices.channels {
		a, err := p.answer(ctx, prices, d, d.SKU, i, nil)
		if err != nil {
			return err
		}
		p.hub.mu.Lock()
		p.hub.tell(a, true)
		p.hub.mu.Unlock()
	}
	return nil
}
