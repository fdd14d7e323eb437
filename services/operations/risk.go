package operations

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reallocation"
)

// maxOverdue is of how many SKUs the status lists what is overdue.
const maxOverdue = 100

// Supply knows what should have come by now; *availability.Projection does.
type Supply interface {
	OverdueSupply(ctx context.Context, now aggregates.Instant, limit int) (list []availability.Overdue, skus int, err error)
}

var _ Supply = (*availability.Projection)(nil)

// risk tells of promises that cannot be kept where they were made.
func (s *Service) risk() *pb.RiskStatus {
	if s.Risk == nil {
		return nil
	}
	x := s.Risk()
	return risk(&x)
}

func risk(x *reallocation.Status) *pb.RiskStatus {
	return &pb.RiskStatus{Skus: int64(x.SKUs), Reservations: int64(x.Reservations), Units: x.Units, Moved: x.Moved, More: x.More}
}

// addOverdue lists what should have come by now. A read model that cannot be read says so in its own status.
func (s *Service) addOverdue(ctx context.Context, answer *pb.GetStatusResponse) {
	if s.Supply == nil {
		return
	}
	list, skus, err := s.Supply.OverdueSupply(ctx, s.Now(), maxOverdue)
	if answer.OverdueSkus = int64(skus); err != nil {
		return
	}
	for _, x := range list {
		answer.OverdueSupply = append(answer.OverdueSupply, &pb.OverdueSupply{Sku: x.SKU, Location: x.Location, Quantity: x.Quantity, DueAt: codec.Timestamp(x.DueAt)})
	}
}
