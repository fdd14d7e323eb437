package reservation

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxAtRisk is how many promises at risk of one SKU are listed.
const MaxAtRisk = 1_000

// Risks knows which SKUs may have promises at risk; *availability.Projection does.
type Risks interface {
	Risky(after string, limit int) (list []availability.Risky, more bool)
}

// ListReservationsAtRisk lists what live reservations cannot be kept where they are promised, as the SKUs' own streams have it. Which SKUs to ask is known from the
// read model, so a page may have none and still not be the last. It returns *validation.Error and the errors of the store.
func (s *Service) ListReservationsAtRisk(ctx context.Context, r *pb.ListReservationsAtRiskRequest) (*pb.ListReservationsAtRiskResponse, error) {
	var c validation.Checker
	c.Text("sku", r.Sku, validation.MaxID)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("at risk", r.Sku)
	after, err := list.Decode(r.PageToken)
	if err != nil {
		return nil, err
	}
	skus := []availability.Risky{{SKU: r.Sku}}
	if r.Sku == "" {
		skus, _ = s.Risks.Risky(after, size+1)
	}
	answer, bytes := &pb.ListReservationsAtRiskResponse{}, 0
	for i, x := range skus {
		if i == size || bytes > tokens.MaxPageBytes {
			answer.NextPageToken = list.Encode(skus[i-1].SKU)
			break
		}
		found, err := s.atRisk(ctx, x.SKU)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			bytes += m.SizeVT()
		}
		answer.Reservations = append(answer.Reservations, found...)
	}
	return answer, nil
}

// atRisk looks at one SKU.
func (s *Service) atRisk(ctx context.Context, sku string) (list []*pb.ReservationAtRisk, err error) {
	in := risks{policies: s.Policies}
	if _, err := s.SKUs.Do(ctx, sku, aggregates.Metadata{IdempotencyKey: "read"}, &in); err != nil {
		return nil, err
	}
	for _, x := range in.found {
		list = append(list, &pb.ReservationAtRisk{Sku: sku, ReservationId: x.ReservationID, Channel: x.Channel, Location: x.Location,
			Quantity: x.Quantity, Cause: pb.ReallocationCause(x.Cause), Stays: whyItStays[x.Stays]})
	}
	return list, nil
}

var whyItStays = map[stock.Stay]string{stock.StayByRule: "RULE", stock.StayByBound: "BOUND"}

// risks is a look at a SKU, and records nothing.
type risks struct {
	policies Policies
	found    []stock.AtRisk
}

// Decide looks.
func (x *risks) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	x.found, _ = stock.Risks(s, func(channel string) *stock.Policy {
		if c, ok := x.policies.Channel(channel); ok {
			return c.Policy
		}
		return nil
	}, now, MaxAtRisk)
	return nil, nil
}
