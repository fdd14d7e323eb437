// Package policy is where a retailer says what is sold, where it lies and who sells it: items, locations, channels.
//
// A put replaces the whole resource and may be repeated. It returns once the new definition is durable and in force for
// every decision that this process makes; other replicas follow within moments, and what they do not know they look for before
// they say so. It leaves to the aggregates what a definition changes, and to the projections
// where it is read.
package policy

import (
	"context"
	"crypto/rand"
	"sort"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of resources.
const (
	MaxSafetyStock = 2_000 // locations of one item
	MaxSourcing    = 2_000 // locations of one channel
	MaxUnit        = 20    // bytes of a unit of measure
	MaxCategory    = 100   // bytes of a category
	MaxKind        = 50    // bytes of a location's kind
)

// Directory holds the channels and locations in force; *policies.Directory is one. Its lists are in bytewise order of id.
type Directory interface {
	tokens.Ended
	Channel(id string) (*policies.Channel, bool)
	Channels() []*policies.Channel
	Locations() []*policies.Location
	Location(id string) (location.State, bool)
	Rules() *policies.SharedRules
}

// Items finds what is known of SKUs; *availability.Projection does. Scan is in bytewise order.
type Items interface {
	tokens.Ended
	Stock(ctx context.Context, sku string) (*availability.Document, error)
	Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error)
}

// Config says what the service works with. All of it must be set but Now.
type Config struct {
	SKUs      commands.Doer[stock.State]
	Channels  commands.Doer[channel.State]
	Locations commands.Doer[location.State]
	Rules     commands.Doer[rules.State]
	Directory Directory
	Items     Items
	Tokens    *tokens.Codec
	Now       func() aggregates.Instant // the clock; the system's by default
}

// Service implements the contract's PolicyService.
type Service struct {
	pb.UnimplementedPolicyServiceServer
	Config
}

var (
	_ pb.PolicyServiceServer = (*Service)(nil)
	_ Directory              = (*policies.Directory)(nil)
	_ Items                  = (*availability.Projection)(nil)
)

// New returns the service.
func New(c Config) *Service { return &Service{Config: c} }

// metadata of a put. Each put is a command of its own: putting something back to what it was before is a change too.
func metadata(ctx context.Context, actor string) aggregates.Metadata {
	m := provenance.Metadata(ctx, actor, "")
	m.IdempotencyKey = "put:" + rand.Text()
	return m
}

// page cuts from a list in order of id what follows after an id: at most size elements and about MaxPageBytes, at least
// one. It returns the id to go on after, "" at the end.
func page[T, M any](all []T, id func(T) string, after string, size int, message func(T) (M, int)) (list []M, next string) {
	i := 0
	if after != "" {
		i = sort.Search(len(all), func(i int) bool { return id(all[i]) > after })
	}
	for bytes := 0; i < len(all); i++ {
		m, n := message(all[i])
		if bytes += n; len(list) > 0 && (len(list) == size || bytes > tokens.MaxPageBytes) {
			return list, id(all[i-1])
		}
		list = append(list, m)
	}
	return list, ""
}

// checkPage checks what every list takes, and returns the size of the page and the id to go on after.
func checkPage(list tokens.List, asked int32, token string) (size int, after string, err error) {
	var c validation.Checker
	size = tokens.PageSize(&c, asked)
	if err := c.Err(); err != nil {
		return 0, "", err
	}
	after, err = list.Decode(token)
	return size, after, err
}
