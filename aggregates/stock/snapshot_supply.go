package stock

import "github.com/stockfold/stockfold/aggregates"

// What a snapshot says of supply and of promises for later dates.

func (w *writer) later(l *Later) {
	w.bool(l != nil)
	if l == nil {
		return
	}
	w.holds(&l.Incoming)
	w.uint(uint64(len(l.Promises)))
	for i := range l.Promises {
		d := &l.Promises[i]
		w.time(d.At)
		w.int(d.Quantity)
		w.holds(&d.Holds)
	}
}

func (r *reader) later() *Later {
	if !r.bool() {
		return nil
	}
	l := &Later{Incoming: r.holds()}
	for range r.count(3) {
		d := Dated{At: r.time(), Quantity: r.int(), Holds: r.holds()}
		if n := len(l.Promises); n > 0 && l.Promises[n-1].At >= d.At {
			r.fail()
			return nil
		}
		l.Promises = append(l.Promises, d)
	}
	return l
}

func (w *writer) dated(at aggregates.Instant, supply []SupplyUse) {
	w.bool(at != 0)
	if at == 0 {
		return
	}
	w.time(at)
	w.uint(uint64(len(supply)))
	for i := range supply {
		u := &supply[i]
		w.byte(byte(u.Kind))
		w.word(u.Document)
		w.word(u.Line)
		w.word(u.Location)
		w.time(u.DueAt)
		w.int(u.Quantity)
	}
}

func (r *reader) dated() (at aggregates.Instant, supply []SupplyUse) {
	if !r.bool() {
		return 0, nil
	}
	at = r.time()
	for range r.count(6) {
		supply = append(supply, SupplyUse{Kind: r.supplyKind(), Document: r.word(), Line: r.word(), Location: r.word(),
			DueAt: r.time(), Quantity: r.int()})
	}
	return at, supply
}

func (r *reader) supplyKind() SupplyKind {
	k := SupplyKind(r.byte())
	if k > SupplyTransfer {
		r.fail()
		return 0
	}
	return k
}

// supplies writes the documents with something open in order of their names, then the settled ones as they were settled.
func (w *writer) supplies(s *supplies) {
	w.bool(s != nil)
	if s == nil {
		return
	}
	open, settled := s.inOrder()
	w.uint(uint64(len(open) + len(settled)))
	for _, list := range [][]*supplyEntry{open, settled} {
		for _, d := range list {
			w.document(d)
		}
	}
}

func (w *writer) document(d *supplyEntry) {
	w.text(d.document)
	w.bool(d.transfer)
	w.time(d.touched)
	w.marks(&d.all)
	w.uint(uint64(len(d.lines)))
	for i := range d.lines {
		l := &d.lines[i]
		w.word(l.name)
		w.byte(byte(l.kind))
		w.word(l.location)
		w.int(l.planned)
		w.time(l.plannedAt)
		w.time(l.due)
		w.int(l.shipped)
		w.time(l.shippedAt)
		w.word(l.order)
		w.word(l.orderLine)
		w.marks(&l.supplyMarks)
	}
	w.uint(uint64(len(d.receipts)))
	for i := range d.receipts {
		w.word(d.receipts[i].line)
		w.int(d.receipts[i].quantity)
	}
	w.uint(uint64(len(d.notices)))
	for i := range d.notices {
		n := &d.notices[i]
		w.word(n.notice)
		w.word(n.line)
		w.word(n.orderLine)
		w.int(n.quantity)
	}
}

func (w *writer) marks(m *supplyMarks) {
	w.time(m.moved)
	w.time(m.movedAt)
	w.time(m.closedAt)
}

func (r *reader) supplies() *supplies {
	if !r.bool() {
		return nil
	}
	s := &supplies{}
	for range r.count(10) {
		d := r.document()
		if r.failed || s.documents[d.supplyKey] != nil {
			r.fail()
			return nil
		}
		s.insert(d)
	}
	return s
}

func (r *reader) document() *supplyEntry {
	d := &supplyEntry{}
	d.document, d.transfer, d.touched, d.all = r.text(), r.bool(), r.time(), r.marks()
	for range r.count(12) {
		l := supplyLine{name: r.word(), kind: r.supplyKind(), location: r.word(), planned: r.int(), plannedAt: r.time(),
			due: r.time(), shipped: r.int(), shippedAt: r.time(), order: r.word(), orderLine: r.word()}
		l.supplyMarks = r.marks()
		if n := len(d.lines); n > 0 && d.lines[n-1].name >= l.name {
			r.fail()
			return d
		}
		d.lines = append(d.lines, l)
	}
	for range r.count(2) {
		x := supplyReceipt{line: r.word(), quantity: r.int()}
		if n := len(d.receipts); n > 0 && d.receipts[n-1].line >= x.line {
			r.fail()
			return d
		}
		d.receipts = append(d.receipts, x)
	}
	for range r.count(4) {
		x := announced{r.word(), r.word(), r.word(), r.int()}
		if n := len(d.notices); n > 0 && d.notices[n-1].compare(&x) >= 0 {
			r.fail()
			return d
		}
		d.notices = append(d.notices, x)
	}
	return d
}

func (r *reader) marks() supplyMarks {
	return supplyMarks{moved: r.time(), movedAt: r.time(), closedAt: r.time()}
}
