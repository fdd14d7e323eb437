package pebble

import (
	"sync/atomic"
	"time"
)

// Stats counts what a store did since it was opened.
type Stats struct {
	Events           uint64 // appended
	Groups           uint64 // batches handed to the log; Events/Groups is the mean group size
	Syncs            uint64 // of the log
	SyncTime         time.Duration
	Conflicts        uint64 // appends refused for their expected revision
	Repeats          uint64 // appends recognised as made before
	Waiting          int    // writes queued now
	End              uint64 // position of the last durable event
	DiskBytes        uint64 // that the database takes
	DiskFull         bool   // writes are refused
	WriteStalls      uint64 // times that writes waited for the database to make room
	BackgroundErrors uint64 // flushes and compactions that failed and are tried again
}

type counters struct {
	events, groups, syncs, conflicts, repeats, stalls, background atomic.Uint64
	syncTime                                                      atomic.Int64
}

// Stats returns the counters. It may be called at any time.
func (s *Store) Stats() Stats {
	x := Stats{
		Events: s.stats.events.Load(), Groups: s.stats.groups.Load(), Syncs: s.stats.syncs.Load(),
		SyncTime:  time.Duration(s.stats.syncTime.Load()),
		Conflicts: s.stats.conflicts.Load(), Repeats: s.stats.repeats.Load(),
		Waiting: len(s.queue), End: s.tail.end.Load(), DiskFull: s.disk.full.Load(),
		WriteStalls: s.stats.stalls.Load(), BackgroundErrors: s.stats.background.Load(),
	}
	if s.enter() == nil {
		x.DiskBytes = s.db.Metrics().DiskSpaceUsage()
		s.gate.leave()
	}
	return x
}
