package views_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "data/views"

// open opens the database in dir and closes it when the test ends.
func open(t *testing.T, fs vfs.FS, o views.Options) *views.DB {
	t.Helper()
	o.FS = fs
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db, err := views.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func write(t *testing.T, db *views.DB, position uint64, skus ...string) {
	t.Helper()
	var list []*availability.Document
	for _, sku := range skus {
		list = append(list, &availability.Document{SKU: sku, Position: position})
	}
	if err := db.Availability().Write(t.Context(), list, projections.Progress{Position: position}); err != nil {
		t.Fatal(err)
	}
}

func position(t *testing.T, db *views.DB) uint64 {
	t.Helper()
	p, err := db.Availability().Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p.Position
}

func logs() (*slog.Logger, *bytes.Buffer) {
	b := &bytes.Buffer{}
	return slog.New(slog.NewTextHandler(b, nil)), b
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	directory := t.TempDir()
	db, err := views.Open(directory, views.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := views.Open(directory, views.Options{}); !errors.Is(err, views.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := views.Open(directory, views.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDatabaseOfAnotherStoreIsDropped(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{StoreID: "one"})
	write(t, db, 7, "a")
	db.Close()
	db = open(t, fs, views.Options{StoreID: "one"})
	if got := position(t, db); got != 7 {
		t.Fatalf("same store: position %d, want 7", got)
	}
	db.Close()
	db = open(t, fs, views.Options{})
	if got := position(t, db); got != 7 {
		t.Fatalf("unchecked: position %d, want 7", got)
	}
	db.Close()
	log, text := logs()
	db = open(t, fs, views.Options{StoreID: "two", Log: log})
	if got := position(t, db); got != 0 {
		t.Fatalf("other store: position %d, want 0", got)
	}
	if !strings.Contains(text.String(), "dropped") || !strings.Contains(text.String(), `\"one\"`) {
		t.Fatalf("the log does not say why: %s", text)
	}
	write(t, db, 3, "a")
	db.Close()
	if got := position(t, open(t, fs, views.Options{StoreID: "two"})); got != 3 {
		t.Fatalf("position %d, want 3", got)
	}
}

// Whatever happens to its files, the database opens: with what it held, or empty.
func TestDamagedDatabaseIsDropped(t *testing.T) {
	fresh := func() vfs.FS {
		fs := vfs.NewMem()
		db := open(t, fs, views.Options{StoreID: "s"})
		for i := range 50 {
			write(t, db, uint64(i+1), fmt.Sprint("sku ", i))
		}
		db.Close()
		return fs
	}
	names, err := fresh().List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, harm := range []func(vfs.FS, string) error{remove, truncate, overwrite} {
			fs := fresh()
			if name == "LOCK" {
				continue
			}
			if err := harm(fs, fs.PathJoin(dir, name)); err != nil {
				continue // a file that comes and goes
			}
			db := open(t, fs, views.Options{StoreID: "s"})
			if err := readAll(t, db); err != nil && !errors.Is(err, views.ErrFailed) {
				t.Fatalf("%s: %v", name, err)
			}
			db.Close()
			db = open(t, fs, views.Options{StoreID: "s"})
			if err := readAll(t, db); err != nil {
				t.Fatalf("%s: damaged after it was opened again: %v", name, err)
			}
			write(t, db, 1000, "later")
			db.Close()
		}
	}
}

func readAll(t *testing.T, db *views.DB) error {
	_, err := db.Availability().Scan(t.Context(), "", 100_000)
	return err
}

// Damage that shows only when a document is read: no more is read or written, and the next start begins anew.
func TestDamageFoundByAReadIsRemembered(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{})
	for i := range 2000 {
		write(t, db, uint64(i+1), fmt.Sprint("sku ", i))
	}
	db.Close()
	open(t, fs, views.Options{}).Close() // what was in the log is in a table now
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	harmed := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") && scribble(t, fs, fs.PathJoin(dir, name)) {
			harmed++
		}
	}
	log, text := logs()
	db = open(t, fs, views.Options{Log: log})
	if err := readAll(t, db); harmed == 0 || !errors.Is(err, views.ErrFailed) {
		t.Fatalf("%d tables were harmed, reading says %v", harmed, err)
	}
	if _, err := db.Reservations().One(t.Context(), "r", "a"); !errors.Is(err, views.ErrFailed) {
		t.Fatalf("the next read says %v", err)
	}
	if !strings.Contains(text.String(), "damaged") {
		t.Fatalf("the log does not say so: %s", text)
	}
	db.Close()
	db = open(t, fs, views.Options{})
	if got := position(t, db); got != 0 {
		t.Fatalf("position %d after the damage, want 0", got)
	}
}

