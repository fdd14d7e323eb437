package stock

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	projection "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/ledger"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
)

// View is where stock is read; *projection.Projection is one. Stock returns nil for a SKU of which nothing was ever
// recorded.
type View interface {
	tokens.View
	Stock(ctx context.Context, sku string) (*projection.Document, error)
}

// Rejects keeps movements that cannot be applied, as dead letters.
//
// KeepMovement returns the letter's id once it is durable; the same movement gives the same id. It may return
// commands.ErrUnavailable (wrapped).
type Rejects interface {
	KeepMovement(ctx context.Context, m *pb.Movement, r *Rejection) (id string, err error)
}

// Config says what the service works with. All of it but Ledger must be set.
type Config struct {
	Recorder *Recorder
	View     View
	Rejects  Rejects
	Tokens   *tokens.Codec
	Now      func() aggregates.Instant
	Ledger   *ledger.Ledger // nil: nothing is told of the past
}

// Service implements the contract's StockService.
type Service struct {
	pb.UnimplementedStockServiceServer
	Config
}

var (
	_ pb.StockServiceServer = (*Service)(nil)
	_ View                  = (*projection.Projection)(nil)
)

// New returns the service.
func New(c Config) *Service { return &Service{Config: c} }
