package stock

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func TestHoldsAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Holds
		model := map[aggregates.Instant]int64{}
		span := rapid.SampledFrom([]int{5, 400, 100_000}).Draw(t, "span")
		ascending := rapid.Bool().Draw(t, "ascending")
		seed := rapid.IntRange(1, 1<<20).Draw(t, "seed")
		for i := range rapid.IntRange(1, 2000).Draw(t, "changes") {
			seed = (seed*1_103_515_245 + 12_345) & 0x7fffffff
			until := aggregates.Instant(seed%span) * aggregates.Second
			if ascending {
				until = aggregates.Instant(i) * aggregates.Second
			}
			quantity := int64(seed%9 + 1)
			if seed%3 == 0 && model[until] > 0 {
				quantity = -min(model[until], quantity*5)
			}
			h.Add(until, quantity)
			if model[until] += quantity; model[until] == 0 {
				delete(model, until)
			}
			if i%64 == 0 {
				sameHolds(t, &h, model, aggregates.Instant(seed%(span+2)-1)*aggregates.Second)
			}
		}
		sameHolds(t, &h, model, aggregates.Instant(span/2)*aggregates.Second)
	})
}

func sameHolds(t *rapid.T, h *Holds, model map[aggregates.Instant]int64, now aggregates.Instant) {
	var want []Hold
	var ended int64
	for until, quantity := range model {
		want = append(want, Hold{until, quantity})
		if until <= now {
			ended += quantity
		}
	}
	slices.SortFunc(want, func(a, b Hold) int { return int(a.Until - b.Until) })
	if got := slices.Collect(h.Each); !slices.Equal(got, want) || h.Len() != len(want) {
		t.Fatalf("holds %v, expected %v", got, want)
	}
	if got := h.EndedAt(now); got != ended {
		t.Fatalf("%d ended at %d, expected %d", got, now, ended)
	}
	for i := range h.runs {
		var total int64
		for _, x := range h.runs[i].holds {
			total += x.Quantity
		}
		if total != h.runs[i].total || len(h.runs[i].holds) > holdRun || len(h.runs[i].holds) == 0 {
			t.Fatalf("run %d: %d of %d", i, total, h.runs[i].total)
		}
	}
}

func TestHoldsStopWhenAsked(t *testing.T) {
	var h Holds
	h.Add(aggregates.Second, 1)
	h.Add(2*aggregates.Second, 1)
	for x := range h.Each {
		if x.Until != aggregates.Second {
			t.Fatal(x)
		}
		break
	}
	copied := h.clone()
	h.Add(aggregates.Second, 5)
	if copied.EndedAt(aggregates.Second) != 1 {
		t.Fatal("a clone shares its holds")
	}
}

func TestDueHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h dueHeap
		var in []*kept
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch pick := rapid.IntRange(0, 5).Draw(t, "step"); {
			case pick <= 2 || len(in) == 0:
				r := &kept{id: fmt.Sprint(i), revision: uint64(i), until: aggregates.Instant(rapid.IntRange(1, 20).Draw(t, "until"))}
				h.push(r)
				in = append(in, r)
			case pick == 3:
				r := in[rapid.IntRange(0, len(in)-1).Draw(t, "which")]
				r.until = aggregates.Instant(rapid.IntRange(1, 20).Draw(t, "until"))
				h.fix(int(r.due))
			default:
				at := rapid.IntRange(0, len(in)-1).Draw(t, "which")
				h.remove(in[at])
				h.remove(in[at]) // a second time does nothing
				in = slices.Delete(in, at, at+1)
			}
			now := aggregates.Instant(rapid.IntRange(0, 21).Draw(t, "now"))
			most := rapid.IntRange(0, 10).Draw(t, "most")
			if got, want := h.first(now, most), firstDue(in, now, most); !slices.Equal(got, want) {
				t.Fatalf("%d due, expected %d", len(got), len(want))
			}
		}
	})
}

func firstDue(in []*kept, now aggregates.Instant, most int) []*kept {
	due := slices.DeleteFunc(slices.Clone(in), func(k *kept) bool { return k.until > now })
	slices.SortFunc(due, func(a, b *kept) int {
		if a.until != b.until {
			return int(a.until - b.until)
		}
		return int(a.revision) - int(b.revision)
	})
	return due[:min(most, len(due))]
}

// Runs are full when holds come in order of their ends, as they do when all last as long, and at least half full
// otherwise.
func TestHoldsFillTheirRuns(t *testing.T) {
	const n = 20 * holdRun
	var ordered, mixed Holds
	for i := range n {
		ordered.Add(aggregates.Instant(i)*aggregates.Second, 1)
		mixed.Add(aggregates.Instant(i*7919%n)*aggregates.Second, 1)
	}
	if len(ordered.runs) != n/holdRun || mixed.Len() != n || len(mixed.runs) > 2*n/holdRun {
		t.Fatalf("%d runs in order, %d mixed", len(ordered.runs), len(mixed.runs))
	}
}
