package stock

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// notice announces a line of a shipping notice that is part of an order.
func notice(document, line, location string, quantity int64, due aggregates.Instant, order, orderLine string) step {
	return move(Movement{Kind: KindSupplyExpected, Supply: SupplyShippingNotice, Document: document, Line: line, Location: location, Quantity: quantity, DueAt: due,
		Order: order, OrderLine: orderLine})
}

func openOf(document, line string, want int64) expectation {
	return func(w *world) {
		w.t.Helper()
		for _, l := range w.state.SupplyLines() {
			if l.Document == document && l.Line == line {
				if l.Open != want {
					w.t.Fatalf("line %q of %q has %d open, expected %d", line, document, l.Open, want)
				}
				return
			}
		}
		if want != 0 {
			w.t.Fatalf("line %q of %q is not known", line, document)
		}
	}
}

func TestANoticeLowersWhatIsOpenOfItsOrder(t *testing.T) {
	scenario(t).
		given(expected("po-1", "berlin", 10, day(9))).
		when(notice("asn-1", "a", "berlin", 4, day(4), "po-1", "1")).
		then(openOf("po-1", "1", 6), openOf("asn-1", "a", 4), atp(day(4), 4), atp(day(9), 10)).
		when(receivedFor("asn-1", "a", "berlin", 3)).
		then(openOf("po-1", "1", 6), openOf("asn-1", "a", 1), atp(day(9), 10)).
		when(move(Movement{Kind: KindSupplyCancelled, Supply: SupplyShippingNotice, Document: "asn-1", Reason: "lost"})). // what did not come is to come all the same
		then(openOf("po-1", "1", 7), openOf("asn-1", "a", 0), atp(day(4), 3), atp(day(9), 10)).
		when(notice("asn-2", "a", "berlin", 9, day(5), "po-1", "")). // more than is left, and without a line
		then(openOf("po-1", "1", 0), openOf("asn-2", "a", 9), atp(day(5), 12))
}

func TestANoticeThatComesBeforeItsOrder(t *testing.T) {
	scenario(t).
		given(notice("asn-1", "a", "hamburg", 4, day(4), "po-1", "2"), notice("asn-1", "b", "hamburg", 1, day(4), "po-1", "unknown")).
		when(expected("po-1", "berlin", 10, day(9))).
		then(openOf("po-1", "1", 5), atp(day(9), 10)). // the order has no line 2 yet
		when(move(Movement{Kind: KindSupplyExpected, Document: "po-1", Line: "2", Location: "berlin", Quantity: 6, DueAt: day(8)})).
		then(openOf("po-1", "2", 1), openOf("po-1", "1", 10), atp(day(9), 16)). // four of its own, one of no known line from what is due first
		when(notice("asn-1", "a", "hamburg", 2, day(4), "po-2", "1")).          // it was said of the wrong order
		then(openOf("po-1", "2", 5), openOf("asn-1", "a", 2))
	var wrong *SupplyError
	for _, r := range []Movement{
		{Kind: KindSupplyExpected, Document: "po-1", Line: "1", Location: "berlin", Quantity: 1, DueAt: day(1), Order: "po-2"},
		{Kind: KindSupplyExpected, Supply: SupplyShippingNotice, Document: "a", Line: "1", Location: "berlin", Quantity: 1, DueAt: day(1), Order: "a"},
	} {
		if _, _, err := Move(&State{}, r, aggregates.Metadata{RecordedAt: day(0)}, day(0)); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// In whichever order orders, notices, receipts and ends come, the same is open in the end, and each step on the way adds up.
func TestOrdersAndNoticesComeToTheSameEndInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var facts []Movement
		var metas []aggregates.Metadata
		for i := range rapid.IntRange(2, 9).Draw(t, "facts") {
			r := Movement{Kind: KindSupplyExpected, Location: []string{"berlin", "hamburg"}[rapid.IntRange(0, 1).Draw(t, "place")],
				Document: "po-1", Line: fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "line")), Quantity: int64(rapid.IntRange(0, 9).Draw(t, "quantity")),
				DueAt: day(rapid.IntRange(1, 5).Draw(t, "due"))}
			m := aggregates.Metadata{OccurredAt: day(0) + aggregates.Instant(i)*aggregates.Second, RecordedAt: day(1), IdempotencyKey: fmt.Sprint(i), Fingerprint: uint64(i)}
			what := rapid.IntRange(0, 5).Draw(t, "what")
			if what > 0 && what < 5 {
				r.Document, r.Supply = fmt.Sprint("asn-", rapid.IntRange(1, 2).Draw(t, "notice")), SupplyShippingNotice
				r.Order, r.OrderLine = []string{"po-1", "po-1", "po-2"}[rapid.IntRange(0, 2).Draw(t, "order")], []string{"", "1", "2"}[rapid.IntRange(0, 2).Draw(t, "order line")]
			}
			switch what {
			case 3:
				r = Movement{Kind: KindSupplyCancelled, Supply: SupplyShippingNotice, Document: r.Document, Line: []string{"", r.Line}[rapid.IntRange(0, 1).Draw(t, "all")]}
			case 4:
				m.Source.Document, m.Source.Line = r.Document, r.Line
				r = Movement{Kind: KindReceived, Location: r.Location, Quantity: r.Quantity}
			}
			facts, metas = append(facts, r), append(metas, m)
		}
		var ends [2][]SupplyLine
		for n := range ends {
			var s State
			for _, i := range rapid.Permutation(indices(len(facts))).Draw(t, "order") {
				_, events, err := Move(&s, facts[i], metas[i], day(1))
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					s.Evolve(e, metas[i])
					if err := s.Check(); err != nil {
						t.Fatalf("after %+v: %v", facts[i], err)
					}
				}
			}
			var again State
			bytesOf, _ := s.MarshalBinary()
			if err := again.UnmarshalBinary(bytesOf); err != nil {
				t.Fatal(err)
			}
			if twice, _ := again.MarshalBinary(); !bytes.Equal(bytesOf, twice) {
				t.Fatal("a snapshot of a snapshot differs")
			}
			ends[n] = s.SupplyLines()
		}
		if fmt.Sprint(ends[0]) != fmt.Sprint(ends[1]) {
			t.Fatalf("it ends as\n%+v\nand as\n%+v", ends[0], ends[1])
		}
	})
}

func indices(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}