// scribble changes blocks in the middle of a table, if it is large enough.
func scribble(t *testing.T, fs vfs.FS, path string) bool {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 10_000 {
		return false
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 1024), info.Size()/2); err != nil {
		t.Fatal(err)
	}
	return true
}

// A disk that takes no writes holds nobody up for longer than he waits, and is used again once it takes them.
func TestFullDiskIsWaitedFor(t *testing.T) {
	fs := vfs.NewMem()
	disk := errorfs.Toggle{Injector: errorfs.ErrInjected.If(errorfs.Writes)}
	db := open(t, errorfs.Wrap(fs, &disk), views.Options{MemTableBytes: 256 << 10, GatherBytes: 1})
	write(t, db, 1, "a")
	disk.On()
	stuck := errors.New("waited long enough")
	at := uint64(1)
	for at < 100_000 {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, stuck)
		d := &availability.Document{SKU: strings.Repeat("x", 1000), Position: at + 1}
		err := db.Availability().Write(ctx, []*availability.Document{d}, projections.Progress{Position: at + 1})
		cancel()
		if err != nil {
			if !errors.Is(err, stuck) {
				t.Fatalf("got %v", err)
			}
			break
		}
		at++
	}
	if got := position(t, db); got < at {
		t.Fatalf("reads are at %d, want %d", got, at)
	}
	disk.Off()
	write(t, db, at+5, "b")
	if got := position(t, db); got != at+5 {
		t.Fatalf("position %d, want %d", got, at+5)
	}
}

func remove(fs vfs.FS, path string) error { return fs.Remove(path) }

func truncate(fs vfs.FS, path string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return f.Close()
}

func overwrite(fs vfs.FS, path string) error {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	garbage := bytes.Repeat([]byte{0xa5}, int(info.Size()))
	if _, err := f.WriteAt(garbage, 0); err != nil {
		return err
	}
	return f.Close()
}

// After a crash the database holds what one of its writes left, documents and progress together.
func TestCrashLeavesTheStateAfterSomeWrite(t *testing.T) {
	kept := 0
	for seed := range 20 {
		fs := vfs.NewCrashableMem()
		db := open(t, fs, views.Options{MemTableBytes: 8 << 10, GatherBytes: 1}) // small, so that much of it is in tables
		for i := range 300 {
			write(t, db, uint64(i+1), "a", fmt.Sprint("sku ", i))
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: seed * 5, RNG: rand.New(rand.NewPCG(uint64(seed), 1))})
		after := open(t, clone, views.Options{})
		at := position(t, after)
		list, err := after.Availability().Scan(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if at > 300 || len(list) != int(at)+min(1, int(at)) {
			t.Fatalf("position %d with %d documents", at, len(list))
		}
		if at > 0 && list[0].Position != at {
			t.Fatalf("position %d, but the document written every time is at %d", at, list[0].Position)
		}
		if at > 0 {
			kept++
		}
		after.Close()
		db.Close()
	}
	if kept == 0 {
		t.Fatal("nothing was ever kept")
	}
}

func TestClosedDatabaseSaysSo(t *testing.T) {
	db := open(t, vfs.NewMem(), views.Options{})
	db.Close()
	if _, err := db.Availability().Read(t.Context(), "a"); !errors.Is(err, views.ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
}
