package bench

import "time"

// stretch times work that is looked at from outside, now and then: it counts from the first progress that is seen, since whatever
// led to that was done before; a projection that is behind shows many events at once. When less than half of it was left by then, too
// little was seen: all of it counts, from when it can have begun at the earliest.
type stretch struct {
	started time.Time // when the work can have begun at the earliest
	from    time.Time
	first   uint64 // done at from
	until   time.Time
	last    uint64 // done at until
}

// see notes what is done by now; it never shrinks.
func (s *stretch) see(now time.Time, done uint64) {
	if s.first == 0 {
		s.from, s.first = now, done
	}
	if done > s.last || s.until.IsZero() {
		s.until, s.last = now, done
	}
}

// share is which part of what is done counts.
func (s *stretch) share() float64 {
	if s.last == 0 || 2*s.first > s.last {
		return 1
	}
	return float64(s.last-s.first) / float64(s.last)
}

// took is how long that part took.
func (s *stretch) took() time.Duration {
	if s.share() == 1 && s.first > 0 {
		return s.until.Sub(s.started)
	}
	return s.until.Sub(s.from)
}

// rate is amount, of which what was seen is a measure, per second.
func (s *stretch) rate(amount float64) float64 {
	if s.took() <= 0 {
		return 0
	}
	return amount * s.share() / s.took().Seconds()
}
