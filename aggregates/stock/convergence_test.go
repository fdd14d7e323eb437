package stock

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// Whatever the order in which facts arrive, the balances end the same, at every instant: as long as no two counts of
// the same are as of the same instant, where the last one recorded is in force.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := arrivals(t)
		first := newHistoryOf(t)
		second := newHistoryOf(t)
		for _, x := range facts {
			first.arrive(x)
		}
		for _, x := range rapid.Permutation(facts).Draw(t, "order") {
			second.arrive(x)
		}
		for _, site := range sites {
			for c := range conditions {
				for n := range 130 {
					at := clock("11:58") + aggregates.Instant(n)*aggregates.Second
					if a, b := trueAt(first.log, site, c, at), trueAt(second.log, site, c, at); a != b {
						t.Fatalf("%d or %d at %s in %d at second %d", a, b, site, c, n)
					}
				}
				if a, b := first.onHand(site, c), second.onHand(site, c); a != b || a != trueAt(first.log, site, c, always) {
					t.Fatalf("%d or %d at %s in %d", a, b, site, c)
				}
			}
		}
	})
}

type arrival struct {
	move Movement
	meta aggregates.Metadata
}

func arrivals(t *rapid.T) []arrival {
	counts := map[string]bool{}
	facts := make([]arrival, 0, 200)
	for i := range rapid.IntRange(2, 200).Draw(t, "facts") {
		x := arrival{
			Movement{
				Kind:     Kind(rapid.IntRange(int(KindReceived), int(KindTransferReceived)+3).Draw(t, "kind")),
				Location: rapid.SampledFrom(sites[:2]).Draw(t, "site"), Other: sites[2],
				Quantity: rapid.Int64Range(0, 20).Draw(t, "quantity"), To: Damaged,
			},
			aggregates.Metadata{OccurredAt: clock("11:58") + aggregates.Instant(rapid.IntRange(0, 120).Draw(t, "at"))*aggregates.Second},
		}
		x.meta.IdempotencyKey = fmt.Sprint(i)
		place := fmt.Sprint(x.move.Location, x.meta.OccurredAt)
		if x.move.Kind > KindTransferReceived {
			x.move.Kind = KindCounted // often, so that counts outgrow what is remembered of them
		}
		if x.move.Kind == KindCounted && counts[place] {
			x.move.Kind = KindReturned
		}
		counts[place] = counts[place] || x.move.Kind == KindCounted
		facts = append(facts, x)
	}
	return facts
}

func (h *history) arrive(x arrival) {
	h.now += aggregates.Second
	x.meta.RecordedAt = h.now
	_, _, err := h.decide(x.meta, func(history *History) (any, []aggregates.Event, error) {
		x.move.History = history
		return three(Move(h.state, x.move, x.meta, h.now))
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) onHand(site string, c Condition) int64 {
	if x := h.state.At(site); x != nil {
		return x.OnHand[c]
	}
	return 0
}

// However many carts want units at once, no more are promised than there are, and all of those.
func TestPromisesNeverOversell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stocked := map[string]int64{}
		s := &State{}
		for _, site := range sites {
			stocked[site] = rapid.Int64Range(0, 50).Draw(t, "stock")
			s.Evolve(&StockReceived{Location: site, Quantity: stocked[site]}, at("12:00"))
		}
		p, promised := channels[0], int64(0)
		for i := range 120 {
			m := at("12:00")
			m.Fingerprint = uint64(i)
			r := ReserveRequest{ReservationID: fmt.Sprint(i), Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity")}
			if _, events, err := Reserve(s, r, m, p, clock("12:00")); err == nil {
				promised += r.Quantity
				s.Evolve(events[0], m)
			} else if left := s.Available(p, clock("12:00")); left >= r.Quantity {
				t.Fatalf("refused %d of %d: %v", r.Quantity, left, err)
			}
		}
		total := int64(0)
		for site, quantity := range maps.All(stocked) {
			total += quantity
			if x := s.At(site); x.Live(clock("12:00")) > quantity {
				t.Fatalf("%d of %d promised at %s", x.Reserved, quantity, site)
			}
		}
		if left := s.Available(p, clock("12:00")); promised+left != total {
			t.Fatalf("%d promised and %d left of %d", promised, left, total)
		}
	})
}
