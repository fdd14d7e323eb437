package bench

import (
	"fmt"
	"math"
	"strings"
)

// Figure is one row of the report.
type Figure struct {
	Row   string `json:"row"`
	Title string `json:"title"`
	Unit  string `json:"unit"` // of value and baseline
	// Value is the median over the rounds.
	Value           float64   `json:"value"`
	BaselineName    string    `json:"baseline_name,omitempty"`
	Baseline        float64   `json:"baseline,omitempty"`
	Ratio           float64   `json:"ratio,omitempty"` // median of the rounds' ratios
	Target          *Target   `json:"target,omitempty"`
	Met             *bool     `json:"met,omitempty"`     // whether the target is, and what else is bound; absent without one
	Against         []Against `json:"against,omitempty"` // what else it is compared with
	Bounds          []Bound   `json:"bounds,omitempty"`  // what else was measured, and what it may come to
	Hops            []Hop     `json:"hops,omitempty"`    // to the stores, where those are processes of their own
	Latency         *Latency  `json:"latency,omitempty"`
	BaselineLatency *Latency  `json:"baseline_latency,omitempty"`
	Sizes           *Sizes    `json:"sizes,omitempty"`
	CPU             *CPU      `json:"cpu,omitempty"`
	Counts
	Rounds []Round  `json:"rounds,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Took   float64  `json:"took_seconds,omitempty"` // all of the row, what it had to prepare included
	Series []Series `json:"series,omitempty"`       // of a row about growth
}

// Counts are calls and what became of them.
type Counts struct {
	Calls    int64            `json:"calls,omitempty"`    // made, those outside the windows included
	Errors   int64            `json:"errors"`             // of them failed
	Failures map[string]int64 `json:"failures,omitempty"` // by reason
}

// Against is a comparison beside the baseline.
type Against struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value,omitempty"`   // median over the rounds, in the row's unit
	Ratio   float64 `json:"ratio,omitempty"`   // of the figure to it, median of the rounds' ratios
	Target  float64 `json:"target,omitempty"`  // at least
	Missing string  `json:"missing,omitempty"` // why there is none
	rounds  []Round
}

func (a *Against) String() string {
	if a.Missing != "" {
		return fmt.Sprintf("not compared with %s: %s", a.Name, a.Missing)
	}
	if a.Target == 0 {
		return fmt.Sprintf("%s %s: %.2f times as many", a.Name, amount(a.Value), a.Ratio)
	}
	return fmt.Sprintf("%s %s: %.2f times as many, target ≥ %.1f: %s", a.Name, amount(a.Value), a.Ratio, a.Target, yesNo(a.met()))
}

// met tells whether it is reached; what is missing here cannot be missed.
func (a *Against) met() bool { return a.Missing != "" || a.Ratio >= a.Target }

// Bound is something measured beside the row's own figure that must not come to more than so much.
type Bound struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Most  float64 `json:"most,omitempty"` // 0 when that is open
}

func (b *Bound) String() string {
	text := fmt.Sprintf("%s: %s %s", b.Name, amount(b.Value), b.Unit)
	if b.Most == 0 {
		return text
	}
	return fmt.Sprintf("%s, target ≤ %s: %s", text, amount(b.Most), yesNo(b.met()))
}

func (b *Bound) met() bool { return b.Most == 0 || b.Value <= b.Most }

// Target is what a row should reach: a share of its baseline, a value, or both; or, of what should be small, a bound.
type Target struct {
	Ratio float64 `json:"ratio,omitempty"`  // of the baseline, at least
	Value float64 `json:"value,omitempty"`  // in the row's unit, at least
	Most  float64 `json:"most,omitempty"`   // in the row's unit, at most
	P99   float64 `json:"p99_ms,omitempty"` // of the latency over all rounds, at most
}

func (t *Target) String() string {
	if t == nil {
		return ""
	}
	var parts []string
	if t.Value > 0 {
		parts = append(parts, "≥ "+amount(t.Value))
	}
	if t.Most > 0 {
		parts = append(parts, "≤ "+amount(t.Most))
	}
	if t.Ratio > 0 {
		parts = append(parts, fmt.Sprintf("≥ %.2f", t.Ratio))
	}
	if t.P99 > 0 {
		parts = append(parts, "p99 ≤ "+amount(t.P99))
	}
	return strings.Join(parts, ", ")
}

// met tells whether a figure reaches a target, and keeps to what else it is compared with and bound to.
func (t *Target) met(f *Figure) *bool {
	if t == nil {
		return nil
	}
	ok := f.Value >= t.Value && f.Ratio >= t.Ratio && (t.Most == 0 || f.Value <= t.Most) &&
		(t.P99 == 0 || f.Latency != nil && f.Latency.P99 <= t.P99)
	for i := range f.Against {
		ok = ok && f.Against[i].met()
	}
	for i := range f.Bounds {
		ok = ok && f.Bounds[i].met()
	}
	return &ok
}

// yesNo tells whether a target is met, so that a missed one is seen.
func yesNo(met bool) string {
	if met {
		return "yes"
	}
	return "NO"
}

// conclude works out what follows from the rounds.
func (f *Figure) conclude() {
	m := medians(f.Rounds)
	f.Value, f.Baseline, f.Ratio = m.Value, m.Baseline, m.Ratio
	for i := range f.Against {
		a := &f.Against[i]
		m := medians(a.rounds)
		a.Value, a.Ratio = m.Baseline, m.Ratio
	}
	f.Met = f.Target.met(f)
}

// count adds what a window saw beside its rate.
func (c *Counts) count(s sample) {
	c.Calls += s.calls
	for reason, n := range s.failed {
		if c.Failures == nil {
			c.Failures = map[string]int64{}
		}
		c.Failures[reason] += n
		c.Errors += n
	}
}

func (f *Figure) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// amount writes a figure for people: three significant digits below 1,000, separators above.
func amount(v float64) string {
	switch {
	case v > 1e15 || math.IsNaN(v):
		return fmt.Sprint(v) // nothing that was measured
	case v >= 999.5:
		return grouped(int64(v + 0.5))
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// grouped writes a number with a comma between groups of three digits.
func grouped(n int64) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
