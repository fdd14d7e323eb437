package stock

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// The scenarios' day is Monday 5 January 2026; day(4) is Friday at noon.
func day(n int) aggregates.Instant {
	return clock("12:00") + aggregates.Instant(n*24*60*60)*aggregates.Second
}

func expected(document, location string, quantity int64, due aggregates.Instant) step {
	return move(Movement{Kind: KindSupplyExpected, Document: document, Line: "1", Location: location, Quantity: quantity, DueAt: due})
}

func rescheduled(document string, due aggregates.Instant) step {
	return move(Movement{Kind: KindSupplyRescheduled, Document: document, DueAt: due})
}

func cancelled(document string) step {
	return move(Movement{Kind: KindSupplyCancelled, Document: document, Reason: "supplier closed"})
}

func transferCancelled(id string) step {
	return move(Movement{Kind: KindSupplyCancelled, Supply: SupplyTransfer, Document: id, Reason: "lorry burnt"})
}

func receivedFor(document, line, location string, quantity int64) step {
	return received(location, quantity).with(func(m *aggregates.Metadata) { m.Source.Document, m.Source.Line = document, line })
}

func shipped(id, from, to string, quantity int64, due aggregates.Instant) step {
	return move(Movement{Kind: KindTransferShipped, TransferID: id, Location: from, Other: to, Quantity: quantity, DueAt: due})
}

func arrived(id, from, to string, quantity int64) step {
	return move(Movement{Kind: KindTransferReceived, TransferID: id, Location: to, Other: from, Quantity: quantity})
}

func reserveFor(id string, quantity int64, date aggregates.Instant) step {
	return reserveAs(ReserveRequest{ReservationID: id, Quantity: quantity, PromiseAt: date, Confirmed: true})
}

// saidAt is when the source said so, for facts that come out of order.
func (s step) saidAt(at aggregates.Instant) step {
	return s.with(func(m *aggregates.Metadata) { m.OccurredAt = at })
}

func atp(date aggregates.Instant, want int64) expectation {
	return func(w *world) {
		w.t.Helper()
		if got := w.state.AvailableAt(w.policy, w.now, date); got != want {
			w.t.Fatalf("%d can be promised for %s, expected %d", got, date.Time(), want)
		}
	}
}

func nextAt(want aggregates.Instant) expectation {
	return func(w *world) {
		w.t.Helper()
		if got, ok := w.state.NextAvailable(w.policy, w.now, 1); got != want || ok != (want != 0) {
			w.t.Fatalf("available again at %s, %v, expected %s", got.Time(), ok, want.Time())
		}
	}
}

func toCome(location string, want int64) expectation {
	return func(w *world) {
		w.t.Helper()
		var got int64
		if x := w.state.At(location); x != nil && x.Later != nil {
			got = x.Later.Incoming.EndedAt(day(10_000))
		}
		if got != want {
			w.t.Fatalf("%d is to come to %s, expected %d", got, location, want)
		}
	}
}

// shortfall expects that the step recorded one.
func shortfall(want ShortfallDetected) expectation {
	return func(w *world) {
		w.t.Helper()
		for _, e := range w.events {
			if got, ok := e.(*ShortfallDetected); ok {
				if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
					w.t.Fatalf("shortfall %+v\nexpected %+v", *got, want)
				}
				return
			}
		}
		w.t.Fatalf("no shortfall in %s", shown(w.events))
	}
}

func noShortfall() expectation {
	return func(w *world) {
		w.t.Helper()
		for _, e := range w.events {
			if e.EventType() == TypeShortfallDetected {
				w.t.Fatalf("a shortfall: %s", shown(w.events))
			}
		}
	}
}

