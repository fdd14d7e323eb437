package availability

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// checkWay checks how units are to be handed over, and where.
func checkWay(c *validation.Checker, w stock.Way) {
	c.Text("method", w.Method, validation.MaxID)
	c.Text("location", w.Location, validation.MaxID)
}

// getBy answers for one SKU for a way of handing over.
func (s *Service) getBy(ctx context.Context, r *pb.GetAvailabilityRequest, way stock.Way) (projection.Availability, error) {
	if r.ReservationId != "" || r.Consistency == pb.Consistency_CONSISTENCY_STRONG {
		return s.decide(ctx, r.Sku, &look{channels: s.Channels, channel: r.Channel, own: r.ReservationId, way: way})
	}
	return s.View.By(ctx, r.Sku, r.Channel, way)
}

// findBy answers for many SKUs for a way of handing over; from their streams when the view cannot.
func (s *Service) findBy(ctx context.Context, skus []string, channel string, way stock.Way, dst []projection.Availability) ([]projection.Availability, error) {
	for _, sku := range skus {
		a, err := s.View.By(ctx, sku, channel, way)
		if errors.Is(err, projection.ErrUnreadable) {
			return s.streamAll(ctx, skus, channel, way)
		}
		if err != nil {
			return dst, err
		}
		dst = append(dst, a)
	}
	return dst, nil
}
