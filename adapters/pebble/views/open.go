package views

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// damagedFile marks, in the database's directory, that it was found to be damaged.
const damagedFile = "DAMAGED"

// lockFile is Pebble's name of the file that keeps other processes out.
const lockFile = "LOCK"

// ErrLocked says that another process uses the directory.
var ErrLocked = errors.New("the directory of the read models is in use by another process")

// settledLevels are the last ones, where almost everything lies: what packs by a fifth better with Zstandard is packed with that.
const settledLevels = 2

// errUnusable says that a database has to be begun anew.
var errUnusable = errors.New("unusable")

// Open opens the database in a directory, and makes both when they are not there. It returns ErrLocked when another
// process has it open.
func Open(dir string, o Options) (*DB, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = DefaultMemTableBytes
	}
	if o.GatherFor == 0 {
		o.GatherFor = DefaultGatherFor
	}
	if o.GatherBytes == 0 {
		o.GatherBytes = DefaultGatherBytes
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := o.FS.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory %s: %w", dir, err)
	}
	lock, err := pebbledb.LockDirectory(dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLocked, dir, err)
	}
	d := &DB{dir: dir, opts: o, lock: lock, turn: make(chan struct{}, 1)}
	d.documents, d.records = d.gatherDocuments(), d.gatherRecords()
	if err := d.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the read models in %s: %w", dir, err), lock.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.owned.Go(func() { d.learnIDs(ctx) })
	return d, nil
}

// open opens what is there, or begins anew.
func (d *DB) open() error {
	err := d.tryOpen()
	if !errors.Is(err, errUnusable) {
		return err
	}
	d.opts.Log.Warn("read models are dropped, and built anew from the events", "directory", d.dir, "reason", err)
	if err := d.remove(); err != nil {
		return err
	}
	return d.tryOpen()
}

func (d *DB) tryOpen() error {
	d.failure = newFailure()
	if _, err := d.opts.FS.Stat(d.path(damagedFile)); err == nil {
		return fmt.Errorf("%w: found damaged when it was last used", errUnusable)
	}
	if err := d.openPebble(); err != nil {
		if environmental(err) {
			return err
		}
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := d.checkOrigin(); err != nil {
		return errors.Join(err, d.db.Close())
	}
	return nil
}

// environmental tells whether an error is of the machine, and not of the database.
func environmental(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) ||
		errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO)
}

func (d *DB) openPebble() (err error) {
	defer func() { // a damaged table of contents can make Pebble panic
		if p := recover(); p != nil {
			err = fmt.Errorf("open: %v", p)
		}
	}()
	cache := pebbledb.NewCache(d.opts.CacheBytes)
	defer cache.Unref()
	o := d.pebbleOptions()
	o.Lock, o.Cache = d.lock, cache
	d.db, err = pebbledb.Open(d.dir, o)
	return err
}

// pebbleOptions says how the database is kept.
func (d *DB) pebbleOptions() *pebbledb.Options {
	o := &pebbledb.Options{
		FS: d.opts.FS, Comparer: byPrefix, Merger: newestWins,
		FormatMajorVersion: pebbledb.FormatTableFormatV6, // Zstandard beside what is faster
		MemTableSize:       d.opts.MemTableBytes,
		DisableWAL:         true, // what is lost in a crash is built again
		Logger:             pebbleLog{log: d.opts.Log, failure: d.failure},
		EventListener: &pebbledb.EventListener{ // without one, damage ends the process
			DataCorruption: func(i pebbledb.DataCorruptionInfo) { d.markDamaged(i.Details) },
		},
	}
	for i := range o.Levels { // a level without a compression would take that of the one before
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	o.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression } // rewritten soon
	for i := len(o.Levels) - settledLevels; i < len(o.Levels); i++ {
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.BalancedCompression }
	}
	return o
}

// formatVersion is that of keys and values. Another one is not read.
const formatVersion = "2"

// checkOrigin makes sure that the documents are of this format, and built from this event store.
func (d *DB) checkOrigin() error {
	origin, err := d.origin()
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	format, store, _ := strings.Cut(origin, " ")
	switch {
	case format != formatVersion:
		return fmt.Errorf("%w: its format is %q, this version reads %q", errUnusable, format, formatVersion)
	case d.opts.StoreID != "" && store != d.opts.StoreID:
		return fmt.Errorf("%w: it was built from event store %q, this is %q", errUnusable, store, d.opts.StoreID)
	}
	return nil
}

// origin reads what a database is made of, and writes it to a new one.
func (d *DB) origin() (text string, err error) {
	defer d.check(&err)
	key := []byte{spaceMeta}
	value, closer, err := d.db.Get(key)
	if errors.Is(err, pebbledb.ErrNotFound) {
		text = formatVersion + " " + d.opts.StoreID
		return text, errors.Join(d.db.Set(key, []byte(text), pebbledb.NoSync), d.db.Flush())
	}
	if err != nil {
		return "", err
	}
	return string(value), closer.Close()
}

// markDamaged has the database dropped when it is opened next, and used no more until then.
func (d *DB) markDamaged(cause error) {
	if !d.failure.set(cause, false) {
		return
	}
	d.opts.Log.Error("read models are damaged and will be built anew after a restart", "directory", d.dir, "error", cause)
	f, err := d.opts.FS.Create(d.path(damagedFile), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		d.opts.Log.Error("cannot mark the read models as damaged; remove them by hand", "directory", d.dir, "error", err)
	}
}

// remove deletes everything but the lock, the mark of damage last.
func (d *DB) remove() error {
	names, err := d.opts.FS.List(d.dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", d.dir, err)
	}
	for _, name := range names {
		if name == lockFile || name == damagedFile {
			continue
		}
		if err := d.opts.FS.RemoveAll(d.path(name)); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
	}
	if err := d.opts.FS.Remove(d.path(damagedFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

func (d *DB) path(name string) string { return d.opts.FS.PathJoin(d.dir, name) }
