package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stockfold/stockfold/services/stock"
)

// Replay tries an open dead letter again, as it came in. When it still cannot be applied it stays open, with the new
// reason. Replaying one that was applied changes nothing. Errors: ErrNoDeadLetter, *StateError for one that was
// discarded, *NotReplayableError, and those of the streams and the store, after which Replay may be called again.
func (d *DeadLetterDesk) Replay(ctx context.Context, id, actor string) (DeadLetter, error) {
	unlock, err := d.lock(ctx, id)
	if err != nil {
		return DeadLetter{}, err
	}
	defer unlock()
	letter, err := d.letters.Get(ctx, id)
	switch {
	case err != nil:
		return DeadLetter{}, err
	case letter.State == Replayed:
		return letter, nil
	case letter.State != Open:
		return DeadLetter{}, &StateError{ID: id, State: letter.State}
	case letter.Reason == ReasonMessagesLost, letter.Reason == ReasonLogReplaced:
		return DeadLetter{}, &NotReplayableError{ID: id, Reason: letter.Reason}
	}
	return d.replay(ctx, letter, who(actor))
}

// replay notes first that it begins: were it cut short after the facts are recorded and long forgotten before it is
// tried again, they would count twice. What was begun is finished at the next start.
func (d *DeadLetterDesk) replay(ctx context.Context, letter DeadLetter, actor string) (DeadLetter, error) {
	letter.Attempts++
	letter.LastTriedAt = d.now()
	letter.Note = begun + actor
	if err := d.letters.Put(ctx, letter); err != nil {
		return DeadLetter{}, fmt.Errorf("begin the replay of dead letter %s: %w", letter.ID, err)
	}
	v := d.try(ctx, &letter)
	letter.Applied = append(letter.Applied, v.applied...)
	rejection := v.rejection
	if v.err != nil {
		if stock.Temporary(v.err) {
			return DeadLetter{}, fmt.Errorf("replay dead letter %s: %w", letter.ID, v.err)
		}
		rejection = internal(v.err)
	}
	if rejection == nil {
		letter.State, letter.Note = Replayed, "replayed by "+actor
		d.stats.replayed.Add(1)
	} else {
		letter.Reason, letter.Message, letter.Location = rejection.Reason, rejection.Message, rejection.Location
		letter.Note = "could not be applied when replayed by " + actor
	}
	if err := d.letters.Put(ctx, letter); err != nil {
		return DeadLetter{}, fmt.Errorf("finish the replay of dead letter %s: %w", letter.ID, err)
	}
	d.log.Info("dead letter replayed", "id", letter.ID, "actor", actor, "applied", rejection == nil, "reason", letter.Reason)
	return letter, nil
}

// try records what is left of a letter's facts.
func (d *DeadLetterDesk) try(ctx context.Context, letter *DeadLetter) verdict {
	all, rejection := facts(d.recorder, letter.message(), 0)
	if rejection != nil {
		return verdict{rejection: rejection}
	}
	left, lines := make([]stock.Fact, 0, len(all)), make([]int32, 0, len(all))
	for i, f := range all {
		if line := int32(i + 1); !slices.Contains(letter.Applied, line) {
			f.Movement.Replayed = true
			left, lines = append(left, f), append(lines, line)
		}
	}
	if stock.NeedsTrial(left) {
		if err := d.recorder.Try(ctx, left); err != nil {
			return verdict{rejection: stock.Reject(err), err: unlessRejected(err)}
		}
	}
	results, err := d.recorder.Record(ctx, left)
	if err != nil {
		return verdict{err: err}
	}
	return judge(left, lines, results)
}

// Run finishes replays that a crash cut short, and replays letters once their location is defined, until ctx ends.
func (d *DeadLetterDesk) Run(ctx context.Context) error {
	pause := backoff{}
	first := true
	for {
		err := d.sweep(ctx, first)
		if err != nil && ctx.Err() == nil {
			d.log.Error("replaying dead letters failed, will try again", "error", err)
			if pause.wait(ctx) == nil {
				continue
			}
		}
		first, pause = false, backoff{}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.kick:
		}
	}
}

// sweep goes through the open letters: at the first time all of them, later those that wait for a location.
func (d *DeadLetterDesk) sweep(ctx context.Context, all bool) error {
	q := Query{State: Open, Reason: stock.ReasonUnknownLocation, Limit: deskPage}
	if all {
		q.Reason = ""
	}
	for {
		letters, more, err := d.letters.List(ctx, q)
		if err != nil {
			return fmt.Errorf("list dead letters: %w", err)
		}
		if err := d.replayReady(ctx, letters); err != nil {
			return err
		}
		if !more || len(letters) == 0 {
			return nil
		}
		q.After = letters[len(letters)-1].ID
	}
}

// replayReady replays those letters of a page that are ready for it.
func (d *DeadLetterDesk) replayReady(ctx context.Context, letters []DeadLetter) error {
	var (
		room    = make(chan struct{}, autoReplays)
		running sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	for i := range letters {
		l := &letters[i]
		if !l.wasBegun() && (l.Reason != stock.ReasonUnknownLocation || !d.recorder.Knows(l.Location)) {
			continue
		}
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			var settled *StateError
			if _, err := d.Replay(ctx, l.ID, autoActor); err != nil && !errors.As(err, &settled) {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return failed
}
