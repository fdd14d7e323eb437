package redis

import (
	"context"

	"github.com/stockfold/stockfold/projections/availability"
)

// ExchangeSome exchanges in the first partitions only, as a process does that ends before it is done.
func (b *Beside) ExchangeSome(ctx context.Context, partitions int) error {
	return b.exchange(ctx, partitions)
}

// Partitions is how many there are.
func (d *DB) Partitions() int { return len(d.tags) }

// ForgetBuilt removes what a partition knows of a generation that is being built.
func (b *Beside) ForgetBuilt(ctx context.Context, partition int) error {
	return b.live.db.remove(ctx, b.model.guard.keys[partition:partition+1])
}

// SettleNow is what a process does with time after an exchange.
func (a *Availability) SettleNow(ctx context.Context) error {
	s, err := a.guard.standing(ctx)
	if err != nil {
		return err
	}
	return a.settleGeneration(ctx, s.generation)
}

// LateWrite is a write that has found all marks where they should be, and is then held up.
func (d *DB) LateWrite(documents []*availability.Document) func(context.Context) error {
	a := d.Availability()
	s, _ := a.guard.now()
	return func(ctx context.Context) error {
		var encoder availability.Encoder
		for _, x := range documents {
			e, err := a.writing(&encoder, x, a.generation(s))
			if err == nil {
				err = d.runScripts(ctx, []*eval{e})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// ReadAnd is Read with something happening before what was read is made sure of.
func (a *Availability) ReadAnd(ctx context.Context, sku string, meanwhile func()) error {
	s, err := a.guard.standing(ctx)
	if err != nil {
		return err
	}
	d, err := a.readAs(ctx, s, sku)
	if err != nil {
		return err
	}
	meanwhile()
	return a.keep(ctx, s, d)
}
