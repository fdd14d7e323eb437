package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// takeIn takes in one assigned partition until ctx ends. Trouble of any kind pauses it and takes it up again from what
// was saved; it never gives up.
func (s *Service) takeIn(ctx context.Context, p Partition) {
	at := place{p.Topic(), p.ID()}
	defer s.drop(at)
	pause := backoff{}
	for ctx.Err() == nil {
		moved, err := s.session(ctx, p)
		if moved {
			pause = backoff{}
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		s.note(at, func(st *PartitionStatus) { st.Error = err.Error() })
		s.Log.Warn("partition pauses", "topic", at.topic, "partition", at.partition, "error", err)
		_ = pause.wait(ctx)
	}
}

// session takes a partition up where it was left and takes it in until something goes wrong or ctx ends. It tells
// whether it came any further.
func (s *Service) session(ctx context.Context, p Partition) (moved bool, err error) {
	progress, alarm, err := s.resume(ctx, p)
	if err != nil {
		return false, err
	}
	n, err := loadSequences(progress.Numbers)
	if err != nil {
		return false, err
	}
	if err := s.tellAgain(ctx, n, p, progress.Epoch); err != nil {
		return false, err
	}
	w := newWorker(s, p, progress, n)
	s.note(w.at, func(st *PartitionStatus) { st.Next, st.Error = progress.Next, alarm })
	w.alarm = alarm
	err = w.run(ctx)
	return w.saved.Next > progress.Next, err
}

// resume decides where to go on, and makes an incident of the log known before anything follows from it.
func (s *Service) resume(ctx context.Context, p Partition) (_ Progress, alarm string, _ error) {
	before, known, err := s.Offsets.LoadOffset(ctx, p.Topic(), p.ID())
	if err != nil {
		return Progress{}, "", fmt.Errorf("load progress: %w", err)
	}
	bounds, err := look(ctx, p, before)
	if err != nil {
		return Progress{}, "", fmt.Errorf("look at the log: %w", err)
	}
	after, found := resolve(before, known, bounds)
	if found == nil {
		return after, "", s.begin(ctx, p, known, after)
	}
	s.Log.Error("message log is not as it was left", "topic", p.Topic(), "partition", p.ID(), "reason", found.rejection.Reason,
		"lost", found.lost, "message", found.rejection.Message)
	if err := s.Desk.keep(ctx, incidentLetter(p.Topic(), p.ID(), before, found)); err != nil {
		return Progress{}, "", err
	}
	after.SavedAt = s.Now()
	if err := s.Offsets.SaveOffset(ctx, p.Topic(), p.ID(), after); err != nil {
		return Progress{}, "", fmt.Errorf("save progress: %w", err)
	}
	s.stats.lost.Add(uint64(found.lost))
	if found.rejection.Reason == ReasonLogReplaced {
		s.stats.replaced.Add(1)
	}
	return after, found.rejection.Message, nil
}

// begin saves where a partition is read from for the first time. From then on, messages that are deleted before they are
// read are missed, be they the first ones.
func (s *Service) begin(ctx context.Context, p Partition, known bool, from Progress) error {
	if known {
		return nil
	}
	from.SavedAt = s.Now()
	if err := s.Offsets.SaveOffset(ctx, p.Topic(), p.ID(), from); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	return nil
}

// look asks for the ends of the log. A broker that has just taken over may say for a moment that the log ends earlier than
// it does; only when it knows nothing of the next offset the end is lost.
func look(ctx context.Context, p Partition, before Progress) (Bounds, error) {
	b, err := p.Bounds(ctx)
	if err != nil || b.End >= before.Next {
		return b, err
	}
	switch _, err := p.Fetch(ctx, before.Next); {
	case err == nil:
		b.End = before.Next
	case !errors.Is(err, ErrOffsetOutOfRange):
		return b, err
	}
	return b, nil
}

// Bounds of what one partition has under way. At a bound it takes nothing new in: the lag grows, memory does not.
const (
	MaxInFlight      = 1_024   // messages
	MaxInFlightFacts = 2_048   // facts; one message may exceed it alone
	MaxInFlightBytes = 8 << 20 // of messages; one message may exceed it alone

	saveEvery   = 100 * time.Millisecond // progress, in our store
	commitEvery = time.Second            // progress, in the log, for its tools
	lookEvery   = 5 * time.Second        // at the ends of the log, while nothing new is taken in
	drainTime   = 4 * time.Second        // for what is under way when the partition is taken away
	finalTime   = 2 * time.Second        // for the last save and commit

	maxDefects = 5 // tries of a message on which the service itself fails
)
