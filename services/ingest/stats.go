package ingest

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// Stats counts what a part of ingest did since it was made.
type Stats struct {
	Messages   uint64            // taken in: recorded, duplicate or kept as dead letter
	Facts      uint64            // recorded now
	Duplicates uint64            // facts recorded before
	Retries    uint64            // messages tried again after trouble with the store
	Lost       uint64            // messages that a log deleted before they were read: an alarm
	Replaced   uint64            // logs found replaced or cut at their end: an alarm
	Kept       map[string]uint64 // dead letters kept, by reason
	Replayed   uint64            // dead letters applied by a replay
	Unfollowed uint64            // gaps in the numbers of sources that were not followed for a bound
}

type counters struct {
	messages, facts, duplicates, retries, lost, replaced, replayed, unfollowed atomic.Uint64

	mu      sync.Mutex
	reasons map[string]uint64
	logged  map[string]logged
}

// logged is when a log line last told of a reason, and how many letters there had been by then.
type logged struct {
	at    aggregates.Instant
	total uint64
}

// logEvery is how often the log tells of letters of one reason, however many there are.
const logEvery = 10 * time.Second

// kept counts a dead letter; the reasons are few. It tells how many letters of the reason a log line is due for, 0 when
// none is.
func (c *counters) kept(reason string, now aggregates.Instant) (due uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons, c.logged = make(map[string]uint64), make(map[string]logged)
	}
	c.reasons[reason]++
	last := c.logged[reason]
	if last.total > 0 && now < last.at.Add(logEvery) {
		return 0
	}
	c.logged[reason] = logged{at: now, total: c.reasons[reason]}
	return c.reasons[reason] - last.total
}

// Stats returns the desk's part of the counts.
func (d *DeadLetterDesk) Stats() Stats {
	d.stats.mu.Lock()
	defer d.stats.mu.Unlock()
	return Stats{Kept: maps.Clone(d.stats.reasons), Replayed: d.stats.replayed.Load()}
}

// Stats returns the counts, those of the desk included.
func (s *Service) Stats() Stats {
	all := s.Desk.Stats()
	c := &s.stats
	all.Messages, all.Facts, all.Duplicates = c.messages.Load(), c.facts.Load(), c.duplicates.Load()
	all.Unfollowed = c.unfollowed.Load()
	all.Retries, all.Lost, all.Replaced = c.retries.Load(), c.lost.Load(), c.replaced.Load()
	return all
}
