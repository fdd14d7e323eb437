package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Options of a database. The zero value is usable.
type Options struct {
	FS            vfs.FS // of the operating system when nil
	CacheBytes    int64  // for blocks of tables; DefaultCacheBytes when 0
	MemTableBytes uint64 // written between two syncs; DefaultMemTableBytes when 0
	// GatherFor and GatherBytes bound what is kept in memory before it is put into the database: by time, and about by
	// size; DefaultGatherFor and DefaultGatherBytes when 0.
	GatherFor   time.Duration
	GatherBytes int
	// StoreID names the event store that the documents are built from; a database built from another one is dropped.
	// When it is empty that is not checked.
	StoreID string
	Log     *slog.Logger // slog.Default() when nil
}

const (
	// DefaultCacheBytes bounds the blocks of tables kept in memory.
	DefaultCacheBytes = 64 << 20
	// DefaultMemTableBytes bounds what is kept in memory before it is written to a table. What a crash takes is
	// no more than two of these, and is built again from the events in about a second.
	DefaultMemTableBytes = 32 << 20
	// DefaultGatherFor lets a SKU that changes all the time be encoded and stored twice a second.
	DefaultGatherFor   = 500 * time.Millisecond
	DefaultGatherBytes = 8 << 20
	// writeTimeout bounds how long a write waits for a disk that is full or fails, closeTimeout how long Close does.
	writeTimeout = 30 * time.Second
	closeTimeout = 5 * time.Second
)

// ErrStalled says that the disk did not take a write in time. It may still be done.
var ErrStalled = fmt.Errorf("read model database: the disk took no write for %s, is it full?", writeTimeout)

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("read model database is closed")

// DB is the database of a process's read models.
type DB struct {
	dir     string
	opts    Options
	lock    *pebbledb.Lock
	failure *failure
	turn    chan struct{} // holds one while a write is under way

	documents *gathered[*availability.Document] // by SKU
	records   *gathered[[]change]               // by id
	ids       ids                               // of records

	stop  context.CancelFunc // ends what is owned
	owned sync.WaitGroup

	mu     sync.RWMutex // held for reading while Pebble is called
	closed bool
	db     *pebbledb.DB
}

// usable returns why the database cannot be used, nil when it can.
func (d *DB) usable(ctx context.Context) error {
	return d.use(ctx, func(*pebbledb.DB) error { return nil })
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
	if err := d.failure.get(); err != nil {
		return err
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

// withPrefix calls each with the values of the keys with a prefix, as keyPrefix cuts it, in order of key. When there are none,
// the usual answer, the filters of the tables say so as a rule.
func (d *DB) withPrefix(ctx context.Context, prefix []byte, each func(value []byte) error) error {
	return d.use(ctx, func(db *pebbledb.DB) (err error) {
		it, err := db.NewIterWithContext(ctx, &pebbledb.IterOptions{UseL6Filters: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for ok := it.SeekPrefixGE(prefix); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			if err := versioned(value, each); err != nil {
				return err
			}
		}
		return it.Error()
	})
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
	return d.update(ctx, func(db *pebbledb.DB) error {
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

// update calls f, which writes, one write at a time. A disk that is full or fails can hold a write up for as long as it
// likes; the caller gets away when its context ends, after writeTimeout, or when the failure is known, and the write may
// then still be done.
func (d *DB) update(ctx context.Context, f func(*pebbledb.DB) error) error {
	late := time.NewTimer(writeTimeout)
	defer late.Stop()
	done := make(chan error, 1)
	turn := d.turn
	for {
		select {
		case turn <- struct{}{}:
			turn = nil
			go func() {
				done <- d.use(ctx, f)
				<-d.turn
			}()
		case err := <-done:
			return err
		case <-d.failure.down:
			return d.failure.get()
		case <-late.C:
			return ErrStalled
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// progress reads a projection's progress; the zero value when there is none.
func (d *DB) progress(ctx context.Context, space byte) (p projections.Progress, err error) {
	_, err = d.get(ctx, []byte{space}, p.UnmarshalBinary)
	return p, err
}

// reset empties the key spaces from one on that come before another.
func (d *DB) reset(ctx context.Context, from, before byte) error {
	return d.update(ctx, func(db *pebbledb.DB) error {
		return db.DeleteRange([]byte{from}, []byte{before}, pebbledb.NoSync)
	})
}

// settle puts into the database what is gathered in memory.
func (d *DB) settle(ctx context.Context) error {
	return errors.Join(d.documents.settle(ctx), d.records.settle(ctx))
}

// Close writes out what is in memory and releases the directory. Calls after it return ErrClosed. When the disk failed it
// cannot be closed in order: what was being done is left to the end of the process, and the directory stays locked.
func (d *DB) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	d.stop()
	done := make(chan error, 1)
	go func() {
		d.owned.Wait()
		var unsettled error
		if d.usable(ctx) == nil {
			unsettled = d.settle(ctx)
		}
		done <- errors.Join(unsettled, d.close())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close the read models in %s: not done after %s, as if the disk failed", d.dir, closeTimeout)
	}
}

func (d *DB) close() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	failed := d.failure.get()
	if failed != nil && d.failure.fatal {
		return failed
	}
	d.closed = true
	defer d.check(&err)
	if failed == nil {
		err = d.db.Flush()
	}
	return errors.Join(err, d.db.Close(), d.lock.Close())
}
