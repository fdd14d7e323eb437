package publication

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/projections"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Checkpoint is the name under which the position is kept.
const Checkpoint = "publication"

// DefaultSource is the CloudEvents source of what is published, when the configuration does not say.
const DefaultSource = "stockfold"

// pace is the least time between two rounds of publishing. The first change after a quiet time goes out at once; under load
// a round takes many, which costs the brokers as little as one, and a SKU that changes all the time goes out with its last
// value, five times a second; once more than fullRound changes come between two rounds, and for as long as they do, twice a second.
const (
	pace     = 200 * time.Millisecond
	busyPace = 500 * time.Millisecond
)

// fullRound is how many changes make the next round begin at once: there are more.
const fullRound = 1000

// Pauses between tries.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Config says what the service works with. Changes, Producer and Checkpoints must be set.
type Config struct {
	Changes     Changes
	Producer    Producer
	Checkpoints projections.Checkpoints
	Records     Records // nil: nothing is kept of what was published
	Source      string  // of the events; DefaultSource when empty
	Log         *slog.Logger
}

// Service publishes changes of availability.
type Service struct {
	Config

	position  atomic.Uint64
	published atomic.Uint64
	retries   atomic.Uint64
	began     atomic.Int64 // when the run under way began, in microseconds; 0 when none is
	mu        sync.Mutex
	trouble   string
}

// Status tells how far publishing has come.
type Status struct {
	Position  uint64 // everything up to here is published
	Published uint64 // messages since the start
	Retries   uint64 // tries after trouble with the brokers or the store
	Error     string // why it is not moving, when it is not
}

// New returns the service.
func New(c Config) *Service {
	if c.Source == "" {
		c.Source = DefaultSource
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c}
}

// Status tells how far publishing has come.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Position: s.position.Load(), Published: s.published.Load(), Retries: s.retries.Load(), Error: s.trouble}
}

// Began is when the run under way began; ok is false when none is, for another replica publishes or none.
func (s *Service) Began() (at time.Time, ok bool) {
	began := s.began.Load()
	return time.UnixMicro(began), began != 0
}

// Run publishes until ctx ends. Trouble of any kind pauses it; it goes on from the last position that was saved.
func (s *Service) Run(ctx context.Context) error {
	s.began.Store(time.Now().UnixMicro())
	defer s.began.Store(0)
	for tries := 0; ; tries++ {
		before := s.published.Load()
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.published.Load() != before {
			tries = 0
		}
		s.note(err)
		s.retries.Add(1)
		pause := min(firstPause<<min(tries, 16), lastPause)
		if err := sleep(ctx, pause-rand.N(pause/4)); err != nil {
			return err
		}
	}
}

// follow publishes from the saved position on, until something fails.
func (s *Service) follow(ctx context.Context) error {
	position, _, err := s.Checkpoints.LoadCheckpoint(ctx, Checkpoint)
	if err != nil {
		return fmt.Errorf("load the position of publication: %w", err)
	}
	watch, err := s.Changes.Watch(ctx, "", nil, position)
	if err != nil {
		return fmt.Errorf("watch availability from position %d: %w", position, err)
	}
	defer watch.Close()
	s.position.Store(position)
	source := []byte(s.Source)
	var messages []Message
	var began time.Time // of the first round after a rest
	rest := pace
	for {
		changes, next, _, err := watch.Next(ctx)
		if err != nil {
			return fmt.Errorf("watch availability: %w", err)
		}
		if began.IsZero() {
			began = time.Now()
		}
		messages = messages[:0]
		for i := range changes {
			messages = append(messages, message(source, &changes[i]))
		}
		if err := s.publish(ctx, messages); err != nil {
			return err
		}
		s.record(ctx, changes, messages)
		if next != position {
			if err := s.Checkpoints.SaveCheckpoint(ctx, Checkpoint, next); err != nil {
				return fmt.Errorf("save the position of publication: %w", err)
			}
			position = next
			s.position.Store(next)
		}
		if len(changes) >= fullRound {
			rest = busyPace
			continue
		}
		if err := sleep(ctx, rest-time.Since(began)); err != nil {
			return err
		}
		began, rest = time.Time{}, pace
	}
}

func (s *Service) publish(ctx context.Context, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := s.Producer.Publish(ctx, messages); err != nil {
		return fmt.Errorf("publish %d changes of availability: %w", len(messages), err)
	}
	s.published.Add(uint64(len(messages)))
	s.note(nil)
	return nil
}

// record keeps what was published. Trouble with that does not keep changes from being published.
func (s *Service) record(ctx context.Context, changes []projection.Availability, messages []Message) {
	if s.Records == nil || len(messages) == 0 {
		return
	}
	now := timestamppb.Now()
	list := make([]*pb.PublishedChange, len(messages))
	for i := range messages {
		a, m := &changes[i], &messages[i]
		list[i] = &pb.PublishedChange{Id: string(eventID(a)), Sku: a.SKU, Channel: a.Channel, Ats: a.ATS, Position: a.Position,
			PublishedAt: now, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
	}
	if err := s.Records.Record(ctx, list); err != nil && ctx.Err() == nil {
		s.Log.Warn("what was published is not kept for traces", "changes", len(list), "error", err)
	}
}

// note keeps why publishing does not move, and says when that changes.
func (s *Service) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && s.trouble != "":
		s.trouble = ""
		s.Log.Info("publication goes on")
	case err != nil:
		if s.trouble == "" {
			s.Log.Error("publication pauses, will try again", "error", err)
		}
		s.trouble = err.Error()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
