package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// While a projection is behind, it writes only every catchUpEvents events or catchUpBytes, so that many events
// of a SKU end in one write; folding waits when twice as much is unwritten. A projection that is up to date
// writes at once. One in the background, of which several may be behind beside what callers wait for, gathers half as much.
const (
	catchUpEvents = 1 << 18
	catchUpBytes  = 32 << 20
)

// pace is the least time between two writes of a projection that is up to date. The first event after a quiet time is
// readable at once; under load a write takes what came meanwhile.
const pace = time.Millisecond

// Gather is enough for a projection that is seldom waited for: it is woken two hundred times a second instead of once for each
// group that the store syncs. Whoever comes to wait for it ends the gathering.
const Gather = 5 * time.Millisecond

// hastenEvery is how often a subscription is asked to look for the store's end while somebody waits.
const hastenEvery = 5 * time.Millisecond

// enough events in one reading: more may be there already.
const enough = 256

// progressEvery is after how many positions without documents the progress alone is written.
const progressEvery = 1 << 14

// stopTimeout bounds the last write after the runner was told to stop.
const stopTimeout = 2 * time.Second

// errHalted says that everything before the unreadable event is written.
var errHalted = errors.New("halted before an unreadable event")

// session is one subscription: one goroutine reads and folds, one writes and publishes, one tends, one watches the model.
type session struct {
	*Runner
	end     uint64 // of the store when the session began
	written Progress
	wake    chan struct{} // there may be something to write

	mu     sync.Mutex    // held while folding, touching and cutting
	room   chan struct{} // closed at the next cut
	folded Progress
	events int                // folded since the last cut
	newest aggregates.Instant // when the newest event folded was recorded
	torn   bool               // what was folded is not all there any more: only a new session may write
	folder folder
}

// subscribe runs one session until ctx ends or something fails.
func (r *Runner) subscribe(ctx context.Context) error {
	from, end, err := r.resume(ctx)
	if err != nil {
		return err
	}
	sub, err := r.Store.Subscribe(ctx, from.Position, r.Prefixes...)
	if err != nil {
		return fmt.Errorf("subscribe after position %d: %w", from.Position, err)
	}
	defer sub.Close()
	s := &session{Runner: r, end: end, written: from, folded: from,
		wake: make(chan struct{}, 1), room: make(chan struct{}), folder: newFolder(r.projection, r.Workers)}
	return s.run(ctx, sub)
}

