package orders

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections/orders"
)

const (
	// every is how often the process looks for orders to drive on.
	every = time.Second
	// patience is for how long a pending order is left to whoever took it in.
	patience = 5 * aggregates.Second
	// atOnce is how many orders are driven on at once.
	atOnce = 16
	// page is how many orders are looked at in one go.
	page = orders.MaxPage
)

// Works finds orders to drive on; *orders.Projection does.
type Works interface {
	Work(ctx context.Context, after string, limit int) ([]*orders.Record, error)
}

// Process drives on what a crash, or trouble with the store, has left: orders that their SKUs have not been told everything of, and
// those whose holds have ended. Every replica may run it; what two do at once counts once.
type Process struct {
	service *Service
	works   Works
	log     *slog.Logger
	driven  atomic.Uint64
	trouble string // last one logged; of Run's goroutine
}

var _ Works = (*orders.Projection)(nil)

// NewProcess returns the process; Run starts it.
func NewProcess(s *Service, works Works) *Process {
	return &Process{service: s, works: works, log: s.Log}
}

// Driven counts the orders that were driven on.
func (p *Process) Driven() uint64 { return p.driven.Load() }

// Run works until ctx ends, and returns nil once what was under way has ended.
func (p *Process) Run(ctx context.Context) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		p.report(ctx, p.Sweep(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Sweep drives on every order that is due now. Trouble with one stops no other; one of the errors is returned.
func (p *Process) Sweep(ctx context.Context) error {
	for after := ""; ; {
		list, err := p.works.Work(ctx, after, page)
		if err != nil {
			return fmt.Errorf("look for orders: %w", err)
		}
		failed := p.driveAll(ctx, list)
		if failed != nil || len(list) < page || ctx.Err() != nil {
			return failed
		}
		after = list[len(list)-1].ID
	}
}

func (p *Process) driveAll(ctx context.Context, list []*orders.Record) (failed error) {
	var (
		mu      sync.Mutex
		running sync.WaitGroup
		room    = make(chan struct{}, atOnce)
		now     = p.service.Now()
	)
	for _, r := range list {
		if !(r.Due(now) || r.Pending() && r.RecordedAt+patience <= now) || ctx.Err() != nil {
			continue
		}
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			err := p.one(ctx, r.ID)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			p.driven.Add(1)
		})
	}
	running.Wait()
	return failed
}

// one ends an order whose holds have ended, and drives it on.
func (p *Process) one(ctx context.Context, id string) error {
	m := aggregates.Metadata{Actor: actor, CorrelationID: id, IdempotencyKey: "lapse"}
	_, err := p.service.Orders.Do(ctx, id, m, decision(func(s *order.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		return order.Lapse(s, now), nil
	}))
	if err == nil {
		_, _, err = p.service.drive(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("order %q: %w", id, err)
	}
	return nil
}

// report logs trouble when it is news.
func (p *Process) report(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	switch {
	case text != "" && text != p.trouble:
		p.log.Warn("an order cannot be carried out, will try again", "error", text)
	case text == "" && p.trouble != "" && ctx.Err() == nil:
		p.log.Info("orders are carried out again")
	}
	p.trouble = text
}
