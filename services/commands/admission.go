package commands

import (
	"sync"

	"github.com/stockfold/stockfold/aggregates"
)

// Up to freelyAdmitted commands may wait whatever happens, which is two full batches of reservations; more only as many as are answered in maxQueued.
// So whoever is admitted has an answer in about that time, and whoever is not may try again then, however much more is asked for than can be done.
const (
	freelyAdmitted = 16_384
	maxQueued      = aggregates.Second
)

// A rate is measured over rateWindow, and forgotten after rateStale without need of it: a burst after a quiet time waits in the queue.
const (
	rateWindow = aggregates.Second / 10
	rateStale  = 2 * aggregates.Second
)

// admission knows how many commands are answered in maxQueued. It is asked only while very many wait.
type admission struct {
	mu       sync.Mutex
	since    aggregates.Instant // of the measurement under way; 0 before the first
	answered uint64             // until then
	most     int64              // that may wait; 0 when not known
}

// limit is how many commands may wait, at most bound. answered counts those that no longer do, since the beginning.
func (a *admission) limit(now aggregates.Instant, answered uint64, bound int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch elapsed := now - a.since; {
	case a.since == 0, elapsed < 0, elapsed > rateStale:
		a.since, a.answered, a.most = now, answered, 0
	case elapsed >= rateWindow:
		rate := int64(float64(answered-a.answered) * float64(maxQueued) / float64(elapsed))
		if a.most != 0 {
			rate = (rate + a.most) / 2
		}
		a.since, a.answered, a.most = now, answered, max(rate, 1)
	}
	if a.most == 0 {
		return bound
	}
	return min(bound, max(freelyAdmitted, a.most))
}
