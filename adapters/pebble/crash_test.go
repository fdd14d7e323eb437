package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// ledger is what was acknowledged so far.
type ledger struct {
	mu      sync.Mutex
	events  []aggregates.Record
	letters map[string]int // id → attempts
}

func newLedger() *ledger { return &ledger{letters: map[string]int{}} }

func (l *ledger) acknowledge(stream string, next, last uint64, list []aggregates.NewEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range list {
		l.events = append(l.events, aggregates.Record{NewEvent: e, Stream: stream, Revision: next + uint64(i), Position: last - uint64(len(list)-1-i)})
	}
}

// copy is the ledger at this moment: whatever is in it was acknowledged before.
func (l *ledger) copy() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newLedger()
	c.events = slices.Clip(l.events)
	maps.Copy(c.letters, l.letters)
	return c
}

// check finds everything acknowledged in a store, at its place.
func (l *ledger) check(s *Store) error {
	streams, err := verified(s)
	if err != nil {
		return err
	}
	for _, want := range l.events {
		list := streams[want.Stream]
		if want.Revision >= uint64(len(list)) {
			return fmt.Errorf("acknowledged event %d of %q is lost, the stream has %d", want.Revision, want.Stream, len(list))
		}
		got := list[want.Revision]
		if got.ID != want.ID || got.Position != want.Position || string(got.Data) != string(want.Data) {
			return fmt.Errorf("acknowledged event %d of %q became %+v", want.Revision, want.Stream, got)
		}
	}
	return l.checkLetters(s)
}

func (l *ledger) checkLetters(s *Store) error {
	ctx := context.Background()
	for id, attempts := range l.letters {
		x, err := s.DeadLetters().Get(ctx, id)
		if err != nil {
			return fmt.Errorf("acknowledged dead letter: %w", err)
		}
		if x.Attempts < attempts || x.State != stateAfter(x.Attempts) {
			return fmt.Errorf("dead letter %s, acknowledged after %d attempts, is in state %d after %d", id, attempts, x.State, x.Attempts)
		}
	}
	open, err := s.DeadLetters().CountOpen(ctx)
	if err != nil {
		return err
	}
	list, _, err := s.DeadLetters().List(ctx, ingest.Query{Limit: 1 << 20})
	if err != nil {
		return err
	}
	if int64(len(list)) != open {
		return fmt.Errorf("%d open dead letters are counted, %d listed", open, len(list))
	}
	return nil
}

// crash is a disk as it may be after a crash, and what had been acknowledged before that.
type crash struct {
	at     string
	disk   *vfs.MemFS
	before *ledger
	opened bool // the store had been made
}

// crashes takes crashes at the writes and syncs of a run.
type crashes struct {
	disk   *vfs.MemFS
	ledger *ledger
	every  int // writes; syncs are all taken

	mu          sync.Mutex
	rng         *rand.Rand
	seen        int
	taken       []crash
	opened, off bool
}

// MaybeError is called before each operation of the file system. It injects no error.
func (c *crashes) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileWrite, errorfs.OpCreate, errorfs.OpRename,
		errorfs.OpRemove, errorfs.OpReuseForWrite, errorfs.OpLink:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return nil
	}
	c.seen++
	if op.Kind == errorfs.OpFileWrite && c.seen%c.every != 0 {
		return nil
	}
	before := c.ledger.copy()
	for _, percent := range []int{0, 1 + c.rng.IntN(100)} {
		c.taken = append(c.taken, crash{
			at:   fmt.Sprintf("operation %d (kind %d, %s), %d%% of what was not synced", c.seen, op.Kind, op.Path, percent),
			disk: c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(c.rng.Uint64(), 0))}), before: before, opened: c.opened,
		})
	}
	return nil
}

func (c *crashes) String() string { return "crashes" }

func (c *crashes) set(flag *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*flag = true
}

