package ledger_test

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// lies is what the oracles say of one SKU at one location.
type lies struct {
	onHand                        [4]int64
	reserved, inTransit, incoming int64
}

type place struct{ sku, location string }

// known is what was known at an instant, by the state that decisions are made on: the events up to the first one recorded later.
func (h *history) known(at aggregates.Instant) map[place]lies {
	folds := map[string]*stock.Balances{}
	for _, x := range h.log {
		if x.meta.RecordedAt > at {
			break
		}
		if folds[x.sku] == nil {
			folds[x.sku] = &stock.Balances{}
		}
		folds[x.sku].Evolve(x.event)
	}
	return told(folds, at)
}

func told(folds map[string]*stock.Balances, at aggregates.Instant) map[place]lies {
	all := map[place]lies{}
	for sku, b := range folds {
		for x := range b.Each {
			l := lies{reserved: x.Live(at), inTransit: x.InTransit, incoming: x.Incoming()}
			copy(l.onHand[:], x.OnHand[:])
			if l != (lies{}) {
				all[place{sku, x.Location}] = l
			}
		}
	}
	return all
}

// shelf is a condition at a location.
type shelf struct {
	place
	stock.Condition
}

// count is one that was recorded: of several as of one instant the last one holds.
type count struct {
	at      aggregates.Instant
	counted int64
}

// truth is what was true at an instant as known at a position, told from the facts alone: on each shelf, what the latest count as of then said,
// and the movements since, those of its instant included.
func (h *history) truth(at aggregates.Instant, position uint64) map[place]lies {
	all, rest := map[place]lies{}, map[string]*stock.Balances{}
	counts, moves := map[shelf]count{}, map[shelf][]count{}
	for _, x := range h.log {
		when := cmp.Or(x.meta.OccurredAt, x.meta.RecordedAt)
		if x.position > position {
			break
		}
		if c, ok := x.event.(*stock.StockCounted); ok && when <= at {
			on := shelf{place{x.sku, c.Location}, c.Condition}
			if last, there := counts[on]; !there || when >= last.at {
				counts[on] = count{when, c.Counted}
			}
		}
		for on, n := range moved(x.sku, x.event) {
			moves[on] = append(moves[on], count{when, n})
		}
		if when <= at {
			if rest[x.sku] == nil {
				rest[x.sku] = &stock.Balances{}
			}
			rest[x.sku].Evolve(x.event)
		}
	}
	for p, l := range told(rest, at) {
		all[p] = lies{reserved: l.reserved, inTransit: l.inTransit, incoming: l.incoming}
	}
	for _, on := range slices.Concat(shelves(counts), shelves(moves)) {
		base := counts[on]
		sum := base.counted
		for _, m := range moves[on] {
			if m.at <= at && (base.at == 0 || m.at >= base.at) {
				sum += m.counted
			}
		}
		l := all[on.place]
		l.onHand[on.Condition] = sum
		all[on.place] = l
	}
	for p, l := range all {
		if l == (lies{}) {
			delete(all, p)
		}
	}
	return all
}

func shelves[V any](m map[shelf]V) (list []shelf) {
	for on := range m {
		list = append(list, on)
	}
	return list
}

// moved is what a movement does to shelves, counts left aside.
func moved(sku string, e aggregates.Event) map[shelf]int64 {
	m := map[shelf]int64{}
	on := func(location string, c stock.Condition, n int64) { m[shelf{place{sku, location}, c}] += n }
	switch e := e.(type) {
	case *stock.StockReceived:
		on(e.Location, e.Condition, e.Quantity)
	case *stock.StockSold:
		on(e.Location, stock.Sellable, -e.Quantity)
	case *stock.StockReturned:
		on(e.Location, e.Condition, e.Quantity)
	case *stock.StockAdjusted:
		on(e.Location, e.Condition, e.Delta)
	case *stock.StockConditionChanged:
		on(e.Location, e.From, -e.Quantity)
		on(e.Location, e.To, e.Quantity)
	case *stock.TransferShipped:
		on(e.Location, stock.Sellable, -e.Quantity)
	case *stock.TransferReceived:
		on(e.Location, e.Condition, e.Quantity)
	case *stock.ReservationFulfilled:
		for _, s := range e.Splits {
			on(s.Location, stock.Sellable, -s.Quantity)
		}
	}
	return m
}
