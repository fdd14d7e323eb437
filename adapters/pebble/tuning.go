package pebble

import (
	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// formatVersion fixes the files' format: a newer Pebble does not change them behind our back.
const formatVersion = pebbledb.FormatTableFormatV6

const (
	memTableBytes   = 16 << 20
	memTables       = 4 // that may wait to be written out before writers do
	indexBlockBytes = 64 << 10
	bloomBitsPerKey = 10

	// A movement takes 105 bytes on disk in blocks of this size, its place in the index included. Zstandard would make
	// that 80 and a replay half as fast; larger blocks save little, and a cold stream reads one for every event.
	blockBytes = 16 << 10
)

// tune returns the options of the database, with the file system that it is to use.
func (s *Store) tune(opts Options) *pebbledb.Options {
	o := &pebbledb.Options{
		FS:                          opts.FS,
		FormatMajorVersion:          formatVersion,
		CacheSize:                   opts.CacheBytes,
		MemTableSize:                opts.memTableBytes,
		MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		Logger:                      pebbleLog{failure: s.failure},
		EventListener:               s.listener(),
	}
	if o.FS == nil {
		o.WithFSDefaults()
	}
	s.files = &guardedFS{FS: o.FS, failure: s.failure}
	o.FS = s.files
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockBytes
		o.Levels[i].IndexBlockSize = indexBlockBytes
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	o.EnsureDefaults()
	return o
}

// listener counts and logs what an operator should know of the database.
func (s *Store) listener() *pebbledb.EventListener {
	return &pebbledb.EventListener{
		BackgroundError: func(err error) {
			s.stats.background.Add(1)
			s.log.Error("the event store could not write a table and tries again", "error", err)
		},
		WriteStallBegin: func(info pebbledb.WriteStallBeginInfo) {
			s.stats.stalls.Add(1)
			s.log.Warn("writes wait for the event store to write tables", "reason", info.Reason)
		},
		DiskSlow: func(info pebbledb.DiskSlowInfo) {
			s.log.Warn("disk is slow", "operation", info.String())
		},
	}
}
