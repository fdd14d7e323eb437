package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

func openWithSpace(t *testing.T, free *atomic.Uint64) *Store {
	t.Helper()
	s, err := Open("events", Options{
		FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler), ReserveBytes: 1000,
		FreeBytes: func(string) (uint64, error) { return free.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFullDiskRefusesWritesUntilThereIsSpace(t *testing.T) {
	var free atomic.Uint64
	free.Store(1000)
	s := openWithSpace(t, &free)
	mustAppend(t, s, "sku-a", 0, 2)
	free.Store(999)
	writes := map[string]func() error{
		"append": func() error { _, err := s.Append(background, "sku-a", 2, facts("sku-a", 2, 1, 0)); return err },
		"letter": func() error {
			return second(s.DeadLetters().Put(background, ingest.DeadLetter{ID: "1", State: ingest.Open}))
		},
		"offset":     func() error { return s.SaveOffset(background, "t", 0, ingest.Progress{Next: 1}) },
		"checkpoint": func() error { return s.SaveCheckpoint(background, "p", 1) },
		"snapshot":   func() error { return s.SaveSnapshot(background, "sku-a", "v1", commands.Snapshot{Next: 2}) },
	}
	for range 2 { // the second time they are turned away before they queue
		for name, write := range writes {
			if err := write(); !errors.Is(err, commands.ErrFull) || !errors.Is(err, commands.ErrUnavailable) {
				t.Errorf("%s: %v, want commands.ErrFull", name, err)
			}
		}
	}
	if err := s.Health(); !errors.Is(err, commands.ErrFull) || !s.Stats().DiskFull {
		t.Errorf("health is %v, stats %+v", err, s.Stats())
	}
	if n := length(t, s, "sku-a"); n != 2 {
		t.Errorf("%d events are readable, want 2", n)
	}
	free.Store(1000)
	for name, write := range writes {
		if err := write(); err != nil {
			t.Errorf("%s with space again: %v", name, err)
		}
	}
	if err := s.Health(); err != nil || s.Stats().DiskFull {
		t.Errorf("health is %v, stats %+v", err, s.Stats())
	}
	if n := len(verify(t, s)["sku-a"]); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestUnknownFreeSpaceRefusesWrites(t *testing.T) {
	s, err := Open("events", Options{FS: vfs.NewMem(), FreeBytes: func(string) (uint64, error) { return 0, syscall.EIO }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Append(background, "sku-a", 0, facts("sku-a", 0, 1, 0)); !errors.Is(err, commands.ErrUnavailable) || errors.Is(err, commands.ErrFull) {
		t.Errorf("got %v, want commands.ErrUnavailable", err)
	}
}

// fault fails the operations that match, from the moment it is armed.
type fault struct {
	match func(errorfs.Op) bool
	err   error
	armed atomic.Bool
	hits  atomic.Int64
}

func (f *fault) String() string { return "fault" }

func (f *fault) MaybeError(op errorfs.Op) error {
	if !f.armed.Load() || !f.match(op) {
		return nil
	}
	f.hits.Add(1)
	return f.err
}

func on(suffix string, kinds ...errorfs.OpKind) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		for _, kind := range kinds {
			if op.Kind == kind && strings.Contains(op.Path, suffix) {
				return true
			}
		}
		return false
	}
}

var syncs = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}

// TestFailingDisk lets the disk fail in every way that Pebble does not survive. The store must become unavailable, with
// the cause; every call must return, none may take the process with it, and nothing acknowledged may be lost.
func TestFailingDisk(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"write to the log":           on(".log", errorfs.OpFileWrite),
		"sync of the log":            on(".log", syncs...),
		"new log":                    on(".log", errorfs.OpCreate, errorfs.OpReuseForWrite),
		"write to the manifest":      on("MANIFEST", errorfs.OpFileWrite),
		"sync of the manifest":       on("MANIFEST", syncs...),
		"any write":                  func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite },
		"any sync":                   func(op errorfs.Op) bool { return on("", syncs...)(op) },
		"everything that changes it": func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
	} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
			t.Run(fmt.Sprintf("%s, %v", name, cause), func(t *testing.T) { failingDisk(t, &fault{match: match, err: cause}) })
		}
	}
}

