package commands

import "sync/atomic"

type counters struct {
	commands, batches, events, conflicts, repeats, loads, learned, evicted, snapshots, refused atomic.Uint64
}

// Stats counts what Streams did since it was made.
type Stats struct {
	Commands  uint64 // decided, retries and reads included
	Batches   uint64
	Events    uint64 // appended
	Conflicts uint64 // batches decided again because others wrote
	Repeats   uint64 // appends repeated because their outcome was unknown
	Loads     uint64 // cold states folded
	Learned   uint64 // decisions that read a stream's past
	Evicted   uint64 // states dropped for memory
	Snapshots uint64
	Refused   uint64 // commands refused for overload or while stopping
	Waiting   int64  // commands now waiting
	Memory    int64  // estimated bytes of warm states
}

// Stats returns the counts.
func (x *Streams[S]) Stats() Stats {
	c := &x.stats
	return Stats{
		Commands: c.commands.Load(), Batches: c.batches.Load(), Events: c.events.Load(), Conflicts: c.conflicts.Load(),
		Repeats: c.repeats.Load(), Loads: c.loads.Load(), Learned: c.learned.Load(), Evicted: c.evicted.Load(),
		Snapshots: c.snapshots.Load(), Refused: c.refused.Load(), Waiting: x.waiting.Load(), Memory: x.memory.Load(),
	}
}
