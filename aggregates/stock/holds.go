package stock

import (
	"slices"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
)

// Hold is what will expire at one instant, a whole second.
type Hold struct {
	Until    aggregates.Instant
	Quantity int64 // base units, positive
}

// Holds are the expiring part of what is reserved at a location, summed per second, in order of time. The zero value
// has none. They are kept in runs of at most holdRun, each with its sum, so that neither a change nor a question
// costs more when there are many.
type Holds struct {
	runs []holdsRun
}

type holdsRun struct {
	total int64
	holds []Hold // sorted, not empty
}

// holdRun is the most seconds that one run has.
const holdRun = 128

// Add changes what ends at an instant; what becomes nothing is gone.
func (h *Holds) Add(until aggregates.Instant, quantity int64) {
	if quantity == 0 {
		return
	}
	r := h.runFor(until)
	run := &h.runs[r]
	run.total += quantity
	i := sort.Search(len(run.holds), func(i int) bool { return run.holds[i].Until >= until })
	if i == len(run.holds) || run.holds[i].Until != until {
		run.holds = slices.Insert(run.holds, i, Hold{Until: until, Quantity: quantity})
		return
	}
	if run.holds[i].Quantity += quantity; run.holds[i].Quantity != 0 {
		return
	}
	run.holds = slices.Delete(run.holds, i, i+1)
	if len(run.holds) == 0 {
		h.runs = slices.Delete(h.runs, r, r+1)
	}
}

// runFor returns the index of the run that an instant belongs to, with room for one more in it.
func (h *Holds) runFor(until aggregates.Instant) int {
	r := sort.Search(len(h.runs), func(i int) bool { return h.runs[i].last() >= until })
	atEnd := r == len(h.runs)
	if atEnd && r > 0 {
		r--
	}
	switch {
	case len(h.runs) == 0 || atEnd && len(h.runs[r].holds) >= holdRun:
		h.runs = append(h.runs, holdsRun{})
		return len(h.runs) - 1
	case len(h.runs[r].holds) >= holdRun:
		h.split(r)
		if h.runs[r].last() < until {
			r++
		}
	}
	return r
}

// split cuts a run into two halves.
func (h *Holds) split(r int) {
	old := h.runs[r].holds
	upper := holdsRun{holds: slices.Clone(old[holdRun/2:])}
	for _, x := range upper.holds {
		upper.total += x.Quantity
	}
	h.runs[r].holds = old[:holdRun/2]
	h.runs[r].total -= upper.total
	h.runs = slices.Insert(h.runs, r+1, upper)
}

func (r *holdsRun) last() aggregates.Instant { return r.holds[len(r.holds)-1].Until }

// EndedAt returns how much has ended at an instant: a hold is over at its very end.
func (h *Holds) EndedAt(now aggregates.Instant) int64 {
	var ended int64
	for i := range h.runs {
		run := &h.runs[i]
		if run.last() <= now {
			ended += run.total
			continue
		}
		for _, x := range run.holds {
			if x.Until > now {
				break
			}
			ended += x.Quantity
		}
		break
	}
	return ended
}

// Each yields the holds in order of time; use it as for x := range h.Each.
func (h *Holds) Each(yield func(Hold) bool) {
	for i := range h.runs {
		for _, x := range h.runs[i].holds {
			if !yield(x) {
				return
			}
		}
	}
}

// Len is the number of different ends.
func (h *Holds) Len() int {
	n := 0
	for i := range h.runs {
		n += len(h.runs[i].holds)
	}
	return n
}

func (h *Holds) clone() Holds {
	if len(h.runs) == 0 {
		return Holds{}
	}
	c := Holds{runs: slices.Clone(h.runs)}
	for i := range c.runs {
		c.runs[i].holds = slices.Clone(c.runs[i].holds)
	}
	return c
}