// A retailer has 20 lying, a purchase order of 100 due on Friday, and promises 30 for the Monday after.
func TestPromiseAgainstAPurchaseOrder(t *testing.T) {
	scenario(t).
		given(counted("berlin", 20), expected("po-1", "berlin", 100, day(4))).
		when(reserveFor("preorder", 30, day(7))).
		then(ats(20), atp(day(3), 20), atp(day(4), 90), atp(day(7), 90), reserved("berlin", 30), promisedNow("berlin", 30)).
		when(reserveFor("too much", 91, day(5))).
		then(refused(&InsufficientError{Requested: 91, Available: 90, PromiseAt: day(5)})).
		when(reserveFor("too early", 21, day(4)-aggregates.Second)).
		then(refused(&InsufficientError{Requested: 21, Available: 20, PromiseAt: day(4) - aggregates.Second})).
		when(reserve("now", 20)).
		then(ats(0), atp(day(4), 70), nextAt(day(4)))
}

func TestAReservationSaysWhatSupplyItCountsOn(t *testing.T) {
	use := func(document string, due aggregates.Instant, quantity int64) SupplyUse {
		return SupplyUse{Document: document, Line: "1", Location: "berlin", DueAt: due, Quantity: quantity}
	}
	counts := func(id string, want ...SupplyUse) expectation {
		return reservationIs(id, func(r Reservation) bool { return fmt.Sprint(r.Supply) == fmt.Sprint(want) })
	}
	scenario(t).
		given(counted("berlin", 5), expected("po-1", "berlin", 10, day(2)), expected("po-2", "berlin", 10, day(3))).
		when(reserveFor("a", 8, day(2))).then(counts("a", use("po-1", day(2), 3))).
		when(reserveFor("b", 4, day(5))).then(counts("b", use("po-1", day(2), 4))).
		when(reserveFor("c", 6, day(5))).then(counts("c", use("po-1", day(2), 3), use("po-2", day(3), 3)))
	scenario(t). // those for earlier dates come first, whenever they were made
			given(counted("berlin", 5), expected("po-1", "berlin", 10, day(2)), reserveFor("late", 8, day(9))).
			when(reserveFor("early", 6, day(3))).then(counts("early", use("po-1", day(2), 1)))
}

// What is promised for later and not covered by then is kept back from today's customers; what is covered is not.
func TestLaterPromisesKeepBackWhatSupplyDoesNotCover(t *testing.T) {
	scenario(t).
		given(counted("berlin", 20), expected("po-1", "berlin", 10, day(4))).
		when(reserveFor("party", 25, day(7))).
		then(ats(5), atp(day(4), 5)).
		when(reserve("now", 6)).then(refused(&InsufficientError{Requested: 6, Available: 5})).
		when(reserve("now", 5)).then(ats(0), atp(day(30), 0), nextAt(0))
}

func TestADateThatHasComeIsNow(t *testing.T) {
	scenario(t).
		given(counted("berlin", 3), expected("po-1", "berlin", 9, day(1))).
		when(reserveFor("yesterday", 3, day(-1))).then(ats(0), reservationIs("yesterday", func(r Reservation) bool { return r.PromiseAt == 0 })).
		when(reserveFor("far", 1, day(401))).then(func(w *world) {
		var date *PromiseDateError
		if !errors.As(w.err, &date) {
			t.Fatal(w.err)
		}
	})
	scenario(t).
		given(expected("po-1", "berlin", 9, day(1)), reserveFor("r", 9, day(2)), wait(60*time.Hour)).
		when(receivedFor("po-1", "1", "berlin", 9)).
		then(ats(0), toCome("berlin", 0)).
		when(fulfil("r", 0)).then(onHand("berlin", 0), reserved("berlin", 0))
}

func TestReceiptsLowerWhatIsOpen(t *testing.T) {
	scenario(t).
		given(expected("po-1", "berlin", 100, day(4))).
		when(receivedFor("po-1", "1", "berlin", 60)).then(toCome("berlin", 40), ats(60), atp(day(4), 100)).
		when(receivedFor("po-1", "1", "berlin", 60)).then(toCome("berlin", 0), ats(120)).
		when(expected("po-1", "berlin", 130, day(5))).then(toCome("berlin", 10)).
		when(receivedFor("another", "1", "berlin", 5)).then(toCome("berlin", 10)).
		when(receivedFor("po-1", "of its own", "hamburg", 3)).then(toCome("berlin", 7)) // a line that nobody knows counts for the document
}

