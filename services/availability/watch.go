package availability

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// fromNow is the resume token of a watch that wants no current values first.
const fromNow = "now"

// WatchAvailability streams changes until the caller leaves or the service stops. Its errors are those of GetAvailability,
// and ErrTooManyWatches. Headers are sent once the watch is established.
func (s *Service) WatchAvailability(r *pb.WatchAvailabilityRequest, stream grpc.ServerStreamingServer[pb.WatchAvailabilityResponse]) error {
	after, err := s.checkWatch(r)
	if err != nil {
		return err
	}
	if s.watches.Add(1) > MaxWatches {
		s.watches.Add(-1)
		return fmt.Errorf("%w: %d", ErrTooManyWatches, MaxWatches)
	}
	defer s.watches.Add(-1)
	ctx := stream.Context()
	watcher, err := s.View.Watch(ctx, r.Channel, r.Skus, after)
	if err != nil {
		return refusal(err, r.Channel)
	}
	defer watcher.Close()
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	return s.follow(ctx, watcher, stream)
}

// follow sends what changes. A slow reader holds up Send, and the watcher keeps only the last value of each SKU.
func (s *Service) follow(ctx context.Context, watcher *projection.Watcher, stream grpc.ServerStreamingServer[pb.WatchAvailabilityResponse]) error {
	for {
		changes, position, caughtUp, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.WatchAvailabilityResponse{
			Availabilities: messages(changes), ResumeToken: s.Tokens.Encode(position), CaughtUp: caughtUp,
		}); err != nil {
			return err
		}
	}
}

// checkWatch returns the position to start after.
func (s *Service) checkWatch(r *pb.WatchAvailabilityRequest) (uint64, error) {
	var c validation.Checker
	c.ID("channel", r.Channel)
	c.Count("skus", len(r.Skus), 0, MaxWatched)
	if len(r.Skus) <= MaxWatched {
		checkSKUs(&c, r.Skus)
	}
	if err := c.Err(); err != nil {
		return 0, err
	}
	switch r.ResumeToken {
	case "":
		return projection.FromStart, nil
	case fromNow:
		return projection.FromNow, nil
	}
	return s.Tokens.Decode("resume_token", r.ResumeToken)
}
