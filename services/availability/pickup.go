package availability

import (
	"context"
	"sort"
	"strconv"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// pickup is the method that ListPickupAvailability is about when none is named.
const pickup = "pickup"

// ListPickupAvailability tells which of a channel's locations have a SKU for a method of handing over now, in order of location. It returns *validation.Error,
// *refusals.UnknownChannel, *stock.MethodError, what tokens.Codec.Await returns, and the errors of the view.
func (s *Service) ListPickupAvailability(ctx context.Context, r *pb.ListPickupAvailabilityRequest) (*pb.ListPickupAvailabilityResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	c.ID("channel", r.Channel)
	c.Text("method", r.Method, validation.MaxID)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	method := r.Method
	if method == "" {
		method = pickup
	}
	list := tokens.NewList(pickup, r.Sku, r.Channel, method, strconv.FormatBool(r.IncludeEmpty))
	after, err := list.Decode(r.PageToken)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, r.Token); err != nil {
		return nil, err
	}
	found, places, err := s.View.AtEach(ctx, r.Sku, r.Channel, method)
	if err != nil {
		return nil, refusal(err, r.Channel)
	}
	answer := &pb.ListPickupAvailabilityResponse{Decimals: int32(found.Decimals), Known: found.Known, Position: found.Position,
		AsOf: codec.Timestamp(found.RecordedAt)}
	for _, x := range places[sort.Search(len(places), func(i int) bool { return places[i].Location > after }):] {
		if x.Quantity == 0 && !r.IncludeEmpty {
			continue
		}
		if len(answer.Locations) == size {
			answer.NextPageToken = list.Encode(answer.Locations[size-1].Location)
			break
		}
		answer.Locations = append(answer.Locations, s.pickupAt(x))
	}
	return answer, nil
}

func (s *Service) pickupAt(x stock.Free) *pb.PickupAvailability {
	at, _ := s.Channels.Location(x.Location)
	return &pb.PickupAvailability{Location: x.Location, Name: at.Name, Kind: at.Kind, TimeZone: at.TimeZone, Ats: x.Quantity}
}
