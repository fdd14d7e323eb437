package views_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// shelf names SKUs from one number up to another.
func shelf(from, to int) (skus []string) {
	for i := from; i < to; i++ {
		skus = append(skus, fmt.Sprintf("sku %04d, with a name that is long enough for many tables", i))
	}
	return skus
}

// held are the positions of all documents, by SKU.
func held(t *testing.T, db *views.DB) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	for after := ""; ; {
		page, err := db.Availability().Scan(t.Context(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		for _, d := range page {
			if d.SKU <= after {
				t.Fatalf("%q after %q", d.SKU, after)
			}
			all[d.SKU], after = d.Position, d.SKU
		}
	}
}

// wantHeld wants documents of exactly these SKUs, all of one position.
func wantHeld(t *testing.T, db *views.DB, at uint64, skus []string) {
	t.Helper()
	all := held(t, db)
	for _, sku := range skus {
		if all[sku] != at {
			t.Fatalf("%q is of position %d, want %d", sku, all[sku], at)
		}
	}
	if len(all) != len(skus) {
		t.Fatalf("%d documents, want %d", len(all), len(skus))
	}
}

var small = views.Options{MemTableBytes: 16 << 10, GatherBytes: 4 << 10}

// beside builds a database beside, of other SKUs, and older than what it takes the place of.
func beside(t *testing.T, db *views.DB, at uint64, skus []string) *views.Beside {
	t.Helper()
	b, err := db.Beside()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	var list []*availability.Document
	for _, sku := range skus {
		list = append(list, &availability.Document{SKU: sku, Position: at})
	}
	if err := b.Availability().Write(t.Context(), list, projections.Progress{Position: at}); err != nil {
		t.Fatal(err)
	}
	return b
}

// Documents that claim to be newer, that should not be there, or are only gathered: after an exchange there is nothing but what was built, and what is written after it.
func TestAnExchangeLeavesNothingOfWhatWasThere(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{MemTableBytes: small.MemTableBytes, GatherFor: time.Hour})
	write(t, db, 9000, shelf(0, 600)...)
	held(t, db) // stored
	write(t, db, 9001, shelf(0, 50)...)
	b := beside(t, db, 700, shelf(300, 900))
	if err := b.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("data"); err != nil || len(names) != 1 {
		t.Errorf("beside are %q, %v", names, err)
	}
	wantHeld(t, db, 700, shelf(300, 900))
	if d, err := db.Availability().Read(t.Context(), shelf(0, 1)[0]); d != nil || err != nil {
		t.Errorf("got %+v, %v", d, err)
	}
	if at := position(t, db); at != 700 {
		t.Errorf("progress %d", at)
	}
	write(t, db, 701, shelf(300, 900)...)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, fs, small)
	wantHeld(t, again, 701, shelf(300, 900))
	if at := position(t, again); at != 701 {
		t.Errorf("progress %d after reopening", at)
	}
}

// cutFS is a file system of which a copy is taken, as a power cut would leave it, before files are made, linked, renamed or removed while it is armed.
type cutFS struct {
	*vfs.MemFS
	mu     sync.Mutex
	random *rand.Rand // nil when it is not armed
	copies []*vfs.MemFS
}

func (f *cutFS) cut() (done func()) {
	f.mu.Lock()
	if f.random != nil {
		f.copies = append(f.copies, f.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: f.random.IntN(101), RNG: f.random}))
	}
	return f.mu.Unlock
}

func (f *cutFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	defer f.cut()()
	return f.MemFS.Create(name, c)
}

func (f *cutFS) Link(from, to string) error {
	defer f.cut()()
	return f.MemFS.Link(from, to)
}

func (f *cutFS) Rename(from, to string) error {
	defer f.cut()()
	return f.MemFS.Rename(from, to)
}

func (f *cutFS) Remove(name string) error {
	defer f.cut()()
	return f.MemFS.Remove(name)
}

// arm begins or ends taking copies.
func (f *cutFS) arm(random *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.random = random
}

// settled syncs directories, as an operator's have been for long.
func (f *cutFS) settled(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		d, err := f.OpenDir(name)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A power cut at any moment of an exchange leaves the old documents with their progress or the new ones with theirs; one that was done stays.
func TestACrashInAnExchangeLeavesEither(t *testing.T) {
	old, new := shelf(0, 600), shelf(300, 900)
	found := map[uint64]int{}
	for seed := range uint64(12) {
		fs := &cutFS{MemFS: vfs.NewCrashableMem()}
		db := open(t, fs, small)
		write(t, db, 9000, old...)
		if err := db.Close(); err != nil { // all of it is on disk
			t.Fatal(err)
		}
		fs.settled(t, "", "data", dir)
		db = open(t, fs, small)
		b := beside(t, db, 700, new)
		fs.arm(rand.New(rand.NewPCG(seed, 2)))
		if err := b.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
		fs.arm(nil)
		for i, left := range append(fs.copies, fs.CrashClone(vfs.CrashCloneCfg{})) {
			after := open(t, left, small)
			at := position(t, after)
			if found[at]++; at == 700 {
				wantHeld(t, after, 700, new)
			} else {
				wantHeld(t, after, 9000, old)
			}
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
			if i == len(fs.copies) && at != 700 {
				t.Fatalf("an exchange that was done is gone: position %d", at)
			}
		}
	}
	if found[700] == 0 || found[9000] == 0 || len(found) != 2 {
		t.Errorf("positions %v", found)
	}
}
