package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/projections"
)

// Options of a database. The zero value is usable.
type Options struct {
	FS         vfs.FS // of the operating system when nil
	CacheBytes int64  // for blocks of tables; DefaultCacheBytes when 0
	// StoreID names the event store that the documents are built from; a database built from another one is dropped.
	// When it is empty that is not checked.
	StoreID string
	Log     *slog.Logger // slog.Default() when nil
}

// DefaultCacheBytes bounds the blocks of tables kept in memory.
const DefaultCacheBytes = 64 << 20

// memTableBytes is what is kept in memory before it becomes a table.
const memTableBytes = 32 << 20

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("read model database is closed")

// DB is the database of a process's read models.
type DB struct {
	dir    string
	opts   Options
	lock   *pebbledb.Lock
	failed atomic.Pointer[error]

	mu     sync.RWMutex // held for reading while Pebble is called
	closed bool
	db     *pebbledb.DB
}

// use calls f with the database, which stays open meanwhile.
func (d *DB) use(ctx context.Context, f func(*pebbledb.DB) error) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return ErrClosed
	}
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	defer d.check(&err)
	return f(d.db)
}

// get calls read with the value of a key, without its version; ok is false when there is none.
func (d *DB) get(ctx context.Context, key []byte, read func(value []byte) error) (ok bool, err error) {
	err = d.use(ctx, func(db *pebbledb.DB) error {
		value, closer, err := db.Get(key)
		if errors.Is(err, pebbledb.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		defer closer.Close()
		ok = true
		return versioned(value, read)
	})
	return ok, err
}

// has tells whether there is a key. For one that is not there, filters mostly save looking at tables.
func (d *DB) has(ctx context.Context, key []byte) (ok bool, err error) {
	err = d.use(ctx, func(db *pebbledb.DB) error {
		_, closer, err := db.Get(key)
		if errors.Is(err, pebbledb.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ok = true
		return closer.Close()
	})
	return ok, err
}

func versioned(value []byte, read func([]byte) error) error {
	if len(value) < versionBytes {
		return fmt.Errorf("%w: a value of %d bytes has no version", pebbledb.ErrCorruption, len(value))
	}
	return read(value[versionBytes:])
}

// scan calls each with the keys from one on that come before another, in order, until it returns false. Values have
// their versions.
func (d *DB) scan(ctx context.Context, from, before []byte, each func(key, value []byte) (bool, error)) error {
	return d.use(ctx, func(db *pebbledb.DB) (err error) {
		it, err := db.NewIterWithContext(ctx, &pebbledb.IterOptions{LowerBound: from, UpperBound: before})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			if more, err := each(it.Key(), value); err != nil || !more {
				return err
			}
		}
		return it.Error()
	})
}

// write commits what fill puts into a batch, and a projection's progress with it.
func (d *DB) write(ctx context.Context, space byte, p projections.Progress, fill func(*pebbledb.Batch) error) error {
	return d.use(ctx, func(db *pebbledb.DB) error {
		b := db.NewBatch()
		defer b.Close()
		if err := fill(b); err != nil {
			return err
		}
		value, err := p.AppendBinary(appendVersion(nil, p.Position, p.Own))
		if err != nil {
			return err
		}
		if err := b.Merge([]byte{space}, value, nil); err != nil {
			return err
		}
		return b.Commit(pebbledb.NoSync)
	})
}

// progress reads a projection's progress; the zero value when there is none.
func (d *DB) progress(ctx context.Context, space byte) (p projections.Progress, err error) {
	_, err = d.get(ctx, []byte{space}, p.UnmarshalBinary)
	return p, err
}

// reset empties the key spaces from one on that come before another.
func (d *DB) reset(ctx context.Context, from, before byte) error {
	return d.use(ctx, func(db *pebbledb.DB) error {
		return db.DeleteRange([]byte{from}, []byte{before}, pebbledb.NoSync)
	})
}

// Close writes out what is in memory and releases the directory. Calls after it return ErrClosed.
func (d *DB) Close() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return errors.Join(d.closeDB(), d.lock.Close())
}

// closeDB closes Pebble; one that failed cannot be closed in order, and is left to the end of the process.
func (d *DB) closeDB() (err error) {
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	defer d.check(&err)
	return d.db.Close()
}
