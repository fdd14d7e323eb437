package bench

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// median is the middle of the values, the mean of the two in the middle when their number is even; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// Round is one round of a row and of its baseline, taken right after each other.
type Round struct {
	Value    float64 `json:"value"`
	Baseline float64 `json:"baseline,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"` // of the two, as they stand beside each other
}

// newRound pairs two figures.
func newRound(value, baseline float64) Round {
	r := Round{Value: value, Baseline: baseline}
	if baseline > 0 {
		r.Ratio = value / baseline
	}
	return r
}

// medians gives the median of each column. The ratio is the median of the rounds' ratios, not the ratio of the
// medians: what disturbs a whole round disturbs both of its halves.
func medians(rounds []Round) Round {
	var value, baseline, ratio []float64
	for _, r := range rounds {
		value, baseline, ratio = append(value, r.Value), append(baseline, r.Baseline), append(ratio, r.Ratio)
	}
	return Round{Value: median(value), Baseline: median(baseline), Ratio: median(ratio)}
}

// Latency summarises durations, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Range and resolution of latencies, in nanoseconds; longer ones count as the longest.
const (
	shortest      = int64(100)
	longest       = int64(2 * time.Minute)
	figuresKept   = 3
	clockStripes  = 8 // histograms that workers share, so that they rarely meet
	stripeBitmask = clockStripes - 1
)

// clock collects durations from many workers.
type clock struct {
	stripes [clockStripes]struct {
		mu sync.Mutex
		h  *hdrhistogram.Histogram
		_  [40]byte // apart from the next in memory
	}
}

func newClock() *clock {
	c := &clock{}
	for i := range c.stripes {
		c.stripes[i].h = hdrhistogram.New(shortest, longest, figuresKept)
	}
	return c
}

// record adds one duration; any worker may call it.
func (c *clock) record(worker int, d time.Duration) {
	s := &c.stripes[worker&stripeBitmask]
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.h.RecordValue(min(max(int64(d), shortest), longest)) // fails only outside this range
}

// histogram is the sum of all stripes.
func (c *clock) histogram() *hdrhistogram.Histogram {
	sum := hdrhistogram.New(shortest, longest, figuresKept)
	for i := range c.stripes {
		c.stripes[i].mu.Lock()
		sum.Merge(c.stripes[i].h)
		c.stripes[i].mu.Unlock()
	}
	return sum
}

// latency summarises a histogram; nil when it is empty.
func latency(h *hdrhistogram.Histogram) *Latency {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	ms := func(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
	return &Latency{P50: ms(h.ValueAtQuantile(50)), P99: ms(h.ValueAtQuantile(99)), Max: ms(h.Max())}
}
