package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	getCalls     = "Get"
	reserveCalls = "Reserve"

	growthCrowd    = 1_024
	growthInFlight = 64  // calls, where it is not the callers that grow
	growthLeast    = 0.8 // of the best point before it, that every point is to keep
)

// Series is what calls of one kind come to while something grows.
type Series struct {
	Name    string  `json:"name"`  // without spaces: that of its picture
	Calls   string  `json:"calls"` // what is called
	Of      string  `json:"of"`    // what grows: the unit of every X
	Least   float64 `json:"least"` // what Kept is to be, at least
	Kept    float64 `json:"kept"`  // lowest share that any point keeps of the best one before it, by ratio to the echo
	Flat    bool    `json:"flat"`  // whether Kept is as it is to be
	Points  []Point `json:"points"`
	Picture string  `json:"picture,omitempty"` // where it is drawn, as the report links it
}

// Point is one size of what grows. Its figures are medians over the rounds.
type Point struct {
	X        float64  `json:"x"`
	Value    float64  `json:"value"`    // calls/s
	Baseline float64  `json:"baseline"` // echoes/s of as many callers, with messages of the same sizes
	Ratio    float64  `json:"ratio"`
	Latency  *Latency `json:"latency,omitempty"`
	CPU      float64  `json:"service_us,omitempty"` // processor time of the service for a call
	Counts
	Note string `json:"note,omitempty"`

	rounds  []Round
	timings *hdrhistogram.Histogram
	used    meter
}

// conclude works out what follows from the rounds of each point. It is judged by the ratio to the echo of the same
// moment: what else the machine does takes from both. That a larger one is faster is no fault, and what it gained is to be
// kept by those after it.
func (s *Series) conclude() {
	s.Kept = 1
	best := 0.0
	for i := range s.Points {
		p := &s.Points[i]
		m := medians(p.rounds)
		p.Value, p.Baseline, p.Ratio = m.Value, m.Baseline, m.Ratio
		p.Latency, p.CPU = latency(p.timings), p.used.perCall()
		if best > 0 {
			s.Kept = min(s.Kept, p.Ratio/best)
		}
		best = max(best, p.Ratio)
	}
	s.Flat = s.Kept >= s.Least
}

// grown is a point to be measured.
type grown struct {
	x        float64
	inFlight int
	note     string
	calls    map[string]func(w *wire, round, worker int) call // of each kind
}

// growth measures series side by side.
type growth struct {
	b      *bench
	s      *server
	f      *Figure
	kinds  []string // of calls; each has a series
	series map[string]*Series
	echoes map[string]*echoes // of each kind, with the sizes that the first point had
}

// newGrowth begins series of Get and of Reserve.
func newGrowth(b *bench, s *server, f *Figure, of string) *growth {
	g := &growth{b: b, s: s, f: f, kinds: []string{getCalls, reserveCalls}, series: map[string]*Series{}, echoes: map[string]*echoes{}}
	for _, kind := range g.kinds {
		g.series[kind] = &Series{Name: f.Row + "-" + kind, Calls: kind, Of: of, Least: growthLeast}
	}
	return g
}

// measure adds points, in the order of their sizes. Those of one call are measured in turns.
func (g *growth) measure(ctx context.Context, points []grown) error {
	first := len(g.series[getCalls].Points)
	for _, s := range g.series {
		for _, p := range points {
			s.Points = append(s.Points, Point{X: p.x, Note: p.note, timings: empty()})
		}
	}
	for round := 0; round <= g.b.growthRounds; round++ {
		for _, kind := range g.kinds {
			for i, p := range points {
				if err := g.window(ctx, kind, round, p, &g.series[kind].Points[first+i]); err != nil {
					return fmt.Errorf("%s of %s %s, round %d: %w", kind, amount(p.x), g.series[kind].Of, round, err)
				}
			}
		}
		g.b.say("  round %d of %d", round, g.b.growthRounds)
	}
	return nil
}

// window measures one point once, right after the echo. Round 0 warms up.
func (g *growth) window(ctx context.Context, kind string, round int, p grown, into *Point) error {
	if round == 0 {
		return g.warmUp(ctx, kind, p, into)
	}
	e, length := g.echoes[kind], g.length(p)
	bare, err := drive(ctx, p.inFlight, length, func(w int) call { return e.call(g.b.echo.wire(w), w) })
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	var own sample
	into.used.pid = g.s.pid()
	err = into.used.around(func() (int64, error) {
		own, err = drive(ctx, p.inFlight, length, func(w int) call { return p.calls[kind](g.s.wire(w), round, w) })
		return own.calls, err
	})
	g.count(own, into)
	if err != nil {
		return err
	}
	into.rounds = append(into.rounds, newRound(own.rate(), bare.rate()))
	into.timings.Merge(own.timings)
	if kind == getCalls {
		return nil
	}
	return g.s.settle(ctx)
}

// length of a window: many callers wait longer for each answer, and a window is to see several.
func (g *growth) length(p grown) time.Duration {
	return g.b.growthWindow * time.Duration(1+p.inFlight/growthCrowd)
}

// warmUp calls for a while, and learns the sizes of the messages when nobody has.
func (g *growth) warmUp(ctx context.Context, kind string, p grown, into *Point) error {
	learned := make([]*wire, connections)
	for i := range learned {
		learned[i] = learning(g.s.wire(i).cc)
	}
	seen, err := drive(ctx, p.inFlight, g.length(p)/2, func(w int) call { return p.calls[kind](learned[w%connections], 0, w) })
	g.count(seen, into)
	if err != nil {
		return err
	}
	if g.echoes[kind] == nil {
		var exchanges []exchange
		for _, w := range learned {
			exchanges = append(exchanges, w.seen...)
		}
		if g.echoes[kind], err = newEchoes(exchanges); err != nil {
			return err
		}
	}
	return g.s.settle(ctx)
}

func (g *growth) count(s sample, into *Point) {
	into.count(s)
	g.f.count(s)
}

// conclude hands the series to the figure, whose value is the least that a point of them keeps.
func (g *growth) conclude() {
	kept := 1.0
	for _, kind := range g.kinds {
		s := g.series[kind]
		s.conclude()
		kept = min(kept, s.Kept)
		g.f.Series = append(g.f.Series, *s)
	}
	g.f.Rounds = []Round{{Value: kept}}
}

// growthTakes is how long it takes to measure this many points of two kinds of calls.
func growthTakes(e effort, points int) time.Duration {
	const settling = 100 * time.Millisecond
	return time.Duration(2*points) * (e.growthWindow/2 + settling + time.Duration(e.growthRounds)*(2*e.growthWindow+settling))
}