// TestCrash runs random appends and dead letters with many writers, on a memtable so small that tables are written and
// compacted meanwhile, takes a crash at every sync and at many writes, and opens every one of them.
func TestCrash(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			l := newLedger()
			c := &crashes{disk: disk, ledger: l, every: 20, rng: rand.New(rand.NewPCG(seed, 0))}
			opts := Options{FS: errorfs.Wrap(disk, c), memTableBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)}
			s, err := Open("data/events", opts)
			if err != nil {
				t.Fatal(err)
			}
			c.set(&c.opened)
			write(t, s, l, seed)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c.set(&c.off)
			t.Logf("%d crashes, %d events acknowledged", len(c.taken), len(l.events))
			for _, file := range []string{".log", ".sst", "MANIFEST"} {
				if !slices.ContainsFunc(c.taken, func(x crash) bool { return x.opened && strings.Contains(x.at, file) }) {
					t.Errorf("no crash at a write of %s", file)
				}
			}
			recoverAll(t, c.taken)
		})
	}
}

func recoverAll(t *testing.T, taken []crash) {
	for _, x := range taken {
		s, err := Open("data/events", Options{FS: x.disk, Log: slog.New(slog.DiscardHandler)})
		if err != nil && !x.opened {
			continue // a database that was being made: Pebble needs the file system to keep the order of new files
		}
		if err != nil {
			t.Fatalf("at %s: %v", x.at, err)
		}
		if err := x.before.check(s); err != nil {
			t.Fatalf("at %s: %v", x.at, err)
		}
		if err := goesOn(s); err != nil {
			t.Fatalf("at %s: %v", x.at, err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("at %s: %v", x.at, err)
		}
	}
}

// goesOn checks that a recovered store takes appends where it ended.
func goesOn(s *Store) error {
	ctx := context.Background()
	end, err := s.End(ctx)
	if err != nil {
		return err
	}
	got, err := s.Append(ctx, "sku-after the crash", 0, facts("sku-after the crash", 0, 2, 0))
	if err != nil {
		return err
	}
	if got.Position != end+2 {
		return fmt.Errorf("the store ended at %d, two more events ended at %d", end, got.Position)
	}
	_, err = verified(s)
	return err
}

// write runs writers, each with streams of its own, and keeps the ledger.
func write(t *testing.T, s *Store, l *ledger, seed uint64) {
	const writers, steps = 6, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w+1)))
			next := map[string]int{}
			for n := range steps {
				if rng.IntN(8) == 0 {
					putLetter(t, s, l, fmt.Sprintf("%d-%d", w, rng.IntN(3)), n)
					continue
				}
				stream := fmt.Sprintf("sku-%d/%d", w, rng.IntN(3))
				list := facts(stream, next[stream], 1+rng.IntN(5), rng.IntN(1500))
				got, err := s.Append(context.Background(), stream, uint64(next[stream]), list)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				l.acknowledge(stream, uint64(next[stream]), got.Position, list)
				next[stream] += len(list)
				saveOthers(t, s, n)
			}
		})
	}
	all.Wait()
}

// stateAfter is the state in which these tests put a letter for the n-th time.
func stateAfter(n int) ingest.State { return ingest.State(1 + n%3) }

func putLetter(t *testing.T, s *Store, l *ledger, id string, n int) {
	ctx := context.Background()
	before, err := s.DeadLetters().Get(ctx, id)
	if err != nil && !errors.Is(err, ingest.ErrNoDeadLetter) {
		t.Errorf("get: %v", err)
		return
	}
	_, err = s.DeadLetters().Put(ctx, ingest.DeadLetter{ID: id, State: stateAfter(n), Attempts: n, Reason: "MALFORMED", Value: make([]byte, 300), Version: before.Version})
	if err != nil {
		t.Errorf("put: %v", err)
		return
	}
	l.mu.Lock()
	l.letters[id] = n
	l.mu.Unlock()
}

// saveOthers writes what need not survive between what must.
func saveOthers(t *testing.T, s *Store, n int) {
	ctx := context.Background()
	if err := s.SaveOffset(ctx, "topic", int32(n%3), ingest.Progress{Next: int64(n)}); err != nil {
		t.Errorf("save offset: %v", err)
	}
	if err := s.SaveCheckpoint(ctx, "publisher", uint64(n)); err != nil {
		t.Errorf("save checkpoint: %v", err)
	}
}
