package stock

import (
	"cmp"
	"container/list"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// supplies are the documents of a SKU: those with something open, and those that were settled lately.
type supplies struct {
	documents map[supplyKey]*supplyEntry
	settled   list.List // of *supplyEntry, the first to be forgotten first
	lines     int       // of all documents
}

type supplyEntry struct {
	supplyDocument
	touched aggregates.Instant // recording of the last fact about it
	settled *list.Element      // nil while something is open
}

// get returns a document, nil when none is kept.
func (s *supplies) get(key supplyKey) *supplyEntry {
	if s == nil {
		return nil
	}
	return s.documents[key]
}

// admits tells whether there is room for the line that a fact would make.
func (s *supplies) admits(f *supplyFact) bool {
	if s == nil || !f.adds() {
		return true
	}
	lines := 0
	if d := s.documents[f.supplyKey]; d != nil {
		if _, ok := d.find(f.line); ok {
			return true
		}
		lines = len(d.lines)
	}
	return s.lines < MaxSupplyLines && lines < MaxDocumentLines
}

// changes is what a fact would change.
func (s *supplies) changes(f *supplyFact) []SupplyChange {
	d := s.get(f.supplyKey)
	if d == nil && f.what == supplyReceived || !s.admits(f) {
		return nil
	}
	before := &supplyDocument{supplyKey: f.supplyKey}
	if d != nil {
		before = &d.supplyDocument
	}
	after := before.clone()
	after.apply(f)
	was, is := s.orderChanges(before, after)
	return supplyDifference(append(was, before.states()...), append(is, after.states()...))
}

// evolve folds a fact.
func (s *supplies) evolve(f *supplyFact, recordedAt aggregates.Instant) {
	if !s.admits(f) {
		return
	}
	d := s.documents[f.supplyKey]
	if d == nil {
		d = &supplyEntry{supplyDocument: supplyDocument{supplyKey: f.supplyKey}}
	}
	before := &supplyDocument{lines: d.lines}
	if len(before.orders()) > 0 || f.order != "" {
		before = d.clone()
	}
	s.remove(d)
	d.apply(f)
	d.touched = max(d.touched, recordedAt)
	s.insert(d)
	s.announce(before, &d.supplyDocument, recordedAt)
}

func (s *supplies) insert(d *supplyEntry) {
	if s.documents == nil {
		s.documents = make(map[supplyKey]*supplyEntry)
	}
	s.documents[d.supplyKey] = d
	s.lines += len(d.lines)
	if d.supplyDocument.settled() {
		d.settled = s.settled.PushBack(d)
	}
}

func (s *supplies) remove(d *supplyEntry) {
	if s.documents[d.supplyKey] != d {
		return
	}
	delete(s.documents, d.supplyKey)
	s.lines -= len(d.lines)
	if d.settled != nil {
		s.settled.Remove(d.settled)
		d.settled = nil
	}
}

// forget drops settled documents that need not be remembered at a recorded time.
func (s *supplies) forget(now aggregates.Instant) {
	for first := s.settled.Front(); first != nil; first = s.settled.Front() {
		d := first.Value.(*supplyEntry)
		if s.settled.Len() <= MaxSettled && d.touched >= now-KeepSettled {
			return
		}
		s.remove(d)
	}
}

// inOrder lists the documents with something open, in order of their names, and then the settled ones as they were settled.
func (s *supplies) inOrder() (open, settled []*supplyEntry) {
	if s == nil {
		return nil, nil
	}
	for _, d := range s.documents {
		if d.settled == nil {
			open = append(open, d)
		}
	}
	slices.SortFunc(open, func(a, b *supplyEntry) int { return a.compare(b.supplyKey) })
	for x := s.settled.Front(); x != nil; x = x.Next() {
		settled = append(settled, x.Value.(*supplyEntry))
	}
	return open, settled
}

func (k supplyKey) compare(x supplyKey) int {
	if k.transfer != x.transfer {
		return order(!k.transfer)
	}
	return cmp.Compare(k.document, x.document)
}

// evolveSupply folds what an event says of supply.
func (s *State) evolveSupply(e aggregates.Event, m *aggregates.Metadata) {
	if f, ok := supplyFactOf(e, m); ok {
		if s.supply == nil {
			s.supply = &supplies{}
		}
		s.supply.evolve(&f, m.RecordedAt)
	}
	if s.supply != nil {
		s.supply.forget(m.RecordedAt)
	}
}

// resolveSupply writes into decided events what they change of supply. It returns *TooManySupplyError for an expectation that
// there is no room for.
func (s *State) resolveSupply(events []aggregates.Event, m *aggregates.Metadata) error {
	for _, e := range events {
		f, ok := supplyFactOf(e, m)
		if !ok {
			continue
		}
		changes := s.supply.changes(&f)
		switch e := e.(type) {
		case *StockReceived:
			e.Supply = changes
		case *TransferShipped:
			e.Supply = changes
		case *TransferReceived:
			e.Supply = changes
		case *SupplyExpected:
			e.Supply = changes
		case *SupplyRescheduled:
			e.Supply = changes
		case *SupplyCancelled:
			e.Supply = changes
		}
		if _, refused := e.(*SupplyExpected); refused && !s.supply.admits(&f) {
			return &TooManySupplyError{Document: f.document}
		}
	}
	return nil
}

// supplyOf is what an event changes of supply.
func supplyOf(e aggregates.Event) []SupplyChange {
	switch e := e.(type) {
	case *StockReceived:
		return e.Supply
	case *TransferShipped:
		return e.Supply
	case *TransferReceived:
		return e.Supply
	case *SupplyExpected:
		return e.Supply
	case *SupplyRescheduled:
		return e.Supply
	case *SupplyCancelled:
		return e.Supply
	}
	return nil
}

// supplied makes the event of a fact about supply.
func (r *Movement) supplied(quantity int64) (aggregates.Event, error) {
	if !r.Kind.Supplies() {
		return nil, fmt.Errorf("%w: %d", ErrUnknownKind, r.Kind)
	}
	if r.Document == "" {
		return nil, &SupplyError{Field: "document", Rule: "must name the purchase order, shipping notice or transfer"}
	}
	if r.Supply > SupplyTransfer {
		return nil, &SupplyError{Field: "kind", Rule: "must be a purchase order, a shipping notice or a transfer"}
	}
	if r.DueAt <= 0 && r.Kind != KindSupplyCancelled {
		return nil, &SupplyError{Field: "due_at", Rule: "must be given"}
	}
	line := r.Line
	if r.Supply == SupplyTransfer {
		line = r.Location
	}
	switch r.Kind {
	case KindSupplyRescheduled:
		return &SupplyRescheduled{Kind: r.Supply, Document: r.Document, Line: line, DueAt: r.DueAt.CeilSecond()}, nil
	case KindSupplyCancelled:
		return &SupplyCancelled{Kind: r.Supply, Document: r.Document, Line: line, Reason: r.Reason}, nil
	}
	if r.Location == "" {
		return nil, &SupplyError{Field: "location", Rule: "must be given"}
	}
	if r.Order != "" && (r.Supply != SupplyShippingNotice || r.Order == r.Document) {
		return nil, &SupplyError{Field: "order_document", Rule: "must be given of a shipping notice alone, and name another document"}
	}
	return &SupplyExpected{
		Kind: r.Supply, Document: r.Document, Line: line, Location: r.Location, Quantity: quantity, DueAt: r.DueAt.CeilSecond(),
		Order: r.Order, OrderLine: r.OrderLine,
	}, nil
}

// Supplies tells whether facts of a kind are about supply alone.
func (k Kind) Supplies() bool { return k >= KindSupplyExpected && k <= KindSupplyCancelled }

// SupplyAt lists the locations whose supply a fact changes, in order: the one that it names, and those of the lines of its document
// that it is about, as far as they are known.
func (s *State) SupplyAt(r *Movement) (list []string) {
	if r.Location != "" {
		list = append(list, r.Location)
	}
	line := r.Line
	if r.Supply == SupplyTransfer {
		line = r.Location
	}
	if d := s.supply.get(supplyKey{r.Document, r.Supply == SupplyTransfer}); d != nil {
		for i := range d.lines {
			if x := &d.lines[i]; x.expected() && (line == "" && r.Kind != KindSupplyExpected || x.name == line) {
				list = append(list, x.location)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// SupplyLine shows a line of a document as it stands, in base units.
type SupplyLine struct {
	Kind     SupplyKind
	Document string
	Line     string // of a transfer, the location it goes to
	Location string
	DueAt    aggregates.Instant // 0 when nobody said
	Expected int64              // in all
	Shipped  int64              // of a transfer
	Received int64              // more than expected when too much came
	Open     int64
	Lost     int64
	Closed   bool // cancelled since it was last expected
}

// SupplyLines lists every line that is known of, open or ended lately, in order of document, line, and transfers last.
func (s *State) SupplyLines() []SupplyLine {
	open, settled := s.supply.inOrder()
	var lines []SupplyLine
	for _, d := range append(open, settled...) {
		for _, x := range d.states() {
			lines = append(lines, SupplyLine{
				Kind: x.line.kind, Document: d.document, Line: x.line.name, Location: x.line.location, DueAt: x.due,
				Expected: max(x.line.planned, x.line.shipped), Shipped: x.line.shipped, Received: x.received,
				Open: x.open, Lost: x.lost, Closed: x.closed,
			})
		}
	}
	slices.SortFunc(lines, func(a, b SupplyLine) int { return a.Compare(&b) })
	return lines
}

// Compare orders lines by document, line, and transfers last.
func (l *SupplyLine) Compare(x *SupplyLine) int {
	return cmp.Or(cmp.Compare(l.Document, x.Document), cmp.Compare(l.Line, x.Line), cmp.Compare(l.transfer(), x.transfer()))
}

func (l *SupplyLine) transfer() int { return int(l.Kind) / int(SupplyTransfer) }

// Overdue is what is open at a policy's sites and past its date: it counts for no date until it comes or is rescheduled.
func (b *Balances) Overdue(p *Policy, now aggregates.Instant) (sum int64) {
	b.sites(p, func(_ int, x *Balance) {
		if x.Later != nil {
			sum = addUp(sum, x.Later.Incoming.EndedAt(now))
		}
	})
	return sum
}
