package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// supplyModel tells future supply once more, naively and day by day. It keeps every fact, and for each question goes through
// all of them, and through every day of the horizon, from the beginning.
type supplyModel struct {
	onHand  map[string]int64
	transit map[string]int64
	facts   []supplySaid
	carts   []*datedCart // as they were placed

	read   []modelLine // of the first readOf facts
	readOf int
}

// supplySaid is a fact about supply, as it was told.
type supplySaid struct {
	what     string // expected, moved, cancelled, received, shipped, arrived
	document string
	line     string
	location string
	quantity int64
	due      aggregates.Instant
	at       aggregates.Instant
}

type datedCart struct {
	id     string
	policy *Policy
	date   aggregates.Instant // 0: now
	until  aggregates.Instant // 0: confirmed
	splits map[string]int64
	order  []string // of allocation, of those that hold something
}

const horizonDays = 14

func (c *datedCart) live(now aggregates.Instant) bool { return c.until == 0 || now < c.until }

func (c *datedCart) held() (sum int64) {
	for _, quantity := range c.splits {
		sum += quantity
	}
	return sum
}

// later is its date, 0 when that has come.
func (c *datedCart) later(now aggregates.Instant) aggregates.Instant {
	if c.date > now {
		return c.date
	}
	return 0
}

// add adds units at a location.
func (c *datedCart) add(location string, quantity int64) {
	c.splits[location] += quantity
	i := slices.Index(c.order, location)
	switch {
	case i < 0 && quantity > 0:
		c.order = append(c.order, location)
	case i >= 0 && c.splits[location] == 0:
		c.order = slices.Delete(c.order, i, i+1)
	}
}

// empty ends it.
func (c *datedCart) empty() { c.splits, c.order = map[string]int64{}, nil }

// modelLine is what the facts say of a line, in whichever order they came.
type modelLine struct {
	document, line, location string
	due                      aggregates.Instant
	open, lost               int64
}

func (m *supplyModel) lines() []modelLine {
	if m.readOf != len(m.facts) {
		m.read, m.readOf = m.linesOf(), len(m.facts)
	}
	return m.read
}

func (m *supplyModel) linesOf() (list []modelLine) {
	names := map[[2]string]bool{}
	for _, f := range m.facts {
		if f.what == "expected" || f.what == "shipped" {
			names[[2]string{f.document, f.line}] = true
		}
	}
	for name := range names {
		list = append(list, m.lineOf(name[0], name[1]))
	}
	return list
}

func (m *supplyModel) lineOf(document, line string) modelLine {
	x := modelLine{document: document, line: line}
	var planned, shipped, received int64
	var plannedAt, dueAt, lastAt, closedAt aggregates.Instant
	for _, f := range m.facts {
		if f.document != document || f.line != line && (f.line != "" || f.what != "moved" && f.what != "cancelled") {
			continue
		}
		switch f.what {
		case "expected":
			if f.at > plannedAt {
				planned, plannedAt, x.location = f.quantity, f.at, f.location
			}
			lastAt = max(lastAt, f.at)
		case "shipped":
			shipped, x.location, lastAt = shipped+f.quantity, f.location, max(lastAt, f.at)
		case "received", "arrived":
			received += f.quantity
		case "cancelled":
			closedAt = max(closedAt, f.at)
		}
		if f.due != 0 && f.at > dueAt {
			x.due, dueAt = f.due, f.at
		}
	}
	if closedAt != 0 && closedAt >= lastAt {
		x.lost = max(0, shipped-received)
	} else {
		x.open = max(0, max(planned, shipped)-received)
	}
	return x
}

func (m *supplyModel) open(location string) (sum int64) {
	for _, l := range m.lines() {
		if l.location == location && l.due != 0 {
			sum += l.open
		}
	}
	return sum
}

func (m *supplyModel) inTransit(location string) (sum int64) {
	sum = m.transit[location]
	for _, l := range m.lines() {
		if l.location == location {
			sum -= l.lost
		}
	}
	return sum
}

// points are now, and every day of the horizon after it.
func (m *supplyModel) points(now aggregates.Instant) []aggregates.Instant {
	list := []aggregates.Instant{now}
	for d := range horizonDays {
		if day(d) > now {
			list = append(list, day(d))
		}
	}
	return list
}

// balance is what will lie at a location, not promised, on a day.
func (m *supplyModel) balance(location string, now, at aggregates.Instant) int64 {
	sum := m.onHand[location]
	for _, c := range m.carts {
		if c.live(now) && c.date <= at {
			sum -= c.splits[location]
		}
	}
	for _, l := range m.lines() {
		if l.location == location && l.due > now && l.due <= at {
			sum += l.open
		}
	}
	return sum
}

// balances are those of all points.
func (m *supplyModel) balances(location string, now aggregates.Instant) []int64 {
	var list []int64
	for _, at := range m.points(now) {
		list = append(list, m.balance(location, now, at))
	}
	return list
}

// free is what can be promised for each point: the least that will lie there from then on.
func (m *supplyModel) free(location string, now aggregates.Instant) []int64 {
	balances := m.balances(location, now)
	free := make([]int64, len(balances))
	for i := range balances {
		free[i] = max(0, slices.Min(balances[i:]))
	}
	return free
}

func (m *supplyModel) available(p *Policy, now aggregates.Instant) []int64 {
	sums := make([]int64, len(m.points(now)))
	for _, site := range p.Sites {
		for i, free := range m.free(site, now) {
			sums[i] += free
		}
	}
	for i := range sums {
		sums[i] = max(0, sums[i]-p.Buffer)
	}
	return sums
}

// missing is the most that is missing on a later day for which something is promised.
func (m *supplyModel) missing(location string, now aggregates.Instant) (most int64, first aggregates.Instant) {
	for _, at := range m.points(now)[1:] {
		promised := slices.ContainsFunc(m.carts, func(c *datedCart) bool {
			return c.live(now) && c.date == at && c.splits[location] > 0
		})
		if short := -m.balance(location, now, at); promised && short > 0 {
			if first == 0 {
				first = at
			}
			most = max(most, short)
		}
	}
	return most, first
}

// broken gives way day by day and unit by unit: the youngest promise for a later day, up to the one where a unit is missing.
func (m *supplyModel) broken(location string, now aggregates.Instant) (list []BrokenPromise) {
	given, total := map[*datedCart]int64{}, int64(0)
	for _, at := range m.points(now)[1:] {
		promised := slices.ContainsFunc(m.carts, func(c *datedCart) bool {
			return c.live(now) && c.date == at && c.splits[location] > 0
		})
		for promised && -m.balance(location, now, at) > total {
			i := len(m.carts) - 1
			for i >= 0 && !(m.carts[i].live(now) && m.carts[i].date > now && m.carts[i].date <= at && m.carts[i].splits[location] > given[m.carts[i]]) {
				i--
			}
			if i < 0 {
				break
			}
			given[m.carts[i]]++
			total++
		}
	}
	for i := len(m.carts) - 1; i >= 0; i-- {
		if c := m.carts[i]; given[c] > 0 {
			list = append(list, BrokenPromise{c.id, c.date, given[c]})
		}
	}
	return list
}