func TestSupplyFactsInAnyOrderComeToTheSameEnd(t *testing.T) {
	facts := []step{
		expected("po-1", "berlin", 100, day(4)).saidAt(day(-9)),
		expected("po-1", "berlin", 80, day(4)).saidAt(day(-8)),
		rescheduled("po-1", day(6)).saidAt(day(-7)),
		receivedFor("po-1", "1", "berlin", 30),
	}
	for first := range facts {
		for second := range facts {
			g := scenario(t).given(facts[first], facts[second])
			for _, f := range facts {
				g.given(f)
			}
			if first != 3 && second != 3 { // a receipt has no key of its own here, so it must come once
				given{g.w}.when(wait(time.Second)).then(toCome("berlin", 50), atp(day(5), 30), atp(day(6), 80))
			}
		}
	}
}

// Of dates that were said at one instant the later one counts, whoever said it.
func TestAtOneInstantTheLaterDateCounts(t *testing.T) {
	for _, days := range [][3]int{{4, 5, 6}, {4, 6, 5}, {6, 5, 4}, {5, 6, 4}} {
		scenario(t).
			given(expected("po-1", "berlin", 9, day(days[0])).saidAt(day(-1)), rescheduled("po-1", day(days[1])).saidAt(day(-1))).
			given(move(Movement{Kind: KindSupplyRescheduled, Document: "po-1", Line: "1", DueAt: day(days[2])}).saidAt(day(-1))).
			when(wait(0)).then(nextAt(day(6)))
	}
}

func TestACancelledOrderBreaksTheYoungestPromises(t *testing.T) {
	scenario(t).
		given(counted("berlin", 10), expected("po-1", "berlin", 30, day(4)), expected("po-2", "berlin", 10, day(8))).
		given(reserveFor("old", 20, day(5)), reserveFor("young", 15, day(5)), reserveFor("late", 10, day(9))).
		when(cancelled("po-2")).
		then(shortfall(ShortfallDetected{Location: "berlin", At: day(9), Missing: 5, Promises: []BrokenPromise{{"late", day(9), 5}}})).
		when(cancelled("po-1")).
		then(shortfall(ShortfallDetected{Location: "berlin", At: day(5), Missing: 35, Promises: []BrokenPromise{
			{"late", day(9), 10}, {"young", day(5), 15}, {"old", day(5), 10}}}), ats(0)).
		when(release("late", 0)).then(noShortfall()).
		when(expected("po-3", "berlin", 25, day(5))).then(noShortfall(), atp(day(5), 0))
}

func TestAPromiseSlipsWithItsSupply(t *testing.T) {
	scenario(t).
		given(expected("po-1", "berlin", 30, day(4)), reserveFor("r", 30, day(5))).
		when(rescheduled("po-1", day(5))).then(noShortfall()).
		when(rescheduled("po-1", day(6))).
		then(shortfall(ShortfallDetected{Location: "berlin", At: day(5), Missing: 30, Promises: []BrokenPromise{{"r", day(5), 30}}})).
		when(expected("po-1", "berlin", 20, day(6))).then(noShortfall()) // no more is missing than before
}

// A till sells what was kept for a later promise: it is recorded, and says what breaks.
func TestASaleMayBreakALaterPromise(t *testing.T) {
	scenario(t).
		given(counted("berlin", 10), reserveFor("party", 8, day(3))).
		when(sold("berlin", 5)).
		then(shortfall(ShortfallDetected{Location: "berlin", At: day(3), Missing: 3, Promises: []BrokenPromise{{"party", day(3), 3}}}), result(Moved{Effect: -5, Short: true})).
		when(received("berlin", 1)).then(noShortfall())
}

// Supply that is overdue counts for nothing until it comes or has a new date: what was promised from it is kept back.
func TestOverdueSupplyCountsForNothing(t *testing.T) {
	scenario(t).
		given(counted("berlin", 50), expected("po-1", "berlin", 100, day(4)), reserveFor("r", 80, day(7))).
		when(wait(0)).then(ats(50), nextAt(day(0)+3*aggregates.Second)).
		when(wait(5*24*time.Hour)).then(ats(0), atp(day(9), 0)).
		when(rescheduled("po-1", day(6))).then(ats(50), atp(day(7), 70))
}

