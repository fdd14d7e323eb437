package stock

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// heldBy fills a state with holds as a storefront places them: one unit each, most at one location, one after the other.
func heldBy(t testing.TB, holds int, id string) *State {
	s := &State{}
	at := benchStart
	benchFold(t, s, Movement{Kind: KindCounted, Location: "store-001", Quantity: MaxQuantity},
		aggregates.Metadata{OccurredAt: at, RecordedAt: at, IdempotencyKey: "count"})
	p := NewPolicy("web", []string{"store-001"}, 0, 900)
	for i := range holds {
		at += aggregates.Second / 2
		benchReserve(t, s, p, fmt.Sprintf(id, i), 900, at)
	}
	return s
}

// A live hold takes at most 200 bytes with its id, its place in every index, and what its location counts of it; and Size says so.
func TestHoldsAreSmall(t *testing.T) {
	for _, id := range []string{"cart-%05d", "a1b2c3d4-12-%03d", "a1b2c3d4-e5f6-4711-8899-%012d"} {
		for _, holds := range []int{100, 500, 10_000} {
			empty := heldBy(t, 0, id).Size()
			var states [8]*State
			before := heapInUse()
			for i := range states {
				states[i] = heldBy(t, holds, id)
			}
			taken := int(heapInUse()-before)/len(states) - empty
			told := states[0].Size() - empty
			runtime.KeepAlive(states)
			if taken > 200*holds {
				t.Errorf("%d holds like %s take %d bytes each", holds, id, taken/holds)
			}
			if told < taken*85/100 || told > taken*115/100 {
				t.Errorf("%d holds like %s take %d bytes each, told as %d", holds, id, taken/holds, told/holds)
			}
		}
	}
}
