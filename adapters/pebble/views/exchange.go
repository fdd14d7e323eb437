package views

import (
	"context"
	"errors"
	"fmt"
	"os"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/projections/policies"
)

// besideSuffix is added to the name of the directory for that of a database beside it. Tables that are handed over are about as large as what is written between
// two syncs.
const (
	besideSuffix   = ".replay"
	besideCache    = 16 << 20
	exchangeFolder = "exchange"
)

// RemoveBeside removes what a database beside the one in a directory left behind. The file system is that of the operating system when nil.
func RemoveBeside(dir string, fs vfs.FS) error {
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.RemoveAll(dir + besideSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove read models that were built beside: %w", err)
	}
	return nil
}

// Beside is an empty database beside another one, to build read models anew in.
type Beside struct {
	db   *DB
	live *DB
}

// Beside opens an empty database in a directory of its own. There is one at a time.
func (d *DB) Beside() (*Beside, error) {
	if err := RemoveBeside(d.dir, d.opts.FS); err != nil {
		return nil, err
	}
	o := d.opts
	o.CacheBytes = besideCache
	db, err := Open(d.dir+besideSuffix, o)
	if err != nil {
		return nil, err
	}
	return &Beside{db: db, live: d}, nil
}

// Availability is the read model that is built.
func (b *Beside) Availability() *Availability { return b.db.Availability() }

// Policies is what its values are computed with.
func (b *Beside) Policies() policies.ReadModel { return b.db.Policies() }

// Close removes the database.
func (b *Beside) Close() error {
	return errors.Join(b.db.Close(), RemoveBeside(b.live.dir, b.live.opts.FS))
}

// Exchange puts the documents and the progress of availability in the place of those of the other database, in one step: after a crash there are either the old
// ones or the new ones. Nobody writes availability meanwhile, here or there.
func (b *Beside) Exchange(ctx context.Context) error {
	if err := b.db.documents.settle(ctx); err != nil {
		return err
	}
	tables, err := b.db.writeTables(ctx)
	if err != nil {
		return fmt.Errorf("write out the read model that was built: %w", err)
	}
	return b.live.documents.exchange(ctx, func() error {
		span := pebbledb.KeyRange{Start: []byte{spaceAvailability}, End: []byte{spaceReservations}}
		return b.live.update(ctx, func(db *pebbledb.DB) error {
			if _, err := db.IngestAndExcise(ctx, tables, nil, nil, span); err != nil {
				return err
			}
			return db.Flush()
		})
	})
}

// writeTables writes everything of availability to tables, in order.
func (d *DB) writeTables(ctx context.Context) (paths []string, err error) {
	dir := d.path(exchangeFolder)
	if err := d.opts.FS.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	t := &tables{db: d, dir: dir}
	err = d.scan(ctx, []byte{spaceAvailability}, []byte{spaceReservations}, func(key, value []byte) (bool, error) {
		return true, t.set(key, value)
	})
	return t.paths, errors.Join(err, t.close())
}

// tables writes keys and values to one table after the other.
type tables struct {
	db    *DB
	dir   string
	paths []string
	open  *sstable.Writer // nil when none is
}

func (t *tables) set(key, value []byte) error {
	if t.open == nil {
		path := t.db.opts.FS.PathJoin(t.dir, fmt.Sprintf("%06d.sst", len(t.paths)))
		file, err := t.db.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		t.paths = append(t.paths, path)
		o := t.db.pebbleOptions()
		o.EnsureDefaults()
		t.open = sstable.NewWriter(objstorageprovider.NewFileWritable(file), o.MakeWriterOptions(0, t.db.db.TableFormat()))
	}
	if err := t.open.Set(key, value); err != nil {
		return err
	}
	if t.open.Raw().EstimatedSize() < t.db.opts.MemTableBytes {
		return nil
	}
	return t.close()
}

func (t *tables) close() error {
	if t.open == nil {
		return nil
	}
	w := t.open
	t.open = nil
	return w.Close()
}