func TestUnitsLostOnTheWay(t *testing.T) {
	scenario(t).
		given(counted("hamburg", 50), shipped("t-1", "hamburg", "berlin", 20, day(2))).
		when(wait(0)).then(inTransit("berlin", 20), toCome("berlin", 20), atp(day(2), 50)).
		when(reserveFor("r", 50, day(2))).then(atp(day(2), 0)).
		when(arrived("t-1", "hamburg", "berlin", 12)).then(inTransit("berlin", 8), toCome("berlin", 8), onHand("berlin", 12)).
		when(transferCancelled("t-1")).
		then(inTransit("berlin", 0), toCome("berlin", 0), shortfall(ShortfallDetected{
			Location: "berlin", At: day(2), Missing: 8, Promises: []BrokenPromise{{"r", day(2), 8}}})).
		when(arrived("t-1", "hamburg", "berlin", 3)).then(inTransit("berlin", 0), onHand("berlin", 15), noShortfall())
}

func TestATransferWithoutADateIsOnlyInTransit(t *testing.T) {
	scenario(t).
		given(counted("hamburg", 50), shipped("t-1", "hamburg", "berlin", 20, 0)).
		when(reserveFor("r", 31, day(200))).then(refused(&InsufficientError{Requested: 31, Available: 30, PromiseAt: day(200)})).
		when(move(Movement{Kind: KindSupplyRescheduled, Supply: SupplyTransfer, Document: "t-1", DueAt: day(3)})).
		then(atp(day(3), 50)).
		when(transferCancelled("t-1")).then(inTransit("berlin", 0), atp(day(3), 30))
}

func TestAPlannedTransferIsNotExpectedTwice(t *testing.T) {
	scenario(t).
		given(counted("hamburg", 50)).
		given(move(Movement{Kind: KindSupplyExpected, Supply: SupplyTransfer, Document: "t-1", Location: "berlin", Quantity: 20, DueAt: day(3)})).
		when(shipped("t-1", "hamburg", "berlin", 15, 0)).then(toCome("berlin", 20), inTransit("berlin", 15)).
		when(arrived("t-1", "hamburg", "berlin", 15)).then(toCome("berlin", 5), inTransit("berlin", 0)).
		when(transferCancelled("t-1")).then(toCome("berlin", 0), inTransit("berlin", 0))
}

func TestAHoldForADateEnds(t *testing.T) {
	held := reserveAs(ReserveRequest{ReservationID: "cart", Quantity: 10, PromiseAt: day(5), HoldSeconds: 60})
	scenario(t).
		given(expected("po-1", "berlin", 10, day(4)), held).
		when(wait(0)).then(atp(day(4), 0)).
		when(wait(2*time.Minute)).then(atp(day(4), 10), promisedNow("berlin", 0)).
		when(expire(5)).then(reserved("berlin", 0), toCome("berlin", 10))
	scenario(t).
		given(expected("po-1", "berlin", 10, day(4)), held, extend("cart", "15:00"), confirm("cart"), release("cart", 4), wait(time.Hour)).
		when(wait(0)).then(atp(day(4), 4)).
		when(held.key("cart", "another")).then(refused(&KeyReusedError{Key: "cart"}))
}

func TestFactsAboutSupplyMustSayWhatTheyMean(t *testing.T) {
	for what, r := range map[string]Movement{
		"document": {Kind: KindSupplyExpected, Location: "berlin", Quantity: 1, DueAt: day(1)},
		"location": {Kind: KindSupplyExpected, Document: "po-1", Quantity: 1, DueAt: day(1)},
		"due_at":   {Kind: KindSupplyRescheduled, Document: "po-1"},
		"kind":     {Kind: KindSupplyCancelled, Document: "po-1", Supply: 9},
	} {
		scenario(t).when(move(r)).then(func(w *world) {
			var wrong *SupplyError
			if !errors.As(w.err, &wrong) || wrong.Field != what {
				t.Errorf("%s: %v", what, w.err)
			}
		})
	}
}

