package replicas

import "sync"

// cart is a reservation and what its customer asked for. Its customer alone writes it.
type cart struct {
	id, sku  string
	quantity int64
	lapses   bool // it is left alone, and its hold ends soon

	placed, confirmed, released, fulfilled outcome
}

// fact is something that happened physically, as a source tells it.
type fact struct {
	id, sku, location string
	change            int64 // of what lies there
	by                way
	told              outcome
}

// way is how a fact comes in.
type way string

const (
	byTill     way = "sales by Kafka"
	byMovement way = "movements by Kafka"
	byRPC      way = "movements by RPC"
)

// ledger is what was asked for, and what was acknowledged.
type ledger struct {
	mu    sync.Mutex
	carts []*cart
	facts []*fact
}

func (l *ledger) cart(c cart) *cart {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carts = append(l.carts, &c)
	return &c
}

func (l *ledger) fact(f fact) *fact {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = append(l.facts, &f)
	return &f
}

// shelf is what lies of a SKU at a location and what is promised of it.
type shelf struct{ onHand, reserved int64 }

// place is a SKU at a location.
type place struct{ sku, location string }

// shelves computes what must be where, from what was acknowledged alone. Carts reserve at the warehouse.
func (l *ledger) shelves() map[place]shelf {
	all := map[place]shelf{}
	for _, f := range l.facts {
		s := all[place{f.sku, f.location}]
		if f.told == acknowledged {
			s.onHand += f.change
		}
		all[place{f.sku, f.location}] = s
	}
	for _, c := range l.carts {
		s := all[place{c.sku, warehouse}]
		switch {
		case c.placed != acknowledged, c.released == acknowledged, c.lapses:
		case c.fulfilled == acknowledged:
			s.onHand -= c.quantity
		default:
			s.reserved += c.quantity
		}
		all[place{c.sku, warehouse}] = s
	}
	return all
}
