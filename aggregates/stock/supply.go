package stock

import (
	"cmp"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Future supply: what a purchase order, a shipping notice or a transfer is to bring. Facts about it come from several
// systems, late, twice and in any order; what is open follows from the set of them alone:
//
//   - A line's location, quantity and first date are those of the SupplyExpected that its source said last, by the time
//     it occurred. Its date is that of the SupplyExpected or SupplyRescheduled said last.
//   - Receipts that name the line lower what is open, those of its document that name no known line as well, the line that
//     is due first of all. Over-receipt leaves nothing open, never less.
//   - A cancelled line has nothing open until it is expected anew, later than it was cancelled.
//   - Of a transfer, what was shipped is expected, or what was planned when that is more. Cancelled, or closed, what was shipped
//     and has not come is lost: no longer in transit. What comes all the same is found again.
//
// At one instant a cancellation outranks everything, and a later date an earlier one.

// Bounds of what one SKU remembers of supply.
const (
	// MaxSupplyLines is how many lines of documents one SKU keeps at once. An expectation beyond them is refused; what is
	// shipped beyond them is in transit, with no date.
	MaxSupplyLines = 10_000
	// MaxDocumentLines is how many lines of one document one SKU keeps.
	MaxDocumentLines = 500
	// MaxSettled is how many documents of which nothing is open one SKU remembers, so that facts which come late find them;
	// beyond it the one that was settled first is forgotten.
	MaxSettled = 256
	// KeepSettled is for how long they are remembered at most, by recorded time.
	KeepSettled = 30 * 24 * 60 * 60 * aggregates.Second
)

// SupplyKind is what kind of document brings supply.
type SupplyKind uint8

const (
	SupplyPurchaseOrder SupplyKind = iota
	SupplyShippingNotice
	SupplyTransfer
)

// SupplyChange is by how much a fact changes what a location is to get.
type SupplyChange struct {
	Location string
	DueAt    aggregates.Instant // a whole second; 0 where only Lost changes
	Open     int64              // signed: expected by then and not yet received
	Lost     int64              // signed: in transit, and given up
}

// supplyKey names a document. Transfers have names of their own.
type supplyKey struct {
	document string
	transfer bool
}

// supplyDocument is what is known of a document, for one SKU. It is a function of the facts about it, in any order.
type supplyDocument struct {
	supplyKey
	lines    []supplyLine    // in order of name
	receipts []supplyReceipt // in order of line
	all      supplyMarks     // said of all of its lines
	notices  []announced     // what shipping notices bring of it, in order of notice and line
}

// supplyLine is a line of a document; of a transfer, what goes to one location.
type supplyLine struct {
	name      string
	kind      SupplyKind
	location  string
	planned   int64
	plannedAt aggregates.Instant // when its source said so; 0 when nobody did
	due       aggregates.Instant // as planned
	shipped   int64              // of a transfer
	shippedAt aggregates.Instant // the last time
	order     string             // of a shipping notice: the purchase order that it is part of
	orderLine string
	supplyMarks
}

// supplyMarks are dates and ends, each with the time at which its source said so.
type supplyMarks struct {
	moved    aggregates.Instant
	movedAt  aggregates.Instant
	closedAt aggregates.Instant
}

// supplyReceipt is what was received under the name of a line.
type supplyReceipt struct {
	line     string
	quantity int64
}

// supplyFact is what one fact says of a document.
type supplyFact struct {
	supplyKey
	what     supplyWord
	line     string // of a transfer, the location it goes to; "" for all lines, where a fact may be about all
	kind     SupplyKind
	location string
	quantity int64
	due      aggregates.Instant
	at       aggregates.Instant // when it occurred

	order, orderLine string // of an expected shipping notice
}

type supplyWord uint8

const (
	supplyExpected supplyWord = iota + 1
	supplyShipped
	supplyReceived
	supplyMoved
	supplyClosed
)

// supplyFactOf reads what an event says of supply; ok is false when that is nothing.
func supplyFactOf(e aggregates.Event, m *aggregates.Metadata) (f supplyFact, ok bool) {
	at := occurred(m)
	switch e := e.(type) {
	case *StockReceived:
		f = supplyFact{what: supplyReceived, line: m.Source.Line, quantity: e.Quantity}
		f.document = m.Source.Document
		return f, f.document != "" && e.Quantity > 0
	case *TransferShipped:
		f = supplyFact{what: supplyShipped, line: e.Destination, location: e.Destination, quantity: e.Quantity, due: e.DueAt, at: at}
		f.document, f.transfer, f.kind = e.TransferID, true, SupplyTransfer
		return f, f.document != "" && f.location != "" && e.Quantity > 0
	case *TransferReceived:
		f = supplyFact{what: supplyReceived, line: e.Location, quantity: e.Quantity}
		f.document, f.transfer = e.TransferID, true
		return f, f.document != "" && e.Quantity > 0
	case *SupplyExpected:
		f = supplyFact{what: supplyExpected, kind: e.Kind, line: e.Line, location: e.Location, quantity: e.Quantity, due: e.DueAt, at: at,
			order: e.Order, orderLine: e.OrderLine}
		f.document, f.transfer = e.Document, e.Kind == SupplyTransfer
	case *SupplyRescheduled:
		f = supplyFact{what: supplyMoved, line: e.Line, due: e.DueAt, at: at}
		f.document, f.transfer = e.Document, e.Kind == SupplyTransfer
	case *SupplyCancelled:
		f = supplyFact{what: supplyClosed, line: e.Line, at: at}
		f.document, f.transfer = e.Document, e.Kind == SupplyTransfer
	default:
		return f, false
	}
	return f, true
}

// adds tells whether a fact makes a line.
func (f *supplyFact) adds() bool {
	return f.what != supplyReceived && (f.line != "" || f.what == supplyExpected || f.what == supplyShipped)
}

// line returns a line by name, made when there is none.
func (d *supplyDocument) line(name string) *supplyLine {
	i, ok := d.find(name)
	if !ok {
		d.lines = slices.Insert(d.lines, i, supplyLine{name: name})
	}
	return &d.lines[i]
}

func (d *supplyDocument) find(name string) (int, bool) {
	return slices.BinarySearchFunc(d.lines, name, func(l supplyLine, name string) int { return cmp.Compare(l.name, name) })
}

// apply takes in a fact.
func (d *supplyDocument) apply(f *supplyFact) {
	switch f.what {
	case supplyReceived:
		d.receive(f.line, f.quantity)
	case supplyExpected:
		d.line(f.line).expect(f)
	case supplyShipped:
		d.line(f.line).ship(f)
	case supplyMoved:
		d.marks(f.line).move(f.due, f.at)
	case supplyClosed:
		marks := d.marks(f.line)
		marks.closedAt = max(marks.closedAt, f.at)
	}
}

// marks returns those of a line, or of all lines.
func (d *supplyDocument) marks(line string) *supplyMarks {
	if line == "" {
		return &d.all
	}
	return &d.line(line).supplyMarks
}

func (d *supplyDocument) receive(line string, quantity int64) {
	i, ok := slices.BinarySearchFunc(d.receipts, line, func(r supplyReceipt, line string) int { return cmp.Compare(r.line, line) })
	if !ok {
		if len(d.receipts) >= MaxDocumentLines && line != "" {
			d.receive("", quantity)
			return
		}
		d.receipts = slices.Insert(d.receipts, i, supplyReceipt{line: line})
	}
	d.receipts[i].quantity = addUp(d.receipts[i].quantity, quantity)
}

// expect keeps what was said last; of two that were said at once, the one that brings more, or later.
func (l *supplyLine) expect(f *supplyFact) {
	said := supplyLine{name: l.name, kind: f.kind, location: f.location, planned: f.quantity, plannedAt: f.at, due: f.due,
		order: f.order, orderLine: f.orderLine}
	if l.plannedAt != 0 && said.compare(l) <= 0 {
		return
	}
	l.kind, l.location, l.planned, l.plannedAt, l.due = said.kind, said.location, said.planned, said.plannedAt, said.due
	l.order, l.orderLine = said.order, said.orderLine
}

func (l *supplyLine) compare(x *supplyLine) int {
	return cmp.Or(cmp.Compare(l.plannedAt, x.plannedAt), cmp.Compare(l.planned, x.planned), cmp.Compare(l.due, x.due),
		cmp.Compare(l.location, x.location), cmp.Compare(l.kind, x.kind), cmp.Compare(l.order, x.order), cmp.Compare(l.orderLine, x.orderLine))
}

func (l *supplyLine) ship(f *supplyFact) {
	l.kind, l.location = SupplyTransfer, f.location
	l.shipped = addUp(l.shipped, f.quantity)
	l.shippedAt = max(l.shippedAt, f.at)
	if f.due != 0 {
		l.move(f.due, f.at)
	}
}

func (m *supplyMarks) move(due, at aggregates.Instant) {
	if at > m.movedAt || at == m.movedAt && due > m.moved {
		m.moved, m.movedAt = due, at
	}
}

// dueAt is when a line is to come; 0 when nobody said. Of what was said at once, the later date counts.
func (d *supplyDocument) dueAt(l *supplyLine) aggregates.Instant {
	due, at := l.due, l.plannedAt
	for _, m := range [...]*supplyMarks{&l.supplyMarks, &d.all} {
		if m.movedAt > at || m.movedAt == at && m.moved > due {
			due, at = m.moved, m.movedAt
		}
	}
	return due
}

// closed tells whether a line was ended since it was last expected.
func (d *supplyDocument) closed(l *supplyLine) bool {
	at := max(l.closedAt, d.all.closedAt)
	return at != 0 && at >= max(l.plannedAt, l.shippedAt)
}

// expected tells whether anybody said that a line is to come.
func (l *supplyLine) expected() bool { return l.plannedAt != 0 || l.shippedAt != 0 }

// supplyState is how a line stands.
type supplyState struct {
	line     *supplyLine
	due      aggregates.Instant
	received int64 // of this line, what receipts without a known line filled included
	open     int64
	lost     int64
	closed   bool
}

// states tells how every expected line stands, in order of their dates.
func (d *supplyDocument) states() []supplyState {
	list := make([]supplyState, 0, len(d.lines))
	for i := range d.lines {
		l := &d.lines[i]
		if !l.expected() {
			continue
		}
		x := supplyState{line: l, due: d.dueAt(l), received: d.received(l.name), closed: d.closed(l)}
		switch {
		case !x.closed:
			x.open = max(0, max(l.planned, l.shipped)-x.received)
		default:
			x.lost = max(0, l.shipped-x.received)
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b supplyState) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.line.name, b.line.name))
	})
	loose := d.loose()
	for i := range list {
		take := min(loose, list[i].open)
		list[i].open -= take
		list[i].received += take
		loose -= take
	}
	d.lessAnnounced(list)
	return list
}

