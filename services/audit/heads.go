package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/services/commands"
)

// ErrNoKey says that this process has no key to sign with.
var ErrNoKey = errors.New("there is no key to sign tree heads with; name one with --audit-key-file")

// ErrNoHead says that no head was recorded yet.
var ErrNoHead = errors.New("no tree head is recorded yet; stockfold audit head --record has one recorded, and audit-every does so at intervals")

// Tree is the tree over all events; *projection.Projection is one.
type Tree interface {
	WaitForEnd(ctx context.Context) error
	Head() projection.Head
	Root(ctx context.Context, size int64) (tlog.Hash, error)
}

// Config says what heads are made of. Streams, Tree, StoreID and Now must be set.
type Config struct {
	Streams commands.Doer[domain.State]
	Tree    Tree
	StoreID string
	Key     *Key          // nil: nothing is signed here
	Every   time.Duration // between heads; 0: only when asked
	Now     func() aggregates.Instant
	Log     *slog.Logger
}

// Heads signs heads and records them. Any replica may: the stream takes each head once, and heads only grow.
type Heads struct {
	Config
	recorded atomic.Uint64
	forked   atomic.Bool
}

// NewHeads returns the process.
func NewHeads(c Config) *Heads {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Heads{Config: c}
}

const actor = "stockfold"

// VerifierKey proves signatures made here; empty without a key.
func (h *Heads) VerifierKey() string {
	if h.Key == nil {
		return ""
	}
	return h.Key.String()
}

// Recorded counts heads recorded here; Forked tells that the store was found to hold another history than was signed.
func (h *Heads) Recorded() uint64 { return h.recorded.Load() }

// Forked tells that the store was found to hold another history than was signed.
func (h *Heads) Forked() bool { return h.forked.Load() }

// Run records heads until ctx ends. Trouble is logged, and tried again the next time.
func (h *Heads) Run(ctx context.Context) error {
	if h.Key == nil || h.Every <= 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTicker(h.Every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		limited, cancel := context.WithTimeout(ctx, h.Every)
		_, err := h.record(limited, true)
		cancel()
		if err != nil && ctx.Err() == nil {
			h.Log.Error("no tree head is recorded, will try again", "error", err)
		}
	}
}

// Record signs and records the tree over everything that the store holds now, and returns the newest head.
func (h *Heads) Record(ctx context.Context) (Head, error) { return h.record(ctx, false) }

// record records a head when there is something new: with quiet, anything but the newest head itself.
func (h *Heads) record(ctx context.Context, quiet bool) (Head, error) {
	if h.Key == nil {
		return Head{}, ErrNoKey
	}
	if err := h.Tree.WaitForEnd(ctx); err != nil {
		return Head{}, err
	}
	tree := h.Tree.Head()
	newest, err := h.check(ctx, tree.Size)
	if err != nil {
		return Head{}, err
	}
	if tree.Size == newest.Size || quiet && tree.Size <= newest.Size+1 {
		return h.Newest(ctx)
	}
	signed, err := h.Key.Sign(h.StoreID, tree, h.Now())
	if err != nil {
		return Head{}, fmt.Errorf("sign a tree head: %w", err)
	}
	in := &record{head: domain.TreeHeadRecorded{Size: tree.Size, Position: tree.Position, Root: domain.Hash(tree.Root), Note: signed.Note}}
	m := aggregates.Metadata{Actor: actor, IdempotencyKey: "head:" + strconv.FormatInt(tree.Size, 10), CorrelationID: "tree-heads"}
	out, err := h.Streams.Do(ctx, aggregates.TreeHeads, m, in)
	if err != nil {
		return Head{}, fmt.Errorf("record a tree head: %w", err)
	}
	h.recorded.Add(uint64(out.Recorded))
	return OpenHead(in.newest.Note, "")
}

// check compares the newest recorded head with the tree, and returns it.
func (h *Heads) check(ctx context.Context, size int64) (domain.TreeHeadRecorded, error) {
	var l look
	if _, err := h.Streams.Do(ctx, aggregates.TreeHeads, aggregates.Metadata{IdempotencyKey: "look"}, &l); err != nil || l.head.Size == 0 {
		return l.head, err
	}
	if l.head.Size > size { // another replica is ahead; or events are gone
		if err := h.Tree.WaitForEnd(ctx); err != nil {
			return l.head, err
		}
		if size = h.Tree.Head().Size; l.head.Size > size {
			h.forked.Store(true)
			return l.head, &domain.ForkedError{Size: size}
		}
	}
	root, err := h.Tree.Root(ctx, l.head.Size)
	if err == nil && domain.Hash(root) != l.head.Root {
		h.forked.Store(true)
		err = &domain.ForkedError{Size: l.head.Size}
	}
	return l.head, err
}

// Newest returns the newest head, or ErrNoHead.
func (h *Heads) Newest(ctx context.Context) (Head, error) {
	var l look
	if _, err := h.Streams.Do(ctx, aggregates.TreeHeads, aggregates.Metadata{IdempotencyKey: "look"}, &l); err != nil {
		return Head{}, err
	}
	if l.head.Size == 0 {
		return Head{}, ErrNoHead
	}
	return OpenHead(l.head.Note, "")
}

// look reads the newest head.
type look struct{ head domain.TreeHeadRecorded }

func (l *look) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	l.head = s.Head
	return nil, nil
}

// record wants a head recorded, and keeps the one that is the newest then.
type record struct{ head, newest domain.TreeHeadRecorded }

func (r *record) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	events, err := domain.Record(s, r.head)
	if r.newest = s.Head; len(events) > 0 {
		r.newest = r.head
	}
	return events, err
}
