package pebble

import (
	"time"
)

// publish waits for the sync of each group in turn, makes it visible and answers its requests, until the committer
// ends.
func (s *Store) publish() {
	for g := range s.applied {
		if err := s.synced(g); err != nil {
			s.failure.set(err) // whoever waits for an answer learns it from that
			continue
		}
		s.tail.add(g)
		for _, r := range g.requests {
			r.done <- struct{}{}
		}
		if err := g.batch.Close(); err != nil {
			s.failure.set(err)
			continue
		}
		g.reset()
		s.free <- g
	}
}

// synced returns once the group is on disk.
func (s *Store) synced(g *group) error {
	s.stats.groups.Add(1)
	s.stats.events.Add(uint64(g.events))
	if !g.sync {
		return nil
	}
	start := time.Now()
	if err := g.batch.SyncWait(); err != nil {
		return err
	}
	took := time.Since(start)
	s.stats.syncs.Add(1)
	s.stats.syncTime.Add(int64(took))
	s.onSync(took, g.events)
	return nil
}
