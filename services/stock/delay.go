package stock

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
)

// MaxSources is for how many sources delays are measured; the ones beyond share the name OtherSources.
const MaxSources = 1_000

// OtherSources names the sources beyond MaxSources.
const OtherSources = "(others)"

// Delay is how long the facts of one source took from occurring to being recorded.
type Delay struct {
	Source         string
	Facts          int64 // recorded since the service started
	Last           time.Duration
	Max            time.Duration
	LastOccurredAt aggregates.Instant // latest time at which a fact occurred

	Observations int64 // of the facts, those that another system is the system of record of
	Superseded   int64 // of the facts, counts that the source had made anew, by its own numbers
}

// Delays measures the delay of every source. The zero value is ready; it is safe for concurrent use.
type Delays struct {
	mu      sync.Mutex
	sources map[string]*Delay
}

func (d *Delays) observe(source string, occurred, recorded aggregates.Instant, moved *domain.Moved) {
	delay := time.Duration(recorded-occurred) * time.Microsecond
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.of(source)
	s.Facts++
	s.Last = delay
	s.Max = max(s.Max, delay)
	s.LastOccurredAt = max(s.LastOccurredAt, occurred)
	if moved.Observed {
		s.Observations++
	}
	if moved.Superseded {
		s.Superseded++
	}
}

// Observed counts a fact that came in and was kept as an observation, elsewhere than on a SKU's stream.
func (r *Recorder) Observed(source string, occurred, recorded aggregates.Instant) {
	r.delays.observe(source, occurred, recorded, &domain.Moved{Observed: true})
}

func (d *Delays) of(source string) *Delay {
	if s := d.sources[source]; s != nil {
		return s
	}
	if len(d.sources) >= MaxSources {
		source = OtherSources
		if s := d.sources[source]; s != nil {
			return s
		}
	}
	if d.sources == nil {
		d.sources = make(map[string]*Delay)
	}
	s := &Delay{Source: source}
	d.sources[source] = s
	return s
}

// List returns the delays of all sources, in order of their names.
func (d *Delays) List() []Delay {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Delay, 0, len(d.sources))
	for _, s := range d.sources {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Delay) int { return cmp.Compare(a.Source, b.Source) })
	return list
}
