// Package orders carries orders over many SKUs: it takes in what is asked for and what channels say, and tells each SKU what
// follows from it.
//
// What comes in is decided and recorded on the order's own stream first (aggregates/order). Then the order is driven: its plan says
// what the SKUs have not been told yet, each SKU is told on its own stream, and once all were, that is recorded. A crash at any
// point leaves a plan; Process finds such orders, and those whose holds have ended, and drives them on. No SKU is locked for an
// order: one that turns out to be short has what was promised on the way given back, so orders never wait for each other. Up to
// inTurn SKUs are asked one after the other, in bytewise order, so that of two orders which want the last of the same SKUs one gets
// them.
//
// It guarantees: a call or message repeated, late, or taken in by two processes at once counts once; nothing stays promised for
// an order that was rejected, cancelled, or whose holds have ended. It leaves to others: what a SKU can promise
// (aggregates/stock), and the reading of messages from a log (services/ingest).
package orders

import (
	"context"
	"log/slog"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/orders"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/tokens"
)

// Policies finds channels, with what each may sell now, and the shared rules; *policies.Directory does.
type Policies interface {
	tokens.Ended
	Channel(id string) (*policies.Channel, bool)
	Rules() *policies.SharedRules
}

// Index lists orders; *orders.Projection does.
type Index interface {
	tokens.View
	// List returns orders, oldest first, placed after a position, and the position to go on after, 0 at the end.
	List(ctx context.Context, q orders.Query) (page []*orders.Record, next uint64, err error)
}

// Config says what the service works with. All of it must be set, Log apart.
type Config struct {
	Orders   commands.Doer[order.State]
	SKUs     commands.Doer[domain.State]
	Recorder *stock.Recorder
	Policies Policies
	Index    Index
	Tokens   *tokens.Codec
	Now      func() aggregates.Instant
	Log      *slog.Logger // slog.Default() when nil
}

// Service implements the contract's OrderService.
type Service struct {
	pb.UnimplementedOrderServiceServer
	Config
}

var (
	_ pb.OrderServiceServer = (*Service)(nil)
	_ Policies              = (*policies.Directory)(nil)
	_ Index                 = (*orders.Projection)(nil)
)

// New returns the service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c}
}
