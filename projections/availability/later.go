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

// nextAt is when something of the i-th value can be promised again, as of the document's recording; 0 when that is not known,
// or there is something now.
func (d *Document) nextAt(i int) aggregates.Instant {
	if d.next == nil {
		return 0
	}
	return d.next[i]
}

func (d *Document) setNext(i int, at aggregates.Instant) {
	if at == 0 {
		return
	}
	if d.next == nil {
		d.next = make([]aggregates.Instant, len(d.values))
	}
	d.next[i] = at
}

// findNext computes when something can be promised again under a policy that leaves nothing to sell now.
func (d *Document) findNext(p *stock.Policy, value int64) aggregates.Instant {
	if value > 0 || !d.Balances.Expecting() {
		return 0
	}
	at, _ := d.Balances.NextAvailable(p, d.RecordedAt, 1)
	return at
}

// nextOf is nextAt for the i-th channel of a current pricing, as value is its ATS.
func (d *Document) nextOf(p *pricing, i int) aggregates.Instant {
	if d.prices == p {
		return d.nextAt(i)
	}
	if d.prices != nil {
		j, ok := d.prices.find(p.channels[i].id)
		if ok && d.prices.channels[j].position == p.channels[i].position {
			return d.nextAt(j)
		}
	}
	return d.findNext(p.tables.Channels()[i].Policy, d.value(p, i))
}
