package views_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/reservations"
)

func record(id, sku string, position uint64, status stock.Status) *reservations.Record {
	r := &reservations.Record{SKU: sku, Placed: 1, Position: position}
	r.ID, r.Status, r.ExpiresAt = id, status, 1_000_000
	return r
}

// Wherever the parts of a history are, in memory, on their way or stored, reads give what was written last.
func TestReadsFindWhatIsWrittenWhereverItIs(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		fs := vfs.NewMem()
		o := views.Options{GatherFor: time.Duration(rng.IntN(3)) * time.Millisecond, GatherBytes: 1 + rng.IntN(2000)}
		db := open(t, fs, o)
		want := map[[2]string]*reservations.Record{}
		for position := uint64(1); position < 300; position++ {
			switch rng.IntN(20) {
			case 0:
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open(t, fs, o)
			case 1:
				if err := db.Reservations().Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
				clear(want)
			default:
				change(t, rng, db.Reservations(), want, position)
			}
			compareRecords(t, db.Reservations(), want)
		}
		db.Close()
	}
}

// change writes a random change of a few records, as a projection would.
func change(t *testing.T, rng *rand.Rand, m *views.Reservations, want map[[2]string]*reservations.Record, position uint64) {
	t.Helper()
	k := [2]string{fmt.Sprint("id ", rng.IntN(5)), fmt.Sprint("sku ", rng.IntN(3))}
	c := reservations.Change{Before: want[k], After: record(k[0], k[1], position, stock.Status(1+rng.IntN(3)))}
	if c.Before != nil && rng.IntN(3) == 0 {
		c.After = nil
	}
	if err := m.Write(t.Context(), []reservations.Change{c}, projections.Progress{Position: position}); err != nil {
		t.Fatal(err)
	}
	if want[k] = c.After; c.After == nil {
		delete(want, k)
	}
	p, err := m.Progress(t.Context())
	if err != nil || p.Position != position {
		t.Fatalf("progress is %d, %v; want %d", p.Position, err, position)
	}
}

func compareRecords(t *testing.T, m *views.Reservations, want map[[2]string]*reservations.Record) {
	t.Helper()
	found, bySKU := 0, 0
	for i := range 5 {
		list, err := m.ByID(t.Context(), fmt.Sprint("id ", i))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			w := want[[2]string{r.ID, r.SKU}]
			if w == nil || w.Position != r.Position || w.Status != r.Status {
				t.Fatalf("%s of %s: got %+v, want %+v", r.ID, r.SKU, r, w)
			}
			one, err := m.One(t.Context(), r.ID, r.SKU)
			if err != nil || one == nil || one.Position != r.Position {
				t.Fatalf("%s of %s alone: got %+v, %v", r.ID, r.SKU, one, err)
			}
			found++
		}
	}
	for i := range 3 {
		list, err := m.List(t.Context(), fmt.Sprint("sku ", i), false, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		bySKU += len(list)
	}
	if found != len(want) || bySKU != len(want) {
		t.Fatalf("found %d by id and %d by SKU, want %d", found, bySKU, len(want))
	}
}

// What waits in memory is stored by itself: a crash some time after a write does not take it.
func TestWhatIsGatheredIsStoredByItself(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := open(t, fs, views.Options{GatherFor: time.Millisecond, MemTableBytes: 8 << 10})
	for at := uint64(1); ; at++ {
		write(t, db, at, strings.Repeat("x", 99), fmt.Sprint("sku ", at))
		after := open(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(at, 1))}), views.Options{})
		kept := position(t, after)
		after.Close()
		if kept > 0 {
			return
		}
	}
}

// A disk that takes nothing does not let memory grow: writes fail once too much has gathered, and all is stored when it
// takes them again.
func TestWhatIsGatheredIsBounded(t *testing.T) {
	fs := vfs.NewMem()
	disk := errorfs.Toggle{Injector: errorfs.ErrInjected.If(errorfs.Writes)}
	db := open(t, errorfs.Wrap(fs, &disk), views.Options{MemTableBytes: 64 << 10, GatherBytes: 64 << 10})
	disk.On()
	var taken []string
	for at := uint64(1); ; at++ {
		sku := fmt.Sprint(strings.Repeat("x", 1000), " ", at)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := db.Availability().Write(ctx, []*availability.Document{{SKU: sku, Position: at}}, projections.Progress{Position: at})
		cancel()
		if err != nil {
			break
		}
		if taken = append(taken, sku); len(taken) > 2000 {
			t.Fatal("2,000 documents are in memory, and none was refused")
		}
	}
	disk.Off()
	list, err := db.Availability().Scan(t.Context(), "", 10_000)
	if err != nil || len(list) != len(taken) {
		t.Fatalf("%d documents are stored, %v; want %d", len(list), err, len(taken))
	}
}

// Readers see a document's versions grow while it moves from memory to the database.
func TestReadersNeverGoBackWhileDocumentsMove(t *testing.T) {
	db := open(t, vfs.NewMem(), views.Options{GatherFor: 50 * time.Microsecond})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			var last uint64
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := db.Availability().Read(t.Context(), "a")
				if err != nil || d != nil && d.Position < last {
					t.Errorf("got %+v after position %d, %v", d, last, err)
					return
				}
				if d != nil {
					last = d.Position
				}
			}
		})
	}
	for at := range uint64(3000) {
		write(t, db, at+1, "a")
	}
	close(stop)
	readers.Wait()
}

// Ids that are not there are not looked up, and no id that is there is taken for one of them, filter learned or not.
func TestIDsAreFoundAfterTheyAreLearned(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{})
	const n = 10_000
	changes := make([]reservations.Change, n)
	for i := range changes {
		changes[i].After = record(fmt.Sprint("id ", i), "a", 1, stock.StatusHeld)
	}
	if err := db.Reservations().Write(t.Context(), changes, projections.Progress{Position: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := db.Close(); err != nil && !errors.Is(err, views.ErrClosed) {
			t.Fatal(err)
		}
		db = open(t, fs, views.Options{})
		for i := range n {
			list, err := db.Reservations().ByID(t.Context(), fmt.Sprint("id ", i))
			if err != nil || len(list) != 1 {
				t.Fatalf("id %d: %d records, %v", i, len(list), err)
			}
			if list, err := db.Reservations().ByID(t.Context(), fmt.Sprint("no ", i)); err != nil || list != nil {
				t.Fatalf("an id that was never given has %d records, %v", len(list), err)
			}
		}
	}
}