func failingDisk(t *testing.T, f *fault) {
	disk := vfs.NewCrashableMem()
	opts := Options{FS: errorfs.Wrap(disk, f), memTableBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)}
	s, err := Open("data/events", opts)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	for n := range 20 {
		acknowledged(t, s, l, "sku-before", n)
	}
	next := waitingNext(t, s)
	f.armed.Store(true)
	failed := until(t, s, l)
	if err := <-next; !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("a waiting subscription: %v, want commands.ErrUnavailable", err)
	}
	if f.hits.Load() == 0 {
		t.Fatal("the fault was never met")
	}
	if !errors.Is(failed, commands.ErrUnavailable) || errors.Is(failed, commands.ErrFull) {
		t.Errorf("append: %v, want commands.ErrUnavailable", failed)
	}
	f.armed.Store(false) // a disk that works again does not make up for what it lost
	refuses(t, s)
	if err := s.Close(); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("close: %v, want the failure", err)
	}
	for _, percent := range []int{0, 100} {
		after := crash{at: fmt.Sprintf("%d%% of what was not synced", percent), before: l, opened: true,
			disk: disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng(1)})}
		recoverAll(t, []crash{after})
	}
}

// waitingNext starts a subscription for what will never come.
func waitingNext(t *testing.T, s *Store) <-chan error {
	t.Helper()
	sub, err := s.Subscribe(background, math.MaxUint64)
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan error, 1)
	go func() {
		_, err := sub.Next(background)
		next <- err
	}()
	return next
}

func acknowledged(t *testing.T, s *Store, l *ledger, stream string, n int) error {
	t.Helper()
	list := facts(stream, n, 1, 900)
	got, err := s.Append(background, stream, uint64(n), list)
	if err == nil {
		l.acknowledge(stream, uint64(n), got.Position, list)
	}
	return err
}

// until appends with several writers until each of them has met the failure.
func until(t *testing.T, s *Store, l *ledger) error {
	t.Helper()
	const writers = 4
	errs := make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 0; errs[w] == nil; n++ {
				errs[w] = acknowledged(t, s, l, fmt.Sprintf("sku-%d", w), n)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if !errors.Is(err, commands.ErrUnavailable) {
			t.Errorf("append: %v, want commands.ErrUnavailable", err)
		}
	}
	return errs[0]
}

// refuses asserts that a failed store answers every call with commands.ErrUnavailable.
func refuses(t *testing.T, s *Store) {
	t.Helper()
	for name, err := range allCalls(background, s) {
		if !errors.Is(err, commands.ErrUnavailable) {
			t.Errorf("%s: %v, want commands.ErrUnavailable", name, err)
		}
	}
}

// TestTableThatCannotBeWrittenIsTriedAgain: Pebble survives that, and so does the store.
func TestTableThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	f := &fault{match: on(".sst", errorfs.OpCreate, errorfs.OpFileWrite), err: syscall.ENOSPC}
	s, err := Open("events", Options{FS: errorfs.Wrap(vfs.NewMem(), f), memTableBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	f.armed.Store(true)
	n := 0
	for ; f.hits.Load() == 0; n++ {
		if err := acknowledged(t, s, l, "sku-a", n); err != nil {
			t.Fatal(err)
		}
	}
	f.armed.Store(false)
	for range 300 {
		if err := acknowledged(t, s, l, "sku-a", n); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if err := l.check(s); err != nil {
		t.Error(err)
	}
	if s.Stats().BackgroundErrors == 0 {
		t.Error("a flush failed and is not counted")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