func (d *supplyDocument) received(line string) int64 {
	for i := range d.receipts {
		if d.receipts[i].line == line {
			return d.receipts[i].quantity
		}
	}
	return 0
}

// loose is what was received under names that no expected line has. What a transfer brought elsewhere is none of that: it
// lowers what is in transit there.
func (d *supplyDocument) loose() (sum int64) {
	if d.transfer {
		return 0
	}
	for i := range d.receipts {
		if k, ok := d.find(d.receipts[i].line); !ok || !d.lines[k].expected() {
			sum = addUp(sum, d.receipts[i].quantity)
		}
	}
	return sum
}

// settled tells whether nothing of the document is open.
func (d *supplyDocument) settled() bool {
	for _, x := range d.states() {
		if x.open > 0 {
			return false
		}
	}
	return true
}

func (d *supplyDocument) clone() *supplyDocument {
	c := *d
	c.lines, c.receipts, c.notices = slices.Clone(d.lines), slices.Clone(d.receipts), slices.Clone(d.notices)
	return &c
}

// supplyDifference is what changes from one stand of a document to another, in order of location and date.
func supplyDifference(before, after []supplyState) []SupplyChange {
	var list []SupplyChange
	collect := func(states []supplyState, sign int64) {
		for i := range states {
			if x := &states[i]; x.open != 0 && x.due != 0 {
				list = append(list, SupplyChange{Location: x.line.location, DueAt: x.due, Open: sign * x.open})
			}
			if x := &states[i]; x.lost != 0 {
				list = append(list, SupplyChange{Location: x.line.name, Lost: sign * x.lost})
			}
		}
	}
	collect(before, -1)
	collect(after, +1)
	slices.SortFunc(list, func(a, b SupplyChange) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.DueAt, b.DueAt))
	})
	merged := list[:0]
	for _, x := range list {
		if n := len(merged); n > 0 && merged[n-1].Location == x.Location && merged[n-1].DueAt == x.DueAt {
			merged[n-1].Open += x.Open
			merged[n-1].Lost += x.Lost
			continue
		}
		merged = append(merged, x)
	}
	return slices.DeleteFunc(merged, func(x SupplyChange) bool { return x.Open == 0 && x.Lost == 0 })
}
