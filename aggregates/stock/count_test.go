package stock

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func TestCountsOutrankWhatOccurredEarlier(t *testing.T) {
	t.Run("a late movement", func(t *testing.T) {
		scenario(t).given(received("berlin", 10).at("08:00"), counted("berlin", 7).at("10:00")).
			when(sold("berlin", 3).at("09:00")).
			then(recorded(&StockSold{
				Location: "berlin", Quantity: 3, Channel: "pos", Absorbed: AbsorbedBy{Revision: 2, AsOf: clock("10:00")},
			}), effect(0), onHand("berlin", 7))
	})
	t.Run("a late count before later movements", func(t *testing.T) {
		scenario(t).given(received("berlin", 10).at("08:00"), sold("berlin", 3).at("10:00")).
			when(counted("berlin", 8).at("09:00")).
			then(recorded(&StockCounted{Location: "berlin", Counted: 8, Delta: -2}), effect(-2), onHand("berlin", 5))
	})
	t.Run("a late count before a later count", func(t *testing.T) {
		scenario(t).given(received("berlin", 10).at("08:00"), counted("berlin", 7).at("10:00")).
			when(counted("berlin", 9).at("09:00")).
			then(recorded(&StockCounted{
				Location: "berlin", Counted: 9, Delta: -1, Absorbed: AbsorbedBy{Revision: 2, AsOf: clock("10:00")},
			}), effect(0), onHand("berlin", 7)).
			when(sold("berlin", 1).at("08:30")).
			then(recorded(&StockSold{
				Location: "berlin", Quantity: 1, Channel: "pos", Absorbed: AbsorbedBy{Revision: 3, AsOf: clock("09:00")},
			}), onHand("berlin", 7))
	})
	t.Run("only in the condition counted", func(t *testing.T) {
		scenario(t).given(counted("berlin", 7).at("10:00")).
			when(move(Movement{Kind: KindConditionChanged, Location: "berlin", Quantity: 2, To: Damaged}).at("09:00")).
			then(recorded(&StockConditionChanged{
				Location: "berlin", To: Damaged, Quantity: 2, FromAbsorbed: AbsorbedBy{Revision: 1, AsOf: clock("10:00")},
			}), effect(0), onHand("berlin", 7), onHandIn("berlin", Damaged, 2))
	})
	t.Run("only at the location counted", func(t *testing.T) {
		scenario(t).given(counted("berlin", 7).at("10:00")).
			when(move(Movement{Kind: KindTransferShipped, Location: "berlin", Other: "munich", Quantity: 2}).at("09:00")).
			then(effect(0), onHand("berlin", 7), inTransit("munich", 2)).
			when(move(Movement{Kind: KindTransferReceived, Location: "munich", Other: "berlin", Quantity: 2}).at("09:30")).
			then(effect(2), onHand("munich", 2), inTransit("munich", 0))
	})
	t.Run("a fulfilment", func(t *testing.T) {
		absorbed := AbsorbedBy{Revision: 3, AsOf: clock("12:00:03")}
		scenario(t).given(counted("berlin", 10), reserve("cart", 4), counted("berlin", 6)).
			when(fulfil("cart", 0).at("12:00:02")).
			then(recorded(&ReservationFulfilled{
				ReservationID: "cart", ExpiresAt: clock("12:15:02"), Closed: true,
				Splits: []FulfilledSplit{{Location: "berlin", ReservedAt: "berlin", Quantity: 4, Absorbed: absorbed}},
			}), onHand("berlin", 6), reserved("berlin", 0), ats(6))
	})
}

func TestAtOneInstantCountsComeFirst(t *testing.T) {
	t.Run("then the movement", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10).at("09:00")).
			when(sold("berlin", 3).at("09:00")).then(effect(-3), onHand("berlin", 7))
	})
	t.Run("whichever is recorded first", func(t *testing.T) {
		scenario(t).given(received("berlin", 20).at("08:00"), sold("berlin", 3).at("09:00")).
			when(counted("berlin", 10).at("09:00")).then(effect(-10), onHand("berlin", 7))
	})
	t.Run("and the last recorded count is in force", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10).at("09:00"), sold("berlin", 3).at("09:00"), counted("berlin", 12).at("09:00")).
			when(sold("berlin", 1).at("08:00")).
			then(recorded(&StockSold{
				Location: "berlin", Quantity: 1, Channel: "pos", Absorbed: AbsorbedBy{Revision: 3, AsOf: clock("09:00")},
			}), onHand("berlin", 9)).
			when(counted("berlin", 5).at("09:00")).then(onHand("berlin", 2))
	})
}

// busy is more sales than a journal keeps, one a second.
func busy(location string, from string) []step {
	steps := make([]step, journalMost+1)
	for i := range steps {
		at := clock(from) + aggregates.Instant(i)*aggregates.Second
		steps[i] = sold(location, 1).with(func(m *aggregates.Metadata) { m.OccurredAt = at })
	}
	return steps
}

