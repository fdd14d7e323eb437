package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/stock"
)

// StateError says that a dead letter is no longer open.
type StateError struct {
	ID    string
	State State
}

func (e *StateError) Error() string {
	if e.State == Discarded {
		return fmt.Sprintf("dead letter %s was discarded", e.ID)
	}
	return fmt.Sprintf("dead letter %s was applied by a replay", e.ID)
}

// NotReplayableError says that a dead letter reports an incident and holds no fact that could be applied.
type NotReplayableError struct{ ID, Reason string }

func (e *NotReplayableError) Error() string {
	return fmt.Sprintf("dead letter %s reports %s and holds no message; discard it once it is dealt with", e.ID, e.Reason)
}

const (
	// lockStripes is how many dead letters can be worked on at once, at most.
	lockStripes = 64
	// autoReplays is how many dead letters the desk replays at once by itself.
	autoReplays = 16
	// deskPage is how many dead letters the desk looks at in one go.
	deskPage = 200
	// maxChanges is how often a letter may be changed by others while it is being changed here.
	maxChanges = 16
	// autoActor is who replays by itself.
	autoActor = "stockfold"
	// begun starts the note of a letter whose replay was begun; one that is found at start was cut short by a crash.
	begun = "replay begun by "
)

// DeadLetterDesk keeps what cannot be applied, and replays or discards it. It is safe for concurrent use.
//
// Replays go the way the message came in, except that its place in its log does not make it a duplicate: it was never
// applied from there. Several desks may share the letters: what becomes of a letter is written on what the others made
// of it, and facts that two of them replay at once count once by their keys. Letters whose location was unknown are replayed by themselves, oldest first, several at once,
// when the location is defined.
type DeadLetterDesk struct {
	// Orders takes in letters about orders; it is set before the desk is used.
	Orders Orders
	// Policies takes in letters about rules; it is set before the desk is used.
	Policies Policies
	// Snapshots takes in letters that are parts of snapshots; it is set before the desk is used.
	Snapshots Snapshots

	letters  DeadLetters
	recorder *Recorder
	now      func() aggregates.Instant
	log      *slog.Logger

	seed    maphash.Seed
	locks   [lockStripes]chan struct{}
	kick    chan struct{}
	waiting atomic.Bool // letters about rules wait for what may be defined
	stats   counters
}

// NewDeadLetterDesk returns a desk over the letters. now nil means the system's clock, log nil the default logger.
func NewDeadLetterDesk(letters DeadLetters, recorder *Recorder, now func() aggregates.Instant, log *slog.Logger) *DeadLetterDesk {
	if now == nil {
		now = systemClock
	}
	if log == nil {
		log = slog.Default()
	}
	d := &DeadLetterDesk{letters: letters, recorder: recorder, now: now, log: log, seed: maphash.MakeSeed(), kick: make(chan struct{}, 1)}
	for i := range d.locks {
		d.locks[i] = make(chan struct{}, 1)
	}
	return d
}

func systemClock() aggregates.Instant { return aggregates.At(time.Now()) }

// lock makes the caller the only one to work on a letter.
func (d *DeadLetterDesk) lock(ctx context.Context, id string) (unlock func(), err error) {
	stripe := d.locks[maphash.String(d.seed, id)%lockStripes]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Get returns a dead letter, or ErrNoDeadLetter.
func (d *DeadLetterDesk) Get(ctx context.Context, id string) (DeadLetter, error) {
	return d.letters.Get(ctx, id)
}

// List returns dead letters, the oldest first, and whether there are more.
func (d *DeadLetterDesk) List(ctx context.Context, q Query) ([]DeadLetter, bool, error) {
	return d.letters.List(ctx, q)
}

// CountOpen counts the open dead letters.
func (d *DeadLetterDesk) CountOpen(ctx context.Context) (int64, error) {
	return d.letters.CountOpen(ctx)
}

// Discard marks an open dead letter as not to be applied. Discarding it again changes nothing. Errors:
// ErrNoDeadLetter, *StateError for one that was applied, and those of the store.
func (d *DeadLetterDesk) Discard(ctx context.Context, id, reason, actor string) (DeadLetter, error) {
	unlock, err := d.lock(ctx, id)
	if err != nil {
		return DeadLetter{}, err
	}
	defer unlock()
	letter, changed, err := d.change(ctx, id, func(letter *DeadLetter) (bool, error) {
		switch letter.State {
		case Discarded:
			return false, nil
		case Replayed:
			return false, &StateError{ID: id, State: letter.State}
		}
		letter.State, letter.Note = Discarded, fmt.Sprintf("discarded by %s: %s", who(actor), reason)
		return true, nil
	})
	if changed {
		d.log.Info("dead letter discarded", "id", id, "reason", letter.Reason, "actor", who(actor), "note", reason)
	}
	return letter, err
}

// change has a letter changed as it is now: by the desk of another replica, too. decide tells whether it changed
// anything, and may be asked again.
func (d *DeadLetterDesk) change(ctx context.Context, id string, decide func(*DeadLetter) (bool, error)) (DeadLetter, bool, error) {
	for range maxChanges {
		letter, err := d.letters.Get(ctx, id)
		if err != nil {
			return DeadLetter{}, false, err
		}
		changed, err := decide(&letter)
		if err != nil {
			return DeadLetter{}, false, err
		}
		if !changed {
			return letter, false, nil
		}
		letter.Version, err = d.letters.Put(ctx, letter)
		if !errors.Is(err, ErrLetterChanged) {
			return letter, err == nil, err
		}
	}
	return DeadLetter{}, false, fmt.Errorf("%w: others changed dead letter %s %d times meanwhile", commands.ErrUnavailable, id, maxChanges)
}

func who(actor string) string {
	if actor == "" {
		return "somebody"
	}
	return actor
}

// keep stores a dead letter unless it is stored already: a message that is delivered again changes nothing, whatever
// became of its letter.
func (d *DeadLetterDesk) keep(ctx context.Context, letter DeadLetter) error {
	unlock, err := d.lock(ctx, letter.ID)
	if err != nil {
		return err
	}
	defer unlock()
	letter.State, letter.Attempts, letter.Version = Open, 1, 0
	letter.ReceivedAt = d.now()
	letter.LastTriedAt = letter.ReceivedAt
	switch _, err := d.letters.Put(ctx, letter); {
	case errors.Is(err, ErrLetterChanged):
		return nil // it is there
	case err != nil:
		return fmt.Errorf("store dead letter %s: %w", letter.ID, err)
	}
	if n := d.stats.kept(letter.Reason, letter.ReceivedAt); n > 0 {
		d.log.Warn("dead letters kept", "reason", letter.Reason, "letters", n, "last", letter.ID, "message", letter.Message,
			"topic", letter.Topic, "partition", letter.Partition, "offset", letter.Offset)
	}
	d.noteWaiting(&letter)
	if letter.Reason == stock.ReasonUnknownLocation && d.recorder.Knows(letter.Location) {
		d.wake() // it was defined in between, and whoever was told of that did not see this letter
	}
	return nil
}

// PolicyChanged is to be told every change of policy: what was defined may be what letters wait for.
func (d *DeadLetterDesk) PolicyChanged(c policies.Change) {
	if c.LocationDefined != "" || d.waiting.Load() {
		d.wake()
	}
}

func (d *DeadLetterDesk) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// wasBegun tells whether a replay of the letter was begun and not finished.
func (l *DeadLetter) wasBegun() bool { return l.State == Open && strings.HasPrefix(l.Note, begun) }
