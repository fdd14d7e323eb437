package availability

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// What a document says of supply that is to come, of promises for later dates, and of when a channel that has nothing to
// sell has something again.

// laterBytes is about what a balance's future takes in memory beside its entries.
const laterBytes = 96

func laterSize(l *stock.Later) int {
	if l == nil {
		return 0
	}
	n := laterBytes + holdBytes*l.Incoming.Len()
	for i := range l.Promises {
		n += laterBytes + holdBytes*l.Promises[i].Holds.Len()
	}
	return n
}

func setLater(m *inventoryv1.BalanceDocument, l *stock.Later) {
	m.IncomingDue, m.IncomingQuantity, m.Promises = m.IncomingDue[:0], m.IncomingQuantity[:0], m.Promises[:0]
	if l == nil {
		return
	}
	m.IncomingDue, m.IncomingQuantity = appendHolds(m.IncomingDue, m.IncomingQuantity, &l.Incoming)
	for i := range l.Promises {
		p := &l.Promises[i]
		d := &inventoryv1.DatedDocument{At: int64(p.At / aggregates.Second), Quantity: p.Quantity}
		d.HoldUntil, d.HoldQuantity = appendHolds(nil, nil, &p.Holds)
		m.Promises = append(m.Promises, d)
	}
}

func appendHolds(at, quantities []int64, h *stock.Holds) ([]int64, []int64) {
	for x := range h.Each {
		at = append(at, int64(x.Until/aggregates.Second))
		quantities = append(quantities, x.Quantity)
	}
	return at, quantities
}

func decodeHolds(at, quantities []int64) (h stock.Holds) {
	for i := range min(len(at), len(quantities)) {
		h.Add(aggregates.Instant(at[i])*aggregates.Second, quantities[i])
	}
	return h
}

func decodeLater(d *inventoryv1.BalanceDocument) *stock.Later {
	if len(d.IncomingDue) == 0 && len(d.Promises) == 0 {
		return nil
	}
	l := &stock.Later{Incoming: decodeHolds(d.IncomingDue, d.IncomingQuantity)}
	for _, p := range d.Promises {
		l.Promises = append(l.Promises, stock.Dated{
			At: aggregates.Instant(p.At) * aggregates.Second, Quantity: p.Quantity, Holds: decodeHolds(p.HoldUntil, p.HoldQuantity),
		})
	}
	return l
}