func (s *session) run(ctx context.Context, sub Subscription) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var owned sync.WaitGroup
	owned.Go(func() { cancelOn(cancel, s.write(inner)) })
	owned.Go(func() { cancelOn(cancel, s.tend(inner)) })
	owned.Go(func() { cancelOn(cancel, s.watch(inner)) })
	if h, ok := sub.(Hastener); ok {
		owned.Go(func() { s.hasten(inner, h) })
	}
	cancel(s.read(inner, sub))
	owned.Wait()
	cause := context.Cause(inner)
	switch {
	case ctx.Err() == nil && !errors.Is(cause, errHalted):
		return cause
	case s.torn:
		return fmt.Errorf("ended before everything was written: %v", cause)
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	if _, err := s.flush(last, true); err != nil {
		return err
	}
	return cause
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

// read folds batch after batch. While the projection is behind, the next one is read while one is folded.
func (s *session) read(ctx context.Context, sub Subscription) error {
	ctx, stop := context.WithCancel(ctx)
	r := reader{sub: sub}
	defer r.wait()
	defer stop()
	for {
		s.giveWay(ctx)
		began := time.Now()
		b, err := r.next(ctx)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if b.Through < s.end {
			r.readAhead(ctx)
		}
		halted := s.cutAtUnreadable(&b)
		if err := s.fold(ctx, b); err != nil {
			return err
		}
		signal(s.wake)
		if halted {
			return errHalted
		}
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		if b.Through >= s.end && len(b.Records) < enough {
			s.gather(ctx, began)
		}
	}
}

// gather lets events come together, unless somebody waits for them or the last reading, which waited for its first event, took
// its time.
func (s *session) gather(ctx context.Context, began time.Time) {
	select {
	case <-s.waiters.came: // somebody who waits still, or does not any more
	default:
	}
	rest := s.Gather - time.Since(began)
	if rest <= 0 || s.waiters.any() {
		return
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.waiters.came:
	case <-ctx.Done():
	}
}

// hasten has the subscription look for the store's end for as long as somebody waits.
func (s *session) hasten(ctx context.Context, h Hastener) {
	for ctx.Err() == nil {
		select {
		case <-s.waiters.asked:
		case <-ctx.Done():
		}
		for s.waiters.any() && ctx.Err() == nil {
			h.Hasten()
			Sleep(ctx, hastenEvery)
		}
	}
}

// cutAtUnreadable shortens the batch to what comes before the event that stops the projection.
func (s *session) cutAtUnreadable(b *Batch) bool {
	if s.unreadable == nil || b.Through < s.unreadable.Position {
		return false
	}
	n := 0
	for n < len(b.Records) && b.Records[n].Position < s.unreadable.Position {
		n++
	}
	b.Records, b.Through = b.Records[:n], max(s.folded.Position, s.unreadable.Position-1)
	return true
}

func (s *session) fold(ctx context.Context, b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest, err := s.folder.fold(ctx, b.Records)
	if err != nil {
		s.torn = true
		return err
	}
	if n := len(b.Records); n > 0 {
		last := &b.Records[n-1]
		s.folded.Mark = Mark{After: s.folded.Position, Position: last.Position, ID: last.ID}
	}
	s.folded.Position = b.Through
	s.events += len(b.Records)
	s.newest = max(s.newest, newest)
	return nil
}

// tend lets the projection do its own work.
func (s *session) tend(ctx context.Context) error {
	return s.projection.Tend(ctx, func(change func(func(string) int) error) error {
		if err := s.change(change); err != nil {
			return err
		}
		return s.waitForRoom(ctx)
	})
}

func (s *session) change(change func(pick func(string) int) error) error {
	defer signal(s.wake)
	s.mu.Lock()
	defer s.mu.Unlock()
	return change(s.folder.pick)
}

// watch looks for what the model loses.
func (s *session) watch(ctx context.Context) error {
	if err := WatchModel(ctx, s.projection); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch the read model: %w", err)
	}
	return nil
}

// write writes and publishes what was folded, whenever there is enough of it.
func (s *session) write(ctx context.Context) error {
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
		if !s.due() {
			continue
		}
		began := time.Now()
		wrote, err := s.flush(ctx, false)
		if err != nil {
			return err
		}
		if rest := s.Pace - time.Since(began); rest > 0 && (wrote || s.Pace > pace) {
			Sleep(ctx, rest)
		}
	}
}

func (s *session) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folded.Position >= s.end || s.unwritten(1)
}

// unwritten tells whether so many times as much is unwritten as a projection that is behind writes at once.
func (s *session) unwritten(times int) bool {
	part := 1
	if s.Background {
		part = 2
	}
	return s.events >= times*catchUpEvents/part || s.projection.Unwritten() >= times*catchUpBytes/part
}

func (s *session) waitForRoom(ctx context.Context) error {
	for {
		s.mu.Lock()
		full := s.unwritten(2)
		room := s.room
		s.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flush writes what was folded, when that is more than a little progress, and publishes it.
func (s *session) flush(ctx context.Context, last bool) (wrote bool, err error) {
	s.mu.Lock()
	pending, progress, newest := s.projection.Cut(), s.folded, s.newest
	s.events, s.newest = 0, 0
	close(s.room)
	s.room = make(chan struct{})
	s.mu.Unlock()
	if !pending.Empty() || progress.Position >= s.written.Position+progressEvery || last && progress != s.written {
		if err := pending.Write(ctx, progress); err != nil {
			s.tear()
			return false, fmt.Errorf("write the read model: %w", err)
		}
		s.written, wrote = progress, true
	}
	pending.Publish(progress.Position)
	s.published(progress.Position, newest)
	return wrote, nil
}

func (s *session) tear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.torn = true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
