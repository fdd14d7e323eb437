// Package availability answers what a channel can sell: of one SKU, of many, and as a stream of changes.
//
// Answers come from the availability projection. With a token they include the write it stands for, and asked for
// strongly they are decided on the SKU's own stream, by the same function that decides reservations. It leaves the
// formula to aggregates/stock and keeping the values to projections/availability.
package availability

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
)

// Bounds.
const (
	// MaxBatch is the most SKUs of one BatchGetAvailability.
	MaxBatch = 1_000
	// MaxWatched is the most SKUs that one watch names.
	MaxWatched = 1_000
	// MaxWatches is how many watches may be open at once.
	MaxWatches = 16_384
	// MaxInstead is how many SKUs are answered from their streams at once while the read model cannot be read.
	MaxInstead = 1_024
	// awayPatience is how long an answer from a stream waits for an event store that is away.
	awayPatience = time.Second
)

// ErrTooManyWatches says that MaxWatches are open.
var ErrTooManyWatches = errors.New("too many watches are open")

// ErrTooManyInstead says that MaxInstead SKUs are being answered from their streams already.
var ErrTooManyInstead = errors.New("the read model cannot be read now, and too many answers come from the streams already")

// ErrNothingToAnswerFrom says that the read model is too old to answer from, and the event store is away, too.
var ErrNothingToAnswerFrom = errors.New("the read model is too old to answer from, and the event store cannot be read")

// View is what the service reads; *projection.Projection is one. Its errors are projection.ErrUnknownChannel,
// projection.ErrUnreadable and those of the store.
type View interface {
	tokens.View
	// Stuck tells that the view does not follow the store now: waiting for a position would take too long.
	Stuck() bool
	Get(ctx context.Context, sku, channel string) (projection.Availability, error)
	BatchGet(ctx context.Context, channel string, skus []string, dst []projection.Availability) ([]projection.Availability, error)
	BatchMade(ctx context.Context, channel string, skus []string, makeOf func(*projection.Availability) []byte, dst [][]byte) (
		list [][]byte, current aggregates.Instant, from projection.From, err error)
	// By is Get for a way of handing over, AtEach tells it of each location; beside those errors, *stock.MethodError.
	By(ctx context.Context, sku, channel string, way stock.Way) (projection.Availability, error)
	AtEach(ctx context.Context, sku, channel, method string) (projection.Availability, []stock.Free, error)
	Watch(ctx context.Context, channel string, skus []string, after uint64) (*projection.Watcher, error)
}

// Channels finds a channel and its policy now, and what a location is; *policies.Directory does.
type Channels interface {
	Channel(id string) (*policies.Channel, bool)
	Location(id string) (location.State, bool)
}

// Config says what the service works with. All of it but StoreHealth must be set.
type Config struct {
	View     View
	Channels Channels
	SKUs     commands.Doer[stock.State]
	Tokens   *tokens.Codec
	// StoreHealth says, without asking it, why the event store cannot be read; nil when it can. nil: it always can.
	StoreHealth func() error
}

// Service implements the contract's AvailabilityService.
type Service struct {
	pb.UnimplementedAvailabilityServiceServer
	Config
	watches     atomic.Int64
	fromStreams atomic.Int64  // SKUs being answered from their streams
	shown       atomic.Uint64 // the highest position of an answer from a stream: the view's answers are not to be older
}

var (
	_ pb.AvailabilityServiceServer = (*Service)(nil)
	_ View                         = (*projection.Projection)(nil)
	_ Channels                     = (*policies.Directory)(nil)
)

// New returns the service.
func New(c Config) *Service {
	if c.StoreHealth == nil {
		c.StoreHealth = func() error { return nil }
	}
	return &Service{Config: c}
}

// refusal names the channel that the view does not know.
func refusal(err error, channel string) error {
	if errors.Is(err, projection.ErrUnknownChannel) {
		return &refusals.UnknownChannel{Channel: channel}
	}
	return err
}
