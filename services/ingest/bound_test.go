package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

// stuck takes commands and answers none until it is let go.
type stuck struct {
	mu    sync.Mutex
	waits []func(commands.Outcome, error)
	free  bool
}

func (s *stuck) Submit(_ string, _ aggregates.Metadata, _ commands.Intention[domain.State], done func(commands.Outcome, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free {
		go done(commands.Outcome{}, nil)
		return nil
	}
	s.waits = append(s.waits, done)
	return nil
}

func (s *stuck) Do(context.Context, string, aggregates.Metadata, commands.Intention[domain.State]) (commands.Outcome, error) {
	return commands.Outcome{}, nil
}

func (s *stuck) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waits)
}

func (s *stuck) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = true
	for _, done := range s.waits {
		go done(commands.Outcome{}, nil)
	}
}

// noLetters and memOffsets keep nothing beyond a test.
type noLetters struct{ ingest.DeadLetters }

func (noLetters) List(context.Context, ingest.Query) ([]ingest.DeadLetter, bool, error) {
	return nil, false, nil
}

type memOffsets struct {
	mu   sync.Mutex
	next int64
}

func (m *memOffsets) LoadOffset(context.Context, string, int32) (ingest.Progress, bool, error) {
	return ingest.Progress{}, false, nil
}

func (m *memOffsets) SaveOffset(_ context.Context, _ string, _ int32, p ingest.Progress) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = p.Next
	return nil
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = `s "quantity":1`
	}
	large := received("x", "s", 1)
	large.Headers = append(large.Headers, ingest.Header{Key: "padding", Value: []byte(strings.Repeat("x", 1<<20))})
	for name, c := range map[string]struct {
		make  func(id string) ingest.Message
		facts int // that may be under way
		n     int // messages there are
	}{
		"messages": {func(id string) ingest.Message { return received(id, "s", 1) }, ingest.MaxInFlight, 3 * ingest.MaxInFlight},
		"facts":    {func(id string) ingest.Message { return sale(id, hundred...) }, ingest.MaxInFlightFacts + 99, 150},
		"bytes":    {func(id string) ingest.Message { return with(large, "ce_id", id) }, 8, 150},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := newLog(topic, 1)
			log.limit = 20
			for i := range c.n {
				log.append(0, c.make(fmt.Sprint(i)))
			}
			streams, clock, offsets := &stuck{}, newClock(), &memOffsets{}
			recorder := stock.NewRecorder(streams, &places{known: map[string]bool{"berlin": true}}, stock.Options{Now: clock.now})
			desk := ingest.NewDeadLetterDesk(noLetters{}, recorder, clock.now, quiet)
			s := ingest.New(ingest.Config{Consumer: log, Recorder: recorder, Desk: desk, Offsets: offsets, Now: clock.now, Log: quiet})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()

			synctest.Wait()
			if got := streams.waiting(); got > c.facts || got < c.facts-99 {
				t.Errorf("%s: %d facts are under way, want %d", name, got, c.facts)
			}
			perMessage := max(1, streams.waiting()/max(1, int(log.handedOut())))
			if fetched, bound := int(log.handedOut()), streams.waiting()/perMessage+3*log.limit; fetched > bound {
				t.Errorf("%s: %d messages were fetched, want at most %d", name, fetched, bound)
			}
			streams.letGo()
			for offsets.saved() < int64(c.n) {
				synctest.Wait()
				<-time.After(time.Second) // of the bubble's time: progress is saved now and then
			}
			cancel()
			<-done
		})
	}
}

func (m *memOffsets) saved() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next
}

// A partition that takes nothing new in still tells how far it is behind.
func TestLagGrowsWhileNothingIsTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(topic, 1)
		log.limit = 20
		publish := func(n int) {
			for i := range n {
				log.append(0, received(fmt.Sprint(i), "s", 1))
			}
		}
		publish(2 * ingest.MaxInFlight)
		streams, clock := &stuck{}, newClock()
		recorder := stock.NewRecorder(streams, &places{known: map[string]bool{"berlin": true}}, stock.Options{Now: clock.now})
		s := ingest.New(ingest.Config{Consumer: log, Recorder: recorder, Desk: ingest.NewDeadLetterDesk(noLetters{}, recorder, clock.now, quiet),
			Offsets: &memOffsets{}, Now: clock.now, Log: quiet})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		publish(7)
		<-time.After(time.Minute) // of the bubble's time
		if p := s.Status()[0]; p.Next != 0 || p.End != 2*ingest.MaxInFlight+7 {
			t.Errorf("status %+v, want a lag of %d", p, 2*ingest.MaxInFlight+7)
		}
		log.deleteBefore(0, 2*ingest.MaxInFlight) // some of them were not fetched yet
		<-time.After(time.Minute)
		if p := s.Status()[0]; !strings.Contains(p.Error, "are being deleted from the log before they were read") {
			t.Errorf("status %+v, want an alarm while nothing can be done yet", p)
		}
		streams.letGo()
		cancel()
		<-done
	})
}
