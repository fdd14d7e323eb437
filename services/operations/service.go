// Package operations shows what could not be applied and how the service is doing, and lets people replay or discard
// dead letters, and fold availability anew. It leaves keeping and replaying letters to services/ingest, and folding to projections/availability.
package operations

import (
	"context"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/reallocation"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/stock"
)

// Desk keeps dead letters; *ingest.DeadLetterDesk does. Its errors are ingest.ErrNoDeadLetter, *ingest.StateError,
// *ingest.NotReplayableError and those of the store.
type Desk interface {
	List(ctx context.Context, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error)
	Replay(ctx context.Context, id, actor string) (ingest.DeadLetter, error)
	Discard(ctx context.Context, id, reason, actor string) (ingest.DeadLetter, error)
	CountOpen(ctx context.Context) (int64, error)
	OpenGaps(ctx context.Context, limit int) (gaps []ingest.Gap, more bool, err error)
}

// Projection tells how far a read model has come.
type Projection interface {
	Status(ctx context.Context) projections.Status
}

// Store tells where it ends.
type Store interface {
	End(ctx context.Context) (uint64, error)
}

// Config says what the service works with.
type Config struct {
	Desk        Desk
	Store       Store
	Projections []Projection
	// Partitions and Trouble tell of the message log; nil where this process reads none.
	Partitions func() []ingest.PartitionStatus
	Trouble    func() string
	// Risk counts promises that cannot be kept where they were made, Supply knows what is overdue, at Now; nil where this process does not look after
	// them.
	Risk   func() reallocation.Status
	Supply Supply
	Now    func() aggregates.Instant
	// Sources measures the delay of each source; nil where this process records nothing.
	Sources func() []stock.Delay
	// Replays fold availability anew; nil where this process keeps none.
	Replays *Replays
	// Retention condenses old events; nil where they never change.
	Retention *retention.Service
	Version   string
	StartedAt time.Time
}

// Service implements the contract's OperationsService.
type Service struct {
	pb.UnimplementedOperationsServiceServer
	Config
	replaying chan struct{} // holds one while a replay runs
}

var (
	_ pb.OperationsServiceServer = (*Service)(nil)
	_ Desk                       = (*ingest.DeadLetterDesk)(nil)
)

// New returns the service.
func New(c Config) *Service { return &Service{Config: c, replaying: make(chan struct{}, 1)} }
