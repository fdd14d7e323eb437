package expiry

import (
	"context"
	"fmt"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/commands"
)

// ended sums up what one round of commands did.
type ended struct {
	recorded int
	position uint64          // of the last event recorded or seen
	err      error           // of one of the commands that failed
	failed   map[string]bool // SKUs of commands that failed
}

// moment is one end on one SKU: all holds that share it are ended by one command.
type moment struct {
	sku   string
	until aggregates.Instant
}

// end submits one command for each moment, earliest first, so that a SKU's ends are recorded in order, and waits for all
// of them; SKUs that failed in this round are left alone. Only inFlight are under way at once.
func (p *Process) end(ctx context.Context, due []reservations.DueHold, all *ended) {
	var (
		mu   sync.Mutex
		wait sync.WaitGroup
		room = make(chan struct{}, inFlight)
	)
	note := func(sku string, o commands.Outcome, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			p.failed.Add(1)
			all.failed[sku] = true
			all.err = fmt.Errorf("SKU %q: %w", sku, err)
			return
		}
		all.recorded += o.Recorded
		all.position = max(all.position, o.Position)
	}
	for _, m := range moments(due, all.failed) {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wait.Add(1)
		err := p.SKUs.Submit(m.sku, metadata(m.until), &expire{until: m.until}, func(o commands.Outcome, err error) {
			note(m.sku, o, err)
			<-room
			wait.Done()
		})
		if err != nil {
			note(m.sku, commands.Outcome{}, err)
			<-room
			wait.Done()
		}
	}
	wait.Wait()
}

// moments lists each end on each SKU once, in the order of due, some SKUs left out.
func moments(due []reservations.DueHold, without map[string]bool) []moment {
	list := make([]moment, 0, len(due))
	seen := make(map[moment]bool, len(due))
	for _, d := range due {
		m := moment{sku: d.SKU, until: d.ExpiresAt}
		if !seen[m] && !without[d.SKU] {
			seen[m] = true
			list = append(list, m)
		}
	}
	return list
}
