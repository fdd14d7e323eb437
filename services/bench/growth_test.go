package bench

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// series of points with these ratios.
func seriesOf(ratios ...float64) *Series {
	s := &Series{Name: "growth-x-Get", Calls: "Get", Of: "things", Least: growthLeast}
	for i, r := range ratios {
		s.Points = append(s.Points, Point{X: float64(i + 1), rounds: []Round{newRound(100*r, 100)}})
	}
	return s
}

// What counts is what a point keeps of the best one before it, whichever that is.
func TestASeriesIsFlat(t *testing.T) {
	for _, c := range []struct {
		ratios []float64
		kept   float64
		flat   bool
	}{
		{[]float64{0.5}, 1, true},
		{[]float64{0.5, 0.5, 0.5}, 1, true},
		{[]float64{0.5, 0.41}, 0.82, true},
		{[]float64{0.5, 0.39}, 0.78, false},
		{[]float64{0.1, 0.5, 0.6}, 1, true},         // more callers may be faster
		{[]float64{0.1, 0.5, 0.3, 0.5}, 0.6, false}, // and may not fall back
		{[]float64{0.5, 0.45, 0.38}, 0.76, false},   // a little less each time is less in the end
		{[]float64{0.5, 0}, 0, false},
	} {
		s := seriesOf(c.ratios...)
		if s.conclude(); !near(s.Kept, c.kept) || s.Flat != c.flat {
			t.Errorf("%v: keeps %g, flat %t; expected %g, %t", c.ratios, s.Kept, s.Flat, c.kept, c.flat)
		}
	}
}

// A slow moment of the machine takes from the echo as well, and decides nothing.
func TestAPointIsTheMedianOfItsRounds(t *testing.T) {
	s := seriesOf(0.5)
	s.Points = append(s.Points, Point{X: 2, rounds: []Round{newRound(50, 100), newRound(5, 10), newRound(1, 100)}})
	s.conclude()
	if p := s.Points[1]; p.Ratio != 0.5 || p.Value != 5 || p.Baseline != 100 || !s.Flat {
		t.Errorf("%+v of %+v", p, s)
	}
}

// Each SKU that takes turns is reserved as often as it may grow.
func TestSKUsTakeTurns(t *testing.T) {
	ids := growthSKUs(2 * turnsAll)
	for _, c := range []struct {
		size, skus int
		each       int64
	}{{10, 600, 64}, {1_000, 40, 1_000}, {100_000, 1, 100_000}} {
		turns, rest := newTurns(ids, c.size)
		if len(turns.skus) != c.skus || turns.each != c.each || len(rest) != len(ids)-c.skus {
			t.Errorf("%d: %d SKUs, %d each, %d left", c.size, len(turns.skus), turns.each, len(rest))
		}
	}
}

// The series of a run go with the rows that they belong to.
func TestEachRowOfGrowthHasItsSeries(t *testing.T) {
	names := []string{"growth-stream", "growth-holds", "growth-locations", "growth-channels", "growth-callers"}
	r, err := Run(t.Context(), fakePrograms(t, honest), small(t, names...), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Figures {
		if f.Row != names[i] || len(f.Series) != 2 || f.Met == nil || *f.Met != (f.Value >= growthLeast) {
			t.Fatalf("%s: %d series, met %v", f.Row, len(f.Series), f.Met)
		}
		least := 1.0
		for j, s := range f.Series {
			least = min(least, s.Kept)
			if s.Calls != []string{getCalls, reserveCalls}[j] || s.Name != f.Row+"-"+s.Calls || len(s.Points) != 2 {
				t.Errorf("%+v", s)
			}
			for k, p := range s.Points {
				if p.Value <= 0 || p.Baseline <= 0 || p.Latency == nil || p.Calls == 0 || p.Errors != 0 || k > 0 && p.X <= s.Points[k-1].X {
					t.Errorf("%s: %+v", s.Name, p)
				}
			}
		}
		if f.Value != least {
			t.Errorf("%s: %g, the weakest point keeps %g", f.Row, f.Value, least)
		}
	}
}

func TestAServiceThatLiesFailsGrowth(t *testing.T) {
	for _, c := range []struct {
		lie lie
		row string
	}{{wrongATS, "growth-stream"}, {forgetsReserved, "growth-holds"}, {doublesReserved, "growth-locations"}, {wrongATS, "growth-channels"}, {forgetsReserved, "growth-callers"}} {
		if _, err := Run(t.Context(), fakePrograms(t, c.lie), small(t, c.row), io.Discard); !errors.Is(err, ErrWrong) {
			t.Errorf("%s in %s: %v", c.lie, c.row, err)
		}
	}
}

func TestSeriesAreInTheReport(t *testing.T) {
	r := aReport()
	s := seriesOf(0.5, 0.3)
	s.Points[0].Note, s.Points[0].Latency, s.Points[0].used = "one SKU", nil, meter{used: 40 * time.Microsecond, calls: 2}
	s.Points[1].count(sample{calls: 7, failed: map[string]int64{"Unavailable: gone": 2}})
	s.conclude()
	s.Picture = "plots/growth-x-get.svg"
	r.Figures[0].Series = []Series{*s}
	var text, page strings.Builder
	if err := errors.Join(r.WriteText(&text), r.WriteMarkdown(&page)); err != nil {
		t.Fatal(err)
	}
	if want := `
Get by things: keeps 0.60 of the best before, is to keep 0.80: NO
    things  calls/s  echo  ratio  p50 ms  p99 ms  cpu µs  errors
    1          50.0   100   0.50                    20.0       0
    2          30.0   100   0.30                               2
    1: one SKU
    2 failed: 2 x Unavailable: gone
`; !strings.HasSuffix(text.String(), want) {
		t.Errorf("got\n%s\nexpected at its end\n%s", text.String(), want)
	}
	for _, want := range []string{"### Get by things\n\nKeeps 0.60 of the best before, is to keep 0.80: NO.\n\n| things | calls/s |", "\n| 2 | 30.0 | 100 | 0.30 |  |  |  | 2 |\n",
		"\n- 1: one SKU.\n- 2 failed: 2 x Unavailable: gone.\n", "\n![Get by things](plots/growth-x-get.svg)\n"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in\n%s", want, page.String())
		}
	}
}

// A ground is of its own, and leaves nothing.
func TestAGroundIsRemoved(t *testing.T) {
	var said []string
	o := small(t, "growth-channels")
	if _, err := Run(t.Context(), fakePrograms(t, honest), o, writer(func(line string) { said = append(said, line) })); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(said); strings.Contains(text, "counting the stock") {
		t.Errorf("the stock of the other rows was counted: %s", text)
	}
}
