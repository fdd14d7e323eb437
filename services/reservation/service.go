// Package reservation promises units to carts and orders, and carries each promise to its end.
//
// Every change is decided on the SKU's own stream (aggregates/stock), under the channel's policy of that moment, and is
// durable before it is answered. The service guarantees that a call repeated has the outcome of the first, that an id
// belongs to one SKU, also when two calls race in one process, and that whoever knows an id finds the reservation
// right after it was placed. Between replicas an id is found as soon as the index of reservations has it.
package reservation

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/tokens"
)

// Policies finds channels, with what each may sell now, and locations; *policies.Directory does.
type Policies interface {
	tokens.Ended
	Channel(id string) (*policies.Channel, bool)
	Location(id string) (location.State, bool)
}

// Index finds reservations by id and by SKU; *reservations.Projection does.
type Index interface {
	tokens.View
	// Find returns what is known now of an id, one record per SKU; none when there is none.
	Find(ctx context.Context, id string) ([]*reservations.Record, error)
	// Get is Find, but waits until everything that the store holds is known before it returns reservations.ErrNotFound.
	Get(ctx context.Context, id string) ([]*reservations.Record, error)
	// List returns reservations of a SKU, oldest first, placed after a position, and the position to go on after, 0 at the end.
	List(ctx context.Context, sku string, liveOnly bool, after uint64, limit int) (page []*reservations.Record, next uint64, err error)
}

// Kits reserves kits, which are made of other SKUs; *orders.Service does. Quantities are in kits; besides the errors of the store its errors are those of
// package stock for the reservation's id.
type Kits interface {
	ReserveKits(ctx context.Context, r orders.KitRequest, m aggregates.Metadata) (orders.KitReservation, uint64, error)
	FindKits(ctx context.Context, reservation string) (orders.KitReservation, uint64, error)
	ConfirmKits(ctx context.Context, reservation string, m aggregates.Metadata) (orders.KitReservation, uint64, error)
	ExtendKits(ctx context.Context, reservation string, seconds int64, until aggregates.Instant, m aggregates.Metadata) (orders.KitReservation, uint64, error)
	ReleaseKits(ctx context.Context, reservation string, quantity int64, reason string, m aggregates.Metadata) (orders.KitReservation, uint64, error)
	FulfilKits(ctx context.Context, reservation string, quantity int64, location string, m aggregates.Metadata) (orders.KitReservation, uint64, error)
}

// Config says what the service works with. All of it must be set, AcceptUnknownLocations and Refused apart.
type Config struct {
	SKUs     commands.Doer[stock.State]
	Policies Policies
	Index    Index
	Risks    Risks
	Kits     Kits
	Tokens   *tokens.Codec
	Now      func() aggregates.Instant
	// Refusal makes of an error what a caller is told of it.
	Refusal func(ctx context.Context, err error) *pb.Refusal
	// AcceptUnknownLocations lets units be handed over at a location that nobody defined.
	AcceptUnknownLocations bool
	// Refused is told of reservations whose batch was refused as a whole.
	Refused func(n int)
}

// Service implements the contract's ReservationService.
type Service struct {
	pb.UnimplementedReservationServiceServer
	Config
	claims claims
	warm   warmth
	room   room
}

var (
	_ pb.ReservationServiceServer = (*Service)(nil)
	_ Policies                    = (*policies.Directory)(nil)
	_ Index                       = (*reservations.Projection)(nil)
	_ Kits                        = (*orders.Service)(nil)
)

// New returns the service.
func New(c Config) *Service {
	return &Service{Config: c, claims: claims{byID: make(map[string]*claim), now: c.Now, seen: c.Index.Position}}
}
