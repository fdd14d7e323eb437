package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/services/commands"
)

// disk watches the free space of the data directory. The committer looks before every group. While there is too
// little, writers look for themselves and are turned away before they queue.
type disk struct {
	dir     string
	reserve uint64
	free    func(dir string) (uint64, error)
	log     *slog.Logger
	full    atomic.Bool
}

// freeBytes asks a file system. One that cannot tell (in memory) never fills up.
func freeBytes(fs vfs.FS) func(string) (uint64, error) {
	return func(dir string) (uint64, error) {
		usage, err := fs.GetDiskUsage(dir)
		return usage.AvailBytes, err
	}
}

// check returns commands.ErrFull, with the figures, when less than the reserve is free.
func (d *disk) check() error {
	free, err := d.free(d.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: free space of %s: %v", commands.ErrUnavailable, d.dir, err)
	}
	full := free < d.reserve
	if d.full.Swap(full) != full {
		d.log.Warn("free disk space", "directory", d.dir, "free", free, "reserve", d.reserve, "writes refused", full)
	}
	if !full {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free in %s, writes need more than %d MiB; free some and try again",
		commands.ErrFull, free>>20, d.dir, d.reserve>>20)
}

// admit turns a writer away while the disk is full.
func (d *disk) admit() error {
	if !d.full.Load() {
		return nil
	}
	return d.check()
}
