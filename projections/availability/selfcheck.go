package availability

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// selfCheckPage is how many SKUs are looked up at once.
	selfCheckPage = 64
	// selfCheckEvents is about how many events are looked through after a page, for SKUs that have events and no document.
	selfCheckEvents = 1 << 14
	// selfCheckShare bounds the time that checking takes: after a SKU that took long, the next one waits so many times as long.
	selfCheckShare = 49
)

// Place keeps how far a self-check has come, over restarts: the last SKU checked, and up to which position of the store it was looked for SKUs without a document. It may
// lose what came last, or everything: then some SKUs have their turn again before others.
type Place interface {
	Load(ctx context.Context) (sku string, position uint64, err error)
	Save(ctx context.Context, sku string, position uint64) error
}

// SelfCheck checks one document after the other, round and round, and mends those that differ from their streams. Between them it looks through the events, round and
// round as well, for SKUs that have lost their document. Make it with NewSelfCheck.
type SelfCheck struct {
	checker *Checker
	place   Place
	pause   time.Duration
	log     *slog.Logger
	after   string // SKU that was reached
	through uint64 // position that was reached

	checked, skipped, drifted, mended, rounds atomic.Int64
}

// SelfCheckStats count what a self-check did since it was made.
type SelfCheckStats struct {
	Checked int64 // SKUs that were compared
	Skipped int64 // SKUs that could not be compared then
	Drifted int64 // SKUs whose document was not what its stream comes to
	Mended  int64 // of them, those whose document was written anew and is right
	Rounds  int64 // times that all documents were gone through
}

// NewSelfCheck makes a self-check of at most so many SKUs in a minute, which goes on from a place.
func NewSelfCheck(c *Checker, place Place, perMinute int, log *slog.Logger) *SelfCheck {
	return &SelfCheck{checker: c, place: place, pause: time.Minute / time.Duration(perMinute), log: log}
}

// Stats returns what was done so far.
func (s *SelfCheck) Stats() SelfCheckStats {
	return SelfCheckStats{Checked: s.checked.Load(), Skipped: s.skipped.Load(), Drifted: s.drifted.Load(), Mended: s.mended.Load(), Rounds: s.rounds.Load()}
}

// Run checks until ctx ends, and returns nil then.
func (s *SelfCheck) Run(ctx context.Context) (err error) {
	if s.after, s.through, err = s.place.Load(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("the self-check begins at the first SKU", "error", err)
	}
	for ctx.Err() == nil {
		for _, sku := range s.page(ctx) {
			began := time.Now()
			if s.one(ctx, sku); ctx.Err() != nil {
				return nil // it may have been cut off
			}
			s.reached(ctx, sku, s.through)
			if !rest(ctx, max(s.pause, selfCheckShare*time.Since(began))) {
				return nil
			}
		}
		began := time.Now()
		s.seek(ctx)
		if !rest(ctx, max(s.pause, selfCheckShare*time.Since(began))) {
			return nil
		}
	}
	return nil
}

// reached keeps how far it has come.
func (s *SelfCheck) reached(ctx context.Context, sku string, position uint64) {
	s.after, s.through = sku, position
	_ = s.place.Save(ctx, sku, position) // whoever keeps the read models says what is wrong with their disk
}

// page lists the next SKUs; at the end it begins again.
func (s *SelfCheck) page(ctx context.Context) (skus []string) {
	list, err := s.checker.model.Scan(ctx, s.after, selfCheckPage)
	if err != nil {
		return nil // whoever keeps the read model says so
	}
	if len(list) == 0 {
		if s.after != "" {
			s.rounds.Add(1)
		}
		s.after = ""
	}
	for _, d := range list {
		skus = append(skus, d.SKU)
	}
	return skus
}

// seek looks through the next events for SKUs that have no document, and checks those; at the end it begins again.
func (s *SelfCheck) seek(ctx context.Context) {
	end := s.checker.Position()
	if s.through >= end {
		s.through = 0
	}
	events := 0
	err := s.checker.Begun(ctx, s.through, end, func(b Begun) (more bool, err error) {
		for _, sku := range b.SKUs {
			switch is, err := s.checker.Documented(ctx, sku); {
			case err != nil:
				return false, err
			case !is:
				s.one(ctx, sku)
			}
		}
		if ctx.Err() == nil {
			s.reached(ctx, s.after, b.Reached)
		}
		events += max(1, b.Events)
		return events < selfCheckEvents, ctx.Err()
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnreadable) {
		s.log.Warn("events are not looked through for SKUs without a document of availability", "after", s.through, "error", err)
	}
}

// one checks one SKU.
func (s *SelfCheck) one(ctx context.Context, sku string) {
	d, err := s.checker.Check(ctx, sku)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.skipped.Add(1)
		if !errors.Is(err, ErrUnreadable) {
			s.log.Warn("a document of availability cannot be checked", "sku", sku, "error", err)
		}
		return
	}
	if s.checked.Add(1); d == nil {
		return
	}
	s.drifted.Add(1)
	s.log.Error("a document of availability is not what its events come to", d.attributes()...)
	if err := s.checker.Mend(ctx, d); err != nil {
		if ctx.Err() == nil {
			s.log.Error("a document of availability is not mended", "sku", sku, "error", err)
		}
		return
	}
	s.mended.Add(1)
	s.log.Info("a document of availability is mended", "sku", sku, "position", d.Should)
}

// namedInLog is how many fields and events a line of the log names.
const namedInLog = 5

// attributes say in the log what is wrong.
func (d *Drift) attributes() []any {
	list := []any{"sku", d.SKU, "kind", d.Kind, "copy", d.Copy, "position", d.Position, "should", d.Should, "explanation", d.Explanation()}
	for i, x := range d.Differences {
		if i == namedInLog {
			break
		}
		list = append(list, slog.Group(x.Field, "is", x.Is, "should", x.Should))
	}
	events := make([]string, 0, namedInLog)
	for _, e := range d.Concerned[max(0, len(d.Concerned)-namedInLog):] {
		events = append(events, e.String())
	}
	return append(list, "differences", len(d.Differences)+d.More, "events", events)
}

// rest waits; it returns false when ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
