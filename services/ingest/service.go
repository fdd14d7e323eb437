package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
)

// Config says what the service works with. Consumer, Recorder, Desk and Offsets must be set, and Orders and Policies when their topics
// are read.
type Config struct {
	Consumer  Consumer
	Recorder  *Recorder
	Orders    Orders
	Policies  Policies
	Snapshots Snapshots // may be nil when nobody reads their topic
	Desk      *DeadLetterDesk
	Offsets   Offsets
	Now       func() aggregates.Instant // the clock; the system's by default
	Log       *slog.Logger              // the default logger by default
}

// Service takes in the messages of the partitions assigned to this process.
type Service struct {
	Config
	takers takers
	stats  counters

	mu         sync.Mutex
	trouble    string
	partitions map[place]*PartitionStatus
}

type place struct {
	topic     string
	partition int32
}

// PartitionStatus tells how far one assigned partition has come.
type PartitionStatus struct {
	Topic     string
	Partition int32
	Next      int64  // next offset to read; everything before it is durable
	End       int64  // of the partition's log when last seen
	Error     string // why it is not moving, or what was wrong with its log
}

// New returns the service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = systemClock
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c, takers: takers{c.Orders, c.Policies, c.Snapshots, c.Now}, partitions: make(map[place]*PartitionStatus)}
}

// Run takes in messages until ctx ends. What was begun by then is finished and saved before it returns, which takes a
// few seconds at most. The desk runs apart: it also serves facts that come by RPC, and must not wait for a log.
func (s *Service) Run(ctx context.Context) error {
	return s.Consumer.Run(ctx, s.takeIn, s.NoteTrouble)
}

// Status tells how far each assigned partition has come, in order of topic and partition.
func (s *Service) Status() []PartitionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]PartitionStatus, 0, len(s.partitions))
	for _, p := range s.partitions {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// Trouble says why no partitions can be read, "" when nothing is wrong.
func (s *Service) Trouble() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// NoteTrouble notes why no partitions can be read, for the status, and logs it when that is news; nil when they can.
func (s *Service) NoteTrouble(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	changed := s.trouble != text
	s.trouble = text
	s.mu.Unlock()
	switch {
	case changed && err != nil:
		s.Log.Error("message log cannot be read, will try again", "error", err)
	case changed:
		s.Log.Info("message log can be read again")
	}
}

// note changes the status of a partition.
func (s *Service) note(at place, change func(*PartitionStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[at]
	if p == nil {
		p = &PartitionStatus{Topic: at.topic, Partition: at.partition}
		s.partitions[at] = p
	}
	change(p)
}

func (s *Service) drop(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.partitions, at)
}
