package stock

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func (s step) numbered(sequence string) step { return s.from("wms").sequence(sequence, "berlin") }

func (s step) sequence(sequence, key string) step {
	return s.with(func(m *aggregates.Metadata) { m.Source.Sequence, m.Source.PartitionKey = sequence, key })
}

func TestACountThatWasMadeAnewIsSuperseded(t *testing.T) {
	by := func(revision uint64, sequence string) SupersededBy {
		return SupersededBy{Revision: revision, Sequence: sequence}
	}
	superseded := result(Moved{Superseded: true})
	t.Run("as of the same instant", func(t *testing.T) {
		scenario(t).given(received("berlin", 9).at("08:00"), counted("berlin", 12).at("10:00").numbered("10"), sold("berlin", 1).at("10:00")).
			when(counted("berlin", 30).at("10:00").numbered("9")).
			then(superseded, onHand("berlin", 11), recorded(&StockCounted{
				Location: "berlin", Counted: 30, Delta: 18, Absorbed: AbsorbedBy{Revision: 2, AsOf: clock("10:00")}, Superseded: by(2, "10"),
			})).
			when(sold("berlin", 1).at("09:00")).
			then(onHand("berlin", 11), recorded(&StockSold{
				Location: "berlin", Quantity: 1, Channel: "pos", Absorbed: AbsorbedBy{Revision: 2, AsOf: clock("10:00")},
			})).
			when(counted("berlin", 20).at("10:00").numbered("0011")).then(effect(8), onHand("berlin", 19))
	})
	t.Run("as of an earlier one", func(t *testing.T) {
		scenario(t).given(counted("berlin", 12).at("10:00").numbered("10")).
			when(counted("berlin", 30).at("09:00").numbered("9")).
			then(superseded, onHand("berlin", 12), recorded(&StockCounted{
				Location: "berlin", Counted: 30, Delta: 30, Absorbed: AbsorbedBy{Revision: 1, AsOf: clock("10:00")}, Superseded: by(1, "10"),
			}))
	})
	t.Run("told again it is the same", func(t *testing.T) {
		scenario(t).given(counted("berlin", 12).at("10:00").numbered("10"), counted("berlin", 30).at("10:00").numbered("9").key("k", "c")).
			when(counted("berlin", 30).at("10:00").numbered("9").key("k", "c")).
			then(nothingRecorded(), result(Moved{Superseded: true, Duplicate: true}))
	})
	t.Run("not as of a later one", func(t *testing.T) {
		scenario(t).given(counted("berlin", 12).at("10:00").numbered("10")).
			when(counted("berlin", 30).at("11:00").numbered("9")).then(effect(18))
	})
	t.Run("only within a numbering", func(t *testing.T) {
		g := scenario(t).given(counted("berlin", 12).at("10:00").numbered("10"))
		g.when(counted("berlin", 13).at("10:00").from("erp").sequence("9", "berlin")).then(effect(1)).
			when(counted("berlin", 14).at("10:00").from("wms").sequence("9", "munich")).then(effect(1)).
			when(counted("berlin", 15).at("10:00").from("wms")).then(effect(1)).
			when(counted("munich", 16).at("10:00").numbered("9")).then(effect(16)).
			when(move(Movement{Kind: KindCounted, Location: "berlin", Quantity: 3, Condition: Damaged}).at("10:00").numbered("9")).then(effect(3))
	})
	t.Run("only counts", func(t *testing.T) {
		scenario(t).given(sold("berlin", 1).at("10:00").numbered("10")).
			when(counted("berlin", 5).at("10:00").numbered("9")).then(result(Moved{Effect: 5})).
			when(sold("berlin", 1).at("10:00").numbered("1")).then(effect(-1))
	})
	t.Run("numbers that are none by the order of their text", func(t *testing.T) {
		scenario(t).given(counted("berlin", 12).at("10:00").numbered("2026-b")).
			when(counted("berlin", 30).at("10:00").numbered("2026-a")).then(superseded).
			when(counted("berlin", 30).at("10:00").numbered("2026-c")).then(effect(18))
	})
	t.Run("where only the history knows", func(t *testing.T) {
		g := scenario(t).given(counted("berlin", 12).at("07:00").numbered("10"))
		for i := range countsMost + 1 {
			g.given(counted("berlin", int64(i)).at(fmt.Sprintf("09:%02d", i)))
		}
		late := Movement{Kind: KindCounted, Location: "berlin", Quantity: 30}
		m := at("07:00")
		m.Source = aggregates.Source{System: "wms", PartitionKey: "berlin", Sequence: "9"}
		_, _, err := Move(g.w.state, late, m, g.w.now)
		need, ok := err.(*NeedHistory)
		if !ok {
			t.Fatalf("decided without the history: %v", err)
		}
		feed(need.History, g.w.log)
		late.History = need.History
		g.when(move(late).at("07:00").numbered("9")).
			then(superseded, recorded(&StockCounted{Location: "berlin", Counted: 30, Delta: 18,
				Absorbed: AbsorbedBy{Revision: 1, AsOf: clock("07:00")}, Superseded: by(1, "10")}))
	})
}

// Whatever the order in which counts of one numbering arrive, with movements between, and how many are as of one instant, the
// balances end the same at every instant.
func TestOrderOfArrivalDoesNotMatterToNumberedCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var facts []arrival
		for i := range rapid.IntRange(2, 120).Draw(t, "facts") {
			x := arrival{Movement{Kind: KindCounted, Location: sites[rapid.IntRange(0, 1).Draw(t, "site")], Quantity: rapid.Int64Range(0, 20).Draw(t, "quantity")},
				aggregates.Metadata{IdempotencyKey: fmt.Sprint(i), OccurredAt: clock("11:58") + aggregates.Instant(rapid.IntRange(0, 12).Draw(t, "at"))*aggregates.Second}}
			if rapid.Bool().Draw(t, "moved") {
				x.move.Kind = KindReceived
			} else {
				x.meta.Source = aggregates.Source{System: "wms", Sequence: fmt.Sprint(i + 1)}
			}
			facts = append(facts, x)
		}
		first, second := newHistoryOf(t), newHistoryOf(t)
		for _, x := range facts {
			first.arrive(x)
		}
		for _, x := range rapid.Permutation(facts).Draw(t, "order") {
			second.arrive(x)
		}
		for _, site := range sites[:2] {
			for n := range 14 {
				at := clock("11:58") + aggregates.Instant(n)*aggregates.Second
				if a, b := trueAt(first.log, site, Sellable, at), trueAt(second.log, site, Sellable, at); a != b {
					t.Fatalf("%d or %d at %s at second %d", a, b, site, n)
				}
			}
			if a, b := first.onHand(site, Sellable), second.onHand(site, Sellable); a != b {
				t.Fatalf("%d or %d at %s", a, b, site)
			}
		}
	})
}