func TestLinesOfSupplyAreBounded(t *testing.T) {
	s := &State{}
	record := func(r Movement) error {
		m := aggregates.Metadata{RecordedAt: clock("12:00")}
		_, events, err := Move(s, r, m, clock("12:00"))
		for _, e := range events {
			s.Evolve(e, m)
		}
		return err
	}
	for i := range MaxSupplyLines {
		if err := record(Movement{Kind: KindSupplyExpected, Document: fmt.Sprint("po ", i), Location: "berlin", Quantity: 1, DueAt: day(1)}); err != nil {
			t.Fatal(i, err)
		}
	}
	var many *TooManySupplyError
	if err := record(Movement{Kind: KindSupplyExpected, Document: "one more", Location: "berlin", Quantity: 1, DueAt: day(1)}); !errors.As(err, &many) {
		t.Fatal(err)
	}
	// A physical fact is never refused: it is in transit, with no date.
	if err := record(Movement{Kind: KindTransferShipped, TransferID: "t", Location: "hamburg", Other: "berlin", Quantity: 4, DueAt: day(1)}); err != nil {
		t.Fatal(err)
	}
	if x := s.At("berlin"); x.InTransit != 4 || x.Later.Incoming.EndedAt(day(2)) != MaxSupplyLines {
		t.Fatal(x.InTransit, x.Later.Incoming.EndedAt(day(2)))
	}
	// What is cancelled makes room, once it is forgotten.
	for i := range MaxSettled + 1 {
		if err := record(Movement{Kind: KindSupplyCancelled, Document: fmt.Sprint("po ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := record(Movement{Kind: KindSupplyExpected, Document: "one more", Location: "berlin", Quantity: 1, DueAt: day(1)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestDatesOfPromisesAreBounded(t *testing.T) {
	g := scenario(t).given(counted("berlin", 2*MaxPromiseDates))
	s, p := g.w.state, g.w.policy
	var last error
	for i := range MaxPromiseDates + 1 {
		m := aggregates.Metadata{RecordedAt: g.w.now}
		_, events, err := Reserve(s, ReserveRequest{ReservationID: fmt.Sprint(i), Quantity: 1, Confirmed: true, PromiseAt: day(1) + aggregates.Instant(i)*aggregates.Second}, m, p, g.w.now)
		for _, e := range events {
			s.Evolve(e, m)
		}
		last = err
	}
	var dates *TooManyDatesError
	if !errors.As(last, &dates) || dates.Location != "berlin" {
		t.Fatal(last)
	}
}

// A fact is about the supply of the locations that it names, and that its document's lines name.
func TestWhereAFactAboutSupplyIsAbout(t *testing.T) {
	w := scenario(t).given(expected("po", "berlin", 10, day(2)),
		move(Movement{Kind: KindSupplyExpected, Document: "po", Line: "2", Location: "hamburg", Quantity: 1, DueAt: day(2)}),
		rescheduled("later", day(3)), shipped("t", "hamburg", "munich", 1, day(2))).w
	for want, r := range map[string]Movement{
		"[]":                   {Kind: KindSupplyCancelled, Document: "unknown"},
		"[munich]":             {Kind: KindSupplyExpected, Document: "unknown", Location: "munich"},
		"[berlin]":             {Kind: KindSupplyRescheduled, Document: "po", Line: "1"},
		"[berlin hamburg]":     {Kind: KindSupplyCancelled, Document: "po"},
		"[berlin munich]":      {Kind: KindSupplyExpected, Document: "po", Line: "1", Location: "munich"}, // it moves there
		"[munich] of a branch": {Kind: KindSupplyCancelled, Supply: SupplyTransfer, Document: "t", Location: "munich"},
		"[munich] of all":      {Kind: KindSupplyCancelled, Supply: SupplyTransfer, Document: "t"},
		"[] as yet":            {Kind: KindSupplyCancelled, Document: "later"},
	} {
		if got := fmt.Sprint(w.state.SupplyAt(&r)); got != strings.Split(want, " of ")[0] && got+" as yet" != want {
			t.Errorf("%+v is about %s, expected %s", r, got, want)
		}
	}
}
