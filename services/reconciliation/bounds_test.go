package reconciliation

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates/reconciliation"
)

func TestDifferencesThatDoNotFitAreTheLargest(t *testing.T) {
	const most, least = math.MaxInt64, math.MinInt64
	for _, x := range []struct{ a, b, minus, magnitude int64 }{
		{5, 3, 2, 2}, {3, 5, -2, 2}, {most, -1, most, most}, {least, 1, least, most}, {-2, most, least, most}, {0, least, most, most}, {least, least, 0, 0}, {most, most, 0, 0},
	} {
		if got := minus(x.a, x.b); got != x.minus || magnitude(got) != x.magnitude {
			t.Errorf("%d - %d is %d, %d without its sign", x.a, x.b, got, magnitude(got))
		}
	}
}

func TestKeepKeepsTheLatest(t *testing.T) {
	var list []int
	for i := range 1_000 {
		list = keep(list, i, 10)
		if want := min(i+1, 10); len(list) < want || len(list) > 20 || !slices.IsSorted(list) || list[len(list)-1] != i || i > 10 && list[len(list)-10] != i-9 {
			t.Fatalf("after %d: %v", i, list)
		}
	}
}

// Rows come in order, from memory and from many files.
func TestManySortedPartsAreMerged(t *testing.T) {
	s := &sorter{dir: t.TempDir()}
	for i := range 3_000 {
		s.rows = append(s.rows, reconciliation.Row{SKU: fmt.Sprintf("sku-%05d", i*7919%3_000), Line: int64(i)})
		if i%101 == 100 {
			if err := s.spill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		n := 0
		if err := s.each(func(r *reconciliation.Row) error {
			if want := fmt.Sprintf("sku-%05d", n); r.SKU != want {
				t.Fatalf("row %d is of %s", n, r.SKU)
			}
			n++
			return nil
		}); err != nil || n != 3_000 {
			t.Fatal(n, err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}
