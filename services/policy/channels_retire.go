package policy

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// RetireChannel ends a channel. It returns *validation.Error, *refusals.UnknownChannel, *tokens.NotYetVisibleError, and the errors of
// the store.
func (s *Service) RetireChannel(ctx context.Context, r *pb.RetireChannelRequest) (*pb.RetireChannelResponse, error) {
	var c validation.Checker
	c.ID("channel_id", r.ChannelId)
	c.Text("reason", r.Reason, validation.MaxNote)
	c.Text("actor", r.Actor, validation.MaxID)
	if err := c.Err(); err != nil {
		return nil, err
	}
	outcome, err := s.Channels.Do(ctx, r.ChannelId, metadata(ctx, r.Actor), retire{id: r.ChannelId, reason: r.Reason})
	if err != nil {
		return nil, err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return nil, err
	}
	return &pb.RetireChannelResponse{Token: s.Tokens.Encode(outcome.Position)}, nil
}

type retire struct{ id, reason string }

// Decide retires.
func (x retire) Decide(s *channel.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if !s.Known {
		return nil, &refusals.UnknownChannel{Channel: x.id}
	}
	return channel.Retire(s, x.reason), nil
}
