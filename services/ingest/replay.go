package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stockfold/stockfold/services/policy"
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
	actor = who(actor)
	letter, begun, err := d.begin(ctx, id, actor)
	if err != nil || !begun {
		return letter, err
	}
	v := d.try(ctx, &letter)
	if v.err != nil {
		if stock.Temporary(v.err) {
			return DeadLetter{}, fmt.Errorf("replay dead letter %s: %w", id, v.err)
		}
		v.rejection = internal(v.err)
	}
	return d.finish(ctx, &letter, v, actor)
}

// begin notes that a replay begins: were it cut short after the facts are recorded and long forgotten before it is tried
// again, they would count twice. What was begun is finished at the next start. begun is false for one that was applied.
func (d *DeadLetterDesk) begin(ctx context.Context, id, actor string) (letter DeadLetter, begins bool, err error) {
	letter, begins, err = d.change(ctx, id, func(l *DeadLetter) (bool, error) {
		switch {
		case l.State == Replayed:
			return false, nil
		case l.State != Open:
			return false, &StateError{ID: id, State: l.State}
		case l.Reason == ReasonMessagesLost, l.Reason == ReasonLogReplaced, l.Reason == ReasonSequenceGap:
			return false, &NotReplayableError{ID: id, Reason: l.Reason}
		}
		l.Attempts++
		l.LastTriedAt = d.now()
		l.Note = begun + actor
		return true, nil
	})
	var state *StateError
	var not *NotReplayableError
	if err != nil && !errors.Is(err, ErrNoDeadLetter) && !errors.As(err, &state) && !errors.As(err, &not) {
		err = fmt.Errorf("begin the replay of dead letter %s: %w", id, err)
	}
	return letter, begins, err
}

// finish writes what became of a replay on what has become of the letter meanwhile.
func (d *DeadLetterDesk) finish(ctx context.Context, tried *DeadLetter, v verdict, actor string) (DeadLetter, error) {
	letter, changed, err := d.change(ctx, tried.ID, func(l *DeadLetter) (bool, error) { return l.settle(tried, v, actor), nil })
	if err != nil {
		return DeadLetter{}, fmt.Errorf("finish the replay of dead letter %s: %w", tried.ID, err)
	}
	if changed && v.rejection == nil {
		d.stats.replayed.Add(1)
	}
	d.log.Info("dead letter replayed", "id", letter.ID, "actor", actor, "applied", v.rejection == nil, "reason", letter.Reason)
	return letter, nil
}

// settle takes a verdict over, and tells whether that changed anything. Another replica may have replayed the letter at
// the same time: what one of them applied is applied, whatever the other found; and where the other is still at it, its
// note that it has begun stays.
func (l *DeadLetter) settle(tried *DeadLetter, v verdict, actor string) bool {
	state, lines := l.State, len(l.Applied)
	for _, line := range v.applied {
		if !slices.Contains(l.Applied, line) {
			l.Applied = append(l.Applied, line)
		}
	}
	switch {
	case state == Replayed:
		return len(l.Applied) > lines
	case v.rejection == nil:
		l.State, l.Note = Replayed, "replayed by "+actor
		return true
	case state != Open:
		return len(l.Applied) > lines
	}
	l.Reason, l.Message, l.Location = v.rejection.Reason, v.rejection.Message, v.rejection.Location
	if l.Version == tried.Version || !l.wasBegun() {
		l.Note = "could not be applied when replayed by " + actor
	}
	return true
}

// try records what is left of a letter's facts.
func (d *DeadLetterDesk) try(ctx context.Context, letter *DeadLetter) verdict {
	takers := takers{d.Orders, d.Policies, d.Snapshots, d.now}
	if x, _, rejection, is := takers.errand(letter.message(), 0); rejection != nil {
		return verdict{rejection: rejection}
	} else if is {
		return d.tryErrand(ctx, x)
	}
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

// sweep goes through the open letters: at the first time all of them, later those that wait for a location, and while letters about rules wait, for what else they
// may wait for.
func (d *DeadLetterDesk) sweep(ctx context.Context, all bool) error {
	if all {
		return d.sweepReason(ctx, "")
	}
	reasons := []string{stock.ReasonUnknownLocation}
	if d.waiting.Swap(false) {
		reasons = append(reasons, policy.ReasonUnknownChannel, policy.ReasonUnknownGroup, policy.ReasonUnknownSKU)
	}
	for _, reason := range reasons {
		if err := d.sweepReason(ctx, reason); err != nil {
			d.waiting.Store(true)
			return err
		}
	}
	return nil
}

func (d *DeadLetterDesk) sweepReason(ctx context.Context, reason string) error {
	q := Query{State: Open, Reason: reason, Limit: deskPage}
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

// due tells whether what a letter waits for is there.
func (d *DeadLetterDesk) due(ctx context.Context, l *DeadLetter) bool {
	if topic(l.Topic) == TopicPolicy {
		return d.ready(ctx, l)
	}
	return l.Reason == stock.ReasonUnknownLocation && d.recorder.Knows(l.Location)
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
		if !l.wasBegun() && !d.due(ctx, l) {
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
