package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// A shipping notice may name the purchase order that it is part of, and a line of it. What it announces is then no longer open on the order: it is
// open on the notice, with the notice's date. A notice that names no line, or one that the order does not have, lowers the order's lines as they are due.
// A notice that is cancelled lowers the order by what came with it, no more. As with receipts, all follows from the set of the facts, in any order.

// announced is what a line of a shipping notice brings of an order.
type announced struct {
	notice, line string
	orderLine    string
	quantity     int64
}

func (a *announced) compare(b *announced) int {
	return cmp.Or(cmp.Compare(a.notice, b.notice), cmp.Compare(a.line, b.line))
}

// orders are the documents that lines of a notice name, sorted.
func (d *supplyDocument) orders() (list []string) {
	for i := range d.lines {
		if order := d.lines[i].order; order != "" {
			list = append(list, order)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// announces is what the lines of a notice bring of an order, in order of line.
func (d *supplyDocument) announces(order string) (list []announced) {
	for _, x := range d.states() {
		if x.line.order != order {
			continue
		}
		quantity := x.received
		if !x.closed {
			quantity = max(quantity, x.line.planned)
		}
		if quantity > 0 {
			list = append(list, announced{d.document, x.line.name, x.line.orderLine, quantity})
		}
	}
	slices.SortFunc(list, func(a, b announced) int { return a.compare(&b) })
	return list
}

// announce replaces what a notice brings of the order. Lines beyond MaxDocumentLines do not lower it.
func (d *supplyDocument) announce(notice string, list []announced) {
	rest := slices.DeleteFunc(slices.Clone(d.notices), func(a announced) bool { return a.notice == notice })
	rest = append(rest, list[:max(0, min(len(list), MaxDocumentLines-len(rest)))]...)
	slices.SortFunc(rest, func(a, b announced) int { return a.compare(&b) })
	d.notices = rest
}

// announcedOf is what notices bring of a line; of no known line when it is "".
func (d *supplyDocument) announcedOf(line string) (sum int64) {
	for i := range d.notices {
		n := &d.notices[i]
		name := n.orderLine
		if k, ok := d.find(name); name != "" && (!ok || !d.lines[k].expected()) {
			name = ""
		}
		if name == line {
			sum = addUp(sum, n.quantity)
		}
	}
	return sum
}

// lessAnnounced takes off what is open what notices bring.
func (d *supplyDocument) lessAnnounced(list []supplyState) {
	if len(d.notices) == 0 {
		return
	}
	for i := range list {
		if name := list[i].line.name; name != "" {
			list[i].open = max(0, list[i].open-d.announcedOf(name))
		}
	}
	loose := d.announcedOf("")
	for i := range list {
		take := min(loose, list[i].open)
		list[i].open -= take
		loose -= take
	}
}

// ordersOf are the orders that a notice named before or after a fact.
func ordersOf(before, after *supplyDocument) []string {
	list := append(before.orders(), after.orders()...)
	slices.Sort(list)
	return slices.Compact(list)
}

// orderChanges is how orders stand before and after a fact about a notice.
func (s *supplies) orderChanges(before, after *supplyDocument) (was, is []supplyState) {
	for _, order := range ordersOf(before, after) {
		d := s.get(supplyKey{document: order})
		if d == nil {
			continue
		}
		was = append(was, d.states()...)
		next := d.clone()
		next.announce(after.document, after.announces(order))
		is = append(is, next.states()...)
	}
	return was, is
}

// announce tells orders what a notice brings of them, after a fact about it.
func (s *supplies) announce(before, notice *supplyDocument, recordedAt aggregates.Instant) {
	for _, order := range ordersOf(before, notice) {
		d := s.documents[supplyKey{document: order}]
		if d == nil {
			d = &supplyEntry{supplyDocument: supplyDocument{supplyKey: supplyKey{document: order}}}
		}
		s.remove(d)
		d.announce(notice.document, notice.announces(order))
		d.touched = max(d.touched, recordedAt)
		s.insert(d)
	}
}
