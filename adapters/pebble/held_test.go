package pebble

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// holder holds up the log's syncs while it is closed.
type holder struct {
	mu     sync.Mutex
	opened *sync.Cond
	held   bool
	inSync int // syncs that wait
}

func newHolder() *holder {
	h := &holder{}
	h.opened = sync.NewCond(&h.mu)
	return h
}

func (h *holder) String() string { return "holder" }

func (h *holder) MaybeError(op errorfs.Op) error {
	if !strings.HasSuffix(op.Path, ".log") || op.Kind != errorfs.OpFileSync && op.Kind != errorfs.OpFileSyncData && op.Kind != errorfs.OpFileSyncTo {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inSync++
	h.opened.Broadcast()
	for h.held {
		h.opened.Wait()
	}
	h.inSync--
	return nil
}

func (h *holder) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = true
}

func (h *holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = false
	h.opened.Broadcast()
}

// syncing waits until a sync is held up.
func (h *holder) syncing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.inSync == 0 {
		h.opened.Wait()
	}
}

// openHeld opens a store in memory whose syncs can be held up.
func openHeld(t *testing.T) (*Store, *holder) {
	t.Helper()
	h := newHolder()
	s := openOn(t, holding(vfs.NewMem(), h))
	t.Cleanup(h.release) // before the store is closed
	return s, h
}

func holding(fs vfs.FS, h *holder) vfs.FS { return errorfs.Wrap(fs, h) }

func openOn(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open("events", Options{FS: fs, Log: slog.New(slog.DiscardHandler)})
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

// pending is an append that runs in a goroutine of its own.
type pending struct {
	t    *testing.T
	got  commands.Appended
	err  error
	done chan struct{}
}

func start(ctx context.Context, t *testing.T, s *Store, stream string, next int, list []aggregates.NewEvent) *pending {
	p := &pending{t: t, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.got, p.err = s.Append(ctx, stream, uint64(next), list)
	}()
	return p
}

func (p *pending) running() {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("an append was answered with %+v, %v before its sync", p.got, p.err)
	default:
	}
}

func (p *pending) wait() (commands.Appended, error) {
	<-p.done
	return p.got, p.err
}

func (p *pending) ok() commands.Appended {
	p.t.Helper()
	got, err := p.wait()
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}
