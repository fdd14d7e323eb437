package policy_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/tokens"
)

// behind is the directory of a replica that has not heard yet of what was defined on another one; it has once it was waited
// for.
type behind struct {
	*policies.Directory
	heard atomic.Bool
}

func (b *behind) Location(id string) (location.State, bool) {
	if !b.heard.Load() {
		return location.State{}, false
	}
	return b.Directory.Location(id)
}

func (b *behind) Channel(id string) (*policies.Channel, bool) {
	if !b.heard.Load() {
		return nil, false
	}
	return b.Directory.Channel(id)
}

func (b *behind) WaitForEnd(ctx context.Context) error {
	defer b.heard.Store(true)
	return b.Directory.WaitForEnd(ctx)
}

// What was defined on one replica is known to another one that is asked for it at once.
func TestWhatAnotherReplicaDefinedIsLookedFor(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	for name, ask := range map[string]func(*policy.Service) error{
		"a channel that names a location": func(s *policy.Service) error {
			_, err := s.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "market", Sourcing: []string{"berlin"}}})
			return err
		},
		"a location": func(s *policy.Service) error {
			_, err := s.GetLocation(t.Context(), &pb.GetLocationRequest{LocationId: "berlin"})
			return err
		},
		"a channel": func(s *policy.Service) error {
			_, err := s.GetChannel(t.Context(), &pb.GetChannelRequest{ChannelId: "web"})
			return err
		},
	} {
		s := policy.New(policy.Config{SKUs: w.SKUs, Channels: w.Channels, Locations: w.Locations, Directory: &behind{Directory: w.Policies},
			Items: w.View, Tokens: tokens.New(w.Store.ID())})
		if err := ask(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
