package policy

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// PutChannel says what a channel may sell and how. Every location of its sourcing list must be defined. It returns
// *validation.Error, *refusals.UnknownLocations, *tokens.NotYetVisibleError when it is durable but not yet in force here,
// and the errors of the store.
func (s *Service) PutChannel(ctx context.Context, r *pb.PutChannelRequest) (*pb.PutChannelResponse, error) {
	return s.putChannel(ctx, r, false)
}

// putChannel says what a channel is, or what one that is at an end was.
func (s *Service) putChannel(ctx context.Context, r *pb.PutChannelRequest, retired bool) (*pb.PutChannelResponse, error) {
	if err := s.checkChannel(ctx, r, retired); err != nil {
		return nil, err
	}
	in := putChannel{retired: retired, defined: channel.Defined{
		Name: r.Channel.Name, Sourcing: r.Channel.Sourcing, HoldSeconds: r.Channel.HoldSeconds, Buffer: r.Channel.Buffer,
		Terms: termsOf(r.Channel),
	}}
	outcome, err := s.Channels.Do(ctx, r.Channel.ChannelId, metadata(ctx, r.Actor), &in)
	if err != nil {
		return nil, err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return nil, err
	}
	return &pb.PutChannelResponse{Channel: channelMessage(r.Channel.ChannelId, &in.result), Token: s.Tokens.Encode(outcome.Position)}, nil
}

func (s *Service) checkChannel(ctx context.Context, r *pb.PutChannelRequest, retired bool) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Channel == nil {
		c.Fail("channel", "must be given")
		return c.Err()
	}
	c.ID("channel.channel_id", r.Channel.ChannelId)
	c.Text("channel.name", r.Channel.Name, validation.MaxNote)
	if r.Channel.HoldSeconds != 0 {
		c.Range("channel.hold_seconds", r.Channel.HoldSeconds, 1, stock.MaxHoldSeconds)
	}
	c.Range("channel.buffer", r.Channel.Buffer, 0, validation.MaxQuantity)
	if c.Count("channel.sourcing", len(r.Channel.Sourcing), 0, MaxSourcing); len(r.Channel.Sourcing) <= MaxSourcing {
		checkSourcing(&c, r.Channel.Sourcing)
	}
	checkTerms(&c, r.Channel)
	if r.Channel.Retired && !retired {
		c.Fail("channel.retired", "must be left out: use RetireChannel")
	}
	if err := c.Err(); err != nil {
		return err
	}
	return s.checkDefined(ctx, r.Channel.Sourcing)
}

func checkSourcing(c *validation.Checker, sourcing []string) {
	first := make(map[string]int, len(sourcing))
	for i, id := range sourcing {
		field := fmt.Sprintf("channel.sourcing[%d]", i)
		c.ID(field, id)
		if at, repeated := first[id]; repeated {
			c.Fail(field, "must not be repeated, %q is also channel.sourcing[%d]", id, at)
			continue
		}
		first[id] = i
	}
}

// checkDefined names the locations that are not defined, on any replica.
func (s *Service) checkDefined(ctx context.Context, sourcing []string) error {
	unknown := s.undefined(sourcing)
	if len(unknown) == 0 {
		return nil
	}
	if err := tokens.AwaitEnd(ctx, s.Directory); err != nil {
		return err
	}
	if unknown = s.undefined(unknown); len(unknown) > 0 {
		return &refusals.UnknownLocations{Locations: unknown}
	}
	return nil
}

