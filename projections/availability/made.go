package availability

import (
	"context"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
)

// made keeps, beside a document, what a caller made of its values: the same answer is asked for again and again, until the SKU or a policy changes.
type made struct{ atomic.Pointer[madeUnder] }

// madeUnder is what was made under one pricing, by the places of its channels.
type madeUnder struct {
	prices *pricing
	by     []atomic.Pointer[[]byte]
}

// kept returns what was made of the i-th channel's value of a current pricing, nil when nothing was kept.
func (d *Document) kept(p *pricing, i int) []byte {
	if d == nil || d.made == nil {
		return nil
	}
	m := d.made.Load()
	if m == nil || m.prices != p {
		return nil
	}
	if b := m.by[i].Load(); b != nil {
		return *b
	}
	return nil
}

// keep keeps what was made of the i-th channel's value, unless that changes with time or with other SKUs.
func (d *Document) keep(p *pricing, i int, b []byte) {
	if d == nil || d.made == nil || p.channels[i].until(d) != 0 || d.Balances.AsKit() != nil {
		return
	}
	m := d.made.Load()
	if m == nil || m.prices != p {
		m = &madeUnder{prices: p, by: make([]atomic.Pointer[[]byte], len(p.channels))}
		d.made.Store(m)
	}
	m.by[i].Store(&b)
}

// BatchMade is BatchGet for a caller who makes something of each answer that follows from it alone: what was made before of the same answer is not made again.
// The answers that makeOf is given have no CurrentAt and no From, which are returned for all of them. What is returned in dst must not be changed. One makeOf may
// be used for all calls of a process: each document keeps what one of them made.
func (p *Projection) BatchMade(ctx context.Context, channel string, skus []string, makeOf func(*Availability) []byte, dst [][]byte) (
	list [][]byte, current aggregates.Instant, from From, err error) {
	current, from, err = p.batch(ctx, channel, skus, func(prices *pricing, i int, d *Document, sku string) error {
		b := d.kept(prices, i)
		if b == nil {
			a, err := p.answer(ctx, prices, d, sku, i, p.runner.Now)
			if err != nil {
				return err
			}
			b = makeOf(&a)
			d.keep(prices, i, b)
		}
		dst = append(dst, b)
		return nil
	})
	return dst, current, from, err
}
