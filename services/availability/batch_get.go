package availability

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// BatchGetAvailability answers for up to MaxBatch SKUs of one channel, in the order asked. Its errors are those of
// GetAvailability.
func (s *Service) BatchGetAvailability(ctx context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
	if err := checkBatch(r); err != nil {
		return nil, err
	}
	return s.batchGet(ctx, r, s.await(ctx, r.Token))
}

// batchGet answers a request that was checked. late is what came of waiting for its token.
func (s *Service) batchGet(ctx context.Context, r *pb.BatchGetAvailabilityRequest, late error) (*pb.BatchGetAvailabilityResponse, error) {
	if late != nil && !errors.Is(late, projection.ErrUnreadable) {
		return nil, late
	}
	if late == nil && r.Consistency == pb.Consistency_CONSISTENCY_STRONG {
		found, err := s.decideAll(ctx, r.Skus, r.Channel, wayOf(r))
		if err != nil {
			return nil, err
		}
		return respondAll(found), nil
	}
	room := batches.Get().(*[]projection.Availability)
	defer batches.Put(room)
	found, err := s.findAll(ctx, r, late, (*room)[:0])
	if err != nil {
		return nil, refusal(err, r.Channel)
	}
	answer := respondAll(found)
	clear(found)
	*room = found
	return answer, nil
}

// findAll finds from the view, and what that cannot tell from the streams: all of it when the view is late.
func (s *Service) findAll(ctx context.Context, r *pb.BatchGetAvailabilityRequest, late error, dst []projection.Availability) ([]projection.Availability, error) {
	if late != nil {
		return s.streamAll(ctx, r.Skus, r.Channel, wayOf(r))
	}
	if way := wayOf(r); way.Is() {
		return s.findBy(ctx, r.Skus, r.Channel, way, dst)
	}
	found, err := s.View.BatchGet(ctx, r.Channel, r.Skus, dst)
	if errors.Is(err, projection.ErrUnreadable) {
		return s.insteadAll(ctx, r.Skus, r.Channel, found[:0])
	}
	return found, err
}

// batches lends room for what the view finds.
var batches = sync.Pool{New: func() any {
	room := make([]projection.Availability, 0, MaxBatch)
	return &room
}}

func checkBatch(r *pb.BatchGetAvailabilityRequest) error {
	var c validation.Checker
	c.Count("skus", len(r.Skus), 1, MaxBatch)
	if len(r.Skus) <= MaxBatch {
		checkSKUs(&c, r.Skus)
	}
	c.ID("channel", r.Channel)
	checkConsistency(&c, r.Consistency)
	checkWay(&c, wayOf(r))
	return c.Err()
}

func wayOf(r *pb.BatchGetAvailabilityRequest) stock.Way {
	return stock.Way{Method: r.Method, Location: r.Location}
}

// checkSKUs checks each SKU of a list; the field's name is made only for one that is wrong.
func checkSKUs(c *validation.Checker, skus []string) {
	for i, sku := range skus {
		var one validation.Checker
		if one.ID("", sku); one.Err() != nil {
			c.ID(fmt.Sprintf("skus[%d]", i), sku)
		}
	}
}

func respondAll(found []projection.Availability) *pb.BatchGetAvailabilityResponse {
	return &pb.BatchGetAvailabilityResponse{Availabilities: messages(found)}
}

func messages(found []projection.Availability) []*pb.Availability {
	values := make([]value, len(found))
	list := make([]*pb.Availability, len(found))
	for i := range found {
		list[i] = values[i].set(&found[i])
	}
	return list
}
