package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{1, 1000, 1}, 1},
	} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %g, expected %g", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("median changed its argument: %v", c.values)
		}
	}
}

// When the machine slows down halfway, both halves of a round do. The ratio must not notice.
func TestTheRatioIsThatOfTheRounds(t *testing.T) {
	rounds := []Round{newRound(60, 100), newRound(600, 1000), newRound(59, 100), newRound(620, 1000), newRound(6, 10)}
	m := medians(rounds)
	if m.Value != 60 || m.Baseline != 100 || m.Ratio != 0.6 {
		t.Errorf("medians: %+v", m)
	}
	// The ratio of the medians would be another one.
	skewed := medians([]Round{newRound(10, 10), newRound(30, 300), newRound(20, 20)})
	if skewed.Ratio != 1 || skewed.Value/skewed.Baseline != 1 {
		t.Errorf("medians: %+v", skewed)
	}
	odd := medians([]Round{newRound(10, 100), newRound(50, 60), newRound(40, 400)})
	if odd.Ratio != 0.1 || odd.Value/odd.Baseline != 0.4 {
		t.Errorf("medians: %+v", odd)
	}
}

func TestARoundWithoutABaselineHasNoRatio(t *testing.T) {
	if r := newRound(5, 0); r.Ratio != 0 {
		t.Errorf("%+v", r)
	}
}

// The clock must agree, to its three digits, with sorting.
func TestLatencyAgreesWithSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := newClock()
	var all []float64
	for i := range 10_000 {
		d := time.Duration(math.Exp(r.NormFloat64()) * float64(time.Millisecond))
		c.record(i, d)
		all = append(all, float64(d)/1e6)
	}
	slices.Sort(all)
	got := latency(c.histogram())
	for _, x := range []struct{ got, want float64 }{{got.P50, all[4_999]}, {got.P99, all[9_899]}, {got.Max, all[9_999]}} {
		if math.Abs(x.got-x.want) > x.want*0.002 {
			t.Errorf("%g, expected %g", x.got, x.want)
		}
	}
}

func TestLatencyOutOfRangeIsClamped(t *testing.T) {
	c := newClock()
	c.record(0, -time.Second)
	c.record(1, time.Hour)
	if h := c.histogram(); h.TotalCount() != 2 || time.Duration(h.Max()) < 119*time.Second || time.Duration(h.Max()) > 121*time.Second {
		t.Errorf("%d durations, at most %s", h.TotalCount(), time.Duration(h.Max()))
	}
	if latency(newClock().histogram()) != nil {
		t.Error("no durations have a latency")
	}
}