func TestWhatTheJournalForgotIsReadFromHistory(t *testing.T) {
	g := scenario(t).given(counted("berlin", 1000).at("08:00")).given(busy("berlin", "09:00")...)
	if _, _, err := Move(g.w.state, Movement{Kind: KindSold, Location: "berlin", Quantity: 1}, at("08:30"), g.w.now); err != nil {
		t.Fatalf("a late sale after the last count needs no history: %v", err)
	}
	late := Movement{Kind: KindCounted, Location: "berlin", Quantity: 900}
	_, _, err := Move(g.w.state, late, at("08:30"), g.w.now)
	var need *NeedHistory
	if !errors.As(err, &need) || need.Location != "berlin" || need.Since != clock("08:30") || need.History.Next() != 0 {
		t.Fatalf("%v, %+v", err, need)
	}
	late.History = need.History
	if _, _, err = Move(g.w.state, late, at("08:30"), g.w.now); !errors.As(err, &need) || need.History != late.History {
		t.Fatalf("an empty history was taken for the whole: %v", err)
	}
	feed(need.History, g.w.log)
	moved, events, err := Move(g.w.state, late, at("08:30"), g.w.now)
	if err != nil || moved.Effect != -100 {
		t.Fatalf("%+v %v %v", moved, events, err)
	}
	g.when(wait(0)).when(move(late).at("08:30")).then(onHand("berlin", 900-journalMost-1)).
		when(sold("berlin", 1).at("08:10")).
		then(effect(0))
}

func TestHistoryMustBeWhole(t *testing.T) {
	g := scenario(t).given(counted("berlin", 1000).at("08:00")).given(busy("berlin", "09:00")...)
	late := Movement{Kind: KindCounted, Location: "berlin", Quantity: 900}
	late.History = asked(t, g.w, late)
	late.History.Add(g.w.log[1].event, 1, g.w.log[1].meta) // out of turn
	if late.History.Next() != 0 {
		t.Fatal("an event out of turn was taken in")
	}
	feed(late.History, g.w.log)
	g.given(sold("berlin", 1).at("08:20")) // meanwhile
	_, _, err := Move(g.w.state, late, at("08:30"), g.w.now)
	var need *NeedHistory
	if !errors.As(err, &need) || need.History != late.History {
		t.Fatalf("a history that is behind was taken for the whole: %v", err)
	}
	feed(late.History, g.w.log)
	g.when(move(late).at("08:30")).then(onHand("berlin", 900-journalMost-1))
}

func TestHistoryOfAnotherQuestionIsExtended(t *testing.T) {
	g := scenario(t).given(counted("berlin", 1000).at("08:00")).given(busy("berlin", "09:00")...)
	late := Movement{Kind: KindCounted, Location: "berlin", Quantity: 900}
	first := asked(t, g.w, late)
	feed(first, g.w.log)
	late.Quantity, late.Condition, late.History = 3, Damaged, first
	second := asked(t, g.w, late)
	if second == first || second.Next() != 0 {
		t.Fatal("the answers to one question were taken for another's")
	}
	feed(second, g.w.log)
	late.History = second
	g.when(move(late).at("08:30")).then(effect(3), onHandIn("berlin", Damaged, 3))
	late.Condition, late.Quantity = Sellable, 900
	feed(second, g.w.log)
	g.when(move(late).at("08:30")).then(onHand("berlin", 900-journalMost-1))
}

func asked(t *testing.T, w *world, r Movement) *History {
	t.Helper()
	var need *NeedHistory
	if _, _, err := Move(w.state, r, at("08:30"), w.now); !errors.As(err, &need) {
		t.Fatalf("no history was asked for: %v", err)
	}
	return need.History
}

func TestManyCountsAreReadFromHistoryToo(t *testing.T) {
	g := scenario(t).given(received("berlin", 5).at("01:00"))
	for i := range countsMost + 1 {
		g.given(counted("berlin", int64(i)).at(fmt.Sprintf("02:%02d", i)))
	}
	early := Movement{Kind: KindSold, Location: "berlin", Quantity: 1}
	m := at("02:03:30")
	_, _, err := Move(g.w.state, early, m, g.w.now)
	var need *NeedHistory
	if !errors.As(err, &need) {
		t.Fatal(err)
	}
	feed(need.History, g.w.log)
	early.History = need.History
	g.when(move(early).at("02:03:30")).then(recorded(&StockSold{
		Location: "berlin", Quantity: 1, Absorbed: AbsorbedBy{Revision: 6, AsOf: clock("02:04")},
	}), effect(0))
	g.when(sold("berlin", 1).at("02:15:30")).then(recorded(&StockSold{
		Location: "berlin", Quantity: 1, Channel: "pos", Absorbed: AbsorbedBy{Revision: 18, AsOf: clock("02:16")},
	}))
}