func (s *Service) undefined(locations []string) (unknown []string) {
	for _, id := range locations {
		if _, ok := s.Directory.Location(id); !ok {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

// putChannel is the intention.
type putChannel struct {
	defined channel.Defined
	retired bool
	result  channel.State
}

// Decide defines.
func (x *putChannel) Decide(s *channel.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	events := channel.Define(s, x.defined)
	if x.retired {
		events = channel.DefineRetired(s, x.defined)
	}
	x.result = *s
	for _, e := range events {
		x.result.Evolve(e, m)
	}
	return events, nil
}

// GetChannel returns a channel in force. It returns *validation.Error, *refusals.UnknownChannel, and what tokens.AwaitEnd does.
func (s *Service) GetChannel(ctx context.Context, r *pb.GetChannelRequest) (*pb.GetChannelResponse, error) {
	var c validation.Checker
	c.ID("channel_id", r.ChannelId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	found, ok := s.Directory.Channel(r.ChannelId)
	if !ok {
		if err := tokens.AwaitEnd(ctx, s.Directory); err != nil {
			return nil, err
		}
		found, ok = s.Directory.Channel(r.ChannelId)
	}
	if !ok {
		return nil, &refusals.UnknownChannel{Channel: r.ChannelId}
	}
	return &pb.GetChannelResponse{Channel: channelMessage(r.ChannelId, &found.State)}, nil
}

var channelList = tokens.NewList("channels")

// ListChannels lists the channels in force, in bytewise order of id. It returns *validation.Error.
func (s *Service) ListChannels(_ context.Context, r *pb.ListChannelsRequest) (*pb.ListChannelsResponse, error) {
	size, after, err := checkPage(channelList, r.PageSize, r.PageToken)
	if err != nil {
		return nil, err
	}
	list, next := page(s.Directory.Channels(), func(c *policies.Channel) string { return c.ID }, after, size,
		func(c *policies.Channel) (*pb.Channel, int) {
			m := channelMessage(c.ID, &c.State)
			return m, m.SizeVT()
		})
	answer := &pb.ListChannelsResponse{Channels: list}
	if next != "" {
		answer.NextPageToken = channelList.Encode(next)
	}
	return answer, nil
}

func channelMessage(id string, s *channel.State) *pb.Channel {
	return &pb.Channel{ChannelId: id, Name: s.Name, Sourcing: s.Sourcing, HoldSeconds: s.HoldSeconds, Buffer: s.Buffer,
		Disabled: s.Disabled, SourcingGroups: s.SourcingGroups, Strategy: pb.SourcingStrategy(s.Strategy), MaxSplits: int32(s.MaxSplits),
		BufferBasisPoints: s.BufferBasisPoints, BufferFrom: codec.Timestamp(s.BufferFrom), BufferUntil: codec.Timestamp(s.BufferUntil),
		LowStock: s.LowStock, SellOut: s.SellOut, Retired: s.Retired}
}

func termsOf(c *pb.Channel) channel.Terms {
	return channel.Terms{Disabled: c.Disabled, SourcingGroups: c.SourcingGroups, Strategy: int(c.Strategy), MaxSplits: int(c.MaxSplits),
		BufferBasisPoints: c.BufferBasisPoints, BufferFrom: codec.Instant(c.BufferFrom), BufferUntil: codec.Instant(c.BufferUntil),
		LowStock: c.LowStock, SellOut: c.SellOut}
}

func checkTerms(c *validation.Checker, x *pb.Channel) {
	if c.Count("channel.sourcing_groups", len(x.SourcingGroups), 0, MaxGroupsOfChannel); len(x.SourcingGroups) <= MaxGroupsOfChannel {
		for i, group := range x.SourcingGroups {
			c.ID(fmt.Sprintf("channel.sourcing_groups[%d]", i), group)
		}
	}
	if _, ok := pb.SourcingStrategy_name[int32(x.Strategy)]; !ok {
		c.Fail("channel.strategy", "must be one of the values of SourcingStrategy, is %d", x.Strategy)
	}
	c.Range("channel.max_splits", int64(x.MaxSplits), 0, MaxSourcing)
	c.Range("channel.buffer_basis_points", x.BufferBasisPoints, 0, stock.WholeBasisPoints)
	if x.Buffer != 0 && x.BufferBasisPoints != 0 {
		c.Fail("channel.buffer_basis_points", "must be left out when channel.buffer is given")
	}
	if from, until := codec.Instant(x.BufferFrom), codec.Instant(x.BufferUntil); from < 0 || until != 0 && until <= from {
		c.Fail("channel.buffer_until", "must be after channel.buffer_from")
	}
	c.Range("channel.low_stock", x.LowStock, 0, validation.MaxQuantity)
	c.Range("channel.sell_out", x.SellOut, 0, validation.MaxQuantity)
}
