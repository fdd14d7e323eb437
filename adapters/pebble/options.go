package pebble

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a store. The zero value is what production uses.
type Options struct {
	// FS is the file system; the operating system's by default.
	FS vfs.FS
	// CacheBytes bounds the cache of uncompressed blocks; DefaultCacheBytes when 0.
	CacheBytes int64
	// ReserveBytes is the free disk space below which writes are refused; DefaultReserveBytes when 0.
	ReserveBytes uint64
	// FreeBytes tells the free disk space of a directory; by default the file system is asked.
	FreeBytes func(dir string) (uint64, error)
	// Log takes what an operator can act on; slog.Default when nil.
	Log *slog.Logger
	// OnSync is told how long each sync of the log took and how many events it made durable. It is called
	// from one goroutine and must not block.
	OnSync func(took time.Duration, events int)

	memTableBytes uint64 // tests make it small
}

// Bounds and defaults.
const (
	// MaxEventBytes bounds the data of one event.
	MaxEventBytes = 1 << 20
	// MaxAppendEvents and MaxAppendBytes bound one append.
	MaxAppendEvents = 1 << 16
	MaxAppendBytes  = 16 << 20
	// MaxStreamBytes bounds the name of a stream, MaxTypeBytes that of an event type.
	MaxStreamBytes = 1024
	MaxTypeBytes   = 255
	// MaxNameBytes bounds ids of dead letters, names of checkpoints, topics and schemas.
	MaxNameBytes = 1024
	// MaxValueBytes bounds a dead letter.
	MaxValueBytes = 16 << 20
	// MaxSnapshotBytes bounds a snapshot. It has room for the largest state that package stock allows.
	MaxSnapshotBytes = 256 << 20

	// DefaultCacheBytes is room for the blocks of about a million movements.
	DefaultCacheBytes = 64 << 20
	// DefaultReserveBytes leaves room for what Pebble still writes after the last event was accepted: the tables of
	// a full memtable, and the output of one compaction.
	DefaultReserveBytes = 256 << 20
)

const (
	maxWaiting     = 4096    // writes queued before callers wait for a place
	maxGroupEvents = 8192    // events in one batch
	maxGroupBytes  = 4 << 20 // bytes in one batch, after which it is closed
	maxInFlight    = 2       // batches handed to the log and not yet synced

	maxHeads       = 1 << 18 // stream lengths kept in memory
	maxSavedHeads  = 8 << 20 // bytes of them kept when a store is closed
	maxTailRecords = 1 << 16 // newest records kept in memory for live subscriptions
	maxTailBytes   = 16 << 20

	batchRecords = 1024    // records that a subscription hands out at once
	batchBytes   = 1 << 20 // and their bytes
	scanRecords  = 1 << 14 // records that it passes over before it reports its progress
	checkEvery   = 256     // records between looks at a context
)

func (o *Options) setDefaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = DefaultReserveBytes
	}
	if o.memTableBytes == 0 {
		o.memTableBytes = memTableBytes
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.OnSync == nil {
		o.OnSync = func(time.Duration, int) {}
	}
}
