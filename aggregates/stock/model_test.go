package stock

import (
	"math"

	"github.com/stockfold/stockfold/aggregates"
)

// model is the domain told once more, naively. It keeps every fact as it was recorded, and for each question adds
// up from the beginning: the latest count, by when it was taken and then by when it was recorded, plus the movements since.
// It knows neither deltas nor absorbing, and deals in single units.
type model struct {
	facts        []fact
	reservations map[string]*promise
	safety       map[string]int64
	transit      map[string]int64
}

type fact struct {
	location  string
	condition Condition
	quantity  int64 // counted, or moved
	at        aggregates.Instant
	counted   bool
}

type promise struct {
	channel                                string
	quantity, fulfilled, released, expired int64
	splits                                 []Split // in the order of allocation, with what remains
	until                                  aggregates.Instant
	confirmed, closed                      bool
}

const always = aggregates.Instant(math.MaxInt64)

// balance is what lay there at an instant, as the first so many facts have it.
func (m *model) balance(location string, c Condition, at aggregates.Instant, known int) int64 {
	since, sum := aggregates.Instant(math.MinInt64), int64(0)
	for _, f := range m.facts[:known] {
		if f.counted && f.location == location && f.condition == c && f.at <= at && f.at >= since {
			since, sum = f.at, f.quantity
		}
	}
	for _, f := range m.facts[:known] {
		if !f.counted && f.location == location && f.condition == c && f.at <= at && f.at >= since {
			sum += f.quantity
		}
	}
	return sum
}

func (m *model) now(location string, c Condition) int64 {
	return m.balance(location, c, always, len(m.facts))
}

func (m *model) reserved(location string) (sum int64) {
	for _, p := range m.reservations {
		if !p.closed {
			sum += p.at(location)
		}
	}
	return sum
}

func (m *model) live(location string, now aggregates.Instant) (sum int64) {
	for _, p := range m.reservations {
		if p.live(now) {
			sum += p.at(location)
		}
	}
	return sum
}

func (m *model) free(location string, now aggregates.Instant) int64 {
	return max(0, m.now(location, Sellable)-m.live(location, now)-m.safety[location])
}

func (m *model) available(p *Policy, now aggregates.Instant) (pool int64) {
	for _, site := range p.Sites {
		pool += m.free(site, now)
	}
	return max(0, pool-p.Buffer)
}

// place takes unit by unit from the first site that has one.
func (m *model) place(id string, quantity int64, p *Policy, until, now aggregates.Instant) {
	x := &promise{channel: p.Channel, quantity: quantity, until: until, confirmed: until == 0}
	for _, site := range p.Sites {
		take := min(quantity-x.remaining(), m.free(site, now))
		if take > 0 {
			x.splits = append(x.splits, Split{Location: site, Quantity: take})
		}
	}
	m.reservations[id] = x
}

// move notes one leg of a movement.
func (m *model) move(location string, c Condition, quantity int64, at aggregates.Instant) {
	m.facts = append(m.facts, fact{location: location, condition: c, quantity: quantity, at: at})
}

// depart hands units of a promise over, unit by unit: those reserved where they leave first, then in order.
func (m *model) depart(p *promise, quantity int64, location string, at aggregates.Instant) {
	for range quantity {
		i := p.first(func(x Split) bool { return x.Location == location })
		if i < 0 {
			i = p.first(func(Split) bool { return true })
		}
		p.splits[i].Quantity--
		p.fulfilled++
		from := location
		if from == "" {
			from = p.splits[i].Location
		}
		m.move(from, Sellable, -1, at)
	}
	p.closed = p.remaining() == 0
}

func (p *promise) giveBack(quantity int64) {
	for i := len(p.splits) - 1; i >= 0; i-- {
		take := min(quantity, p.splits[i].Quantity)
		p.splits[i].Quantity -= take
		p.released += take
		quantity -= take
	}
	p.closed = p.remaining() == 0
}

func (p *promise) expire() {
	p.expired += p.remaining()
	p.splits, p.closed = nil, true
}

func (p *promise) first(is func(Split) bool) int {
	for i, x := range p.splits {
		if x.Quantity > 0 && is(x) {
			return i
		}
	}
	return -1
}

func (p *promise) remaining() (sum int64) {
	for _, x := range p.splits {
		sum += x.Quantity
	}
	return sum
}

func (p *promise) at(location string) (sum int64) {
	for _, x := range p.splits {
		if x.Location == location {
			sum += x.Quantity
		}
	}
	return sum
}

func (p *promise) live(now aggregates.Instant) bool {
	return !p.closed && (p.confirmed || now < p.until)
}

func (p *promise) status(now aggregates.Instant) Status {
	switch {
	case p.live(now) && p.confirmed:
		return StatusConfirmed
	case p.live(now):
		return StatusHeld
	case p.fulfilled > 0:
		return StatusFulfilled
	case p.expired > 0 || p.remaining() > 0:
		return StatusExpired
	default:
		return StatusReleased
	}
}