func TestFulfilmentFarBackAsksForHistory(t *testing.T) {
	g := scenario(t).given(counted("berlin", 100).at("01:00"), reserve("cart", 2))
	for i := range countsMost + 1 {
		g.given(counted("berlin", 50).at(fmt.Sprintf("02:%02d", i)))
	}
	g.when(fulfil("cart", 0).at("01:30"))
	var need *NeedHistory
	if !errors.As(g.w.err, &need) {
		t.Fatal(g.w.err)
	}
	feed(need.History, g.w.log)
	withHistory := step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Fulfil(w.state, FulfilRequest{ReservationID: "cart", History: need.History}, m, w.now))
	}}
	g.when(withHistory.at("01:30")).then(onHand("berlin", 50), reserved("berlin", 0))
}

func feed(h *History, log []logged) {
	for i, x := range log {
		h.Add(x.event, uint64(i), x.meta)
	}
}

func at(text string) aggregates.Metadata {
	return aggregates.Metadata{OccurredAt: clock(text), RecordedAt: clock("23:00")}
}

func TestJournalKeepsTheLatestByTime(t *testing.T) {
	var j journal
	for i := range journalMost {
		j.add(entry{at: aggregates.Instant(1000 - i), delta: 1})
	}
	j.add(entry{at: 2000, delta: 5})
	if len(j.entries) != journalKeep || j.entries[journalKeep-1].at != 2000 || j.floor != j.entries[0].at {
		t.Fatalf("%d entries from %d, floor %d", len(j.entries), j.entries[0].at, j.floor)
	}
	j.add(entry{at: j.floor - 1, delta: 1})
	if len(j.entries) != journalKeep {
		t.Fatal("an entry below the floor was kept")
	}
	if _, known, _ := j.changeAfter(Sellable, j.floor-1); known {
		t.Fatal("knows what it dropped")
	}
	if sum, known, _ := j.changeAfter(Sellable, j.floor); !known || sum != journalKeep-1+5 {
		t.Fatal(sum, known)
	}
}

func TestJournalDropsWholeInstants(t *testing.T) {
	var j journal
	for i := range journalMost + 1 {
		// Four conditions, each as count and movement: eight entries an instant.
		j.add(entry{at: aggregates.Instant(i / 8), delta: 1, condition: Condition(i % 4), count: i%8 < 4})
	}
	if len(j.entries)%8 != 1 || j.entries[0].at != j.floor {
		t.Fatalf("%d entries from %d, floor %d", len(j.entries), j.entries[0].at, j.floor)
	}
}

func TestJournalKeepsTheLatestCounts(t *testing.T) {
	var j journal
	for i := range countsMost - 1 {
		j.addCount(countRef{asOf: aggregates.Instant(100 + (i+1)/2), condition: Condition(i % 2), revision: uint64(i)})
	}
	j.addCount(countRef{asOf: 90, revision: 1})
	if found, known := j.firstCountAfter(Sellable, 89); !known || found != (AbsorbedBy{Revision: 1, AsOf: 90}) {
		t.Fatal(found, known)
	}
	j.addCount(countRef{asOf: 200, condition: Damaged, revision: 99})
	if j.counts[0].asOf != j.countFloor || len(j.counts) != countsKeep-1 {
		t.Fatalf("%+v from %d", j.counts, j.countFloor)
	}
	if _, known := j.firstCountAfter(Sellable, j.countFloor-2); known {
		t.Fatal("knows what it dropped")
	}
	if found, known := j.firstCountAfter(Sellable, j.countFloor-1); !known || found.AsOf != j.countFloor {
		t.Fatal(found, known)
	}
	j.addCount(countRef{asOf: j.countFloor - 1, revision: 100})
	if len(j.counts) != countsKeep-1 {
		t.Fatal("a count below the floor was kept")
	}
}

func TestJournalSumsUpOneInstant(t *testing.T) {
	var j journal
	j.add(entry{at: 5, delta: 2})
	j.add(entry{at: 5, delta: 3})
	j.add(entry{at: 5, delta: 1, count: true})
	if len(j.entries) != 2 || !j.entries[0].count || j.entries[1].delta != 5 {
		t.Fatalf("%+v", j.entries)
	}
	j.add(entry{at: 5, delta: -5})
	if len(j.entries) != 1 {
		t.Fatalf("%+v", j.entries)
	}
	j.add(entry{at: 7, delta: 1<<63 - 1})
	j.add(entry{at: 7, delta: 1})
	if _, known, fits := j.changeAfter(Sellable, 6); len(j.entries) != 3 || !known || fits {
		t.Fatalf("%+v", j.entries)
	}
}

func TestOccurredAtDefaultsToRecordedAt(t *testing.T) {
	scenario(t).given(counted("berlin", 5).with(func(m *aggregates.Metadata) { m.OccurredAt = 0 })).
		when(sold("berlin", 2).with(func(m *aggregates.Metadata) {
			m.OccurredAt = m.RecordedAt - aggregates.Instant(2*time.Second/time.Microsecond)
		})).
		then(effect(0), onHand("berlin", 5))
}
