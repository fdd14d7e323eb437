package reservation

import (
	"context"
	"strconv"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// ListReservations lists the reservations of a SKU, oldest first, as the index has them; a hold past its end is shown as
// expired. A page may have fewer than were asked for and still not be the last. It returns *validation.Error,
// what tokens.Codec.Await returns, and the errors of the index.
func (s *Service) ListReservations(ctx context.Context, r *pb.ListReservationsRequest) (*pb.ListReservationsResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("reservations", r.Sku, strconv.FormatBool(r.LiveOnly))
	after, err := decodeAfter(list, r.PageToken)
	if err != nil {
		return nil, err
	}
	if err := s.Tokens.Await(ctx, r.Token, s.Index); err != nil {
		return nil, err
	}
	found, next, err := s.Index.List(ctx, r.Sku, r.LiveOnly, after, size)
	if err != nil {
		return nil, err
	}
	answer, now, bytes := &pb.ListReservationsResponse{}, s.Now(), 0
	for i, record := range found {
		shown := at(record.Reservation, now)
		m, err := s.listed(ctx, record, &shown)
		if err != nil {
			return nil, err
		}
		if r.LiveOnly && !live(&shown) {
			continue
		}
		if bytes += m.SizeVT(); bytes > tokens.MaxPageBytes && len(answer.Reservations) > 0 {
			next = found[i-1].Placed
			break
		}
		answer.Reservations = append(answer.Reservations, m)
	}
	if next != 0 {
		answer.NextPageToken = list.Encode(strconv.FormatUint(next, 10))
	}
	return answer, nil
}

func decodeAfter(list tokens.List, token string) (uint64, error) {
	text, err := list.Decode(token)
	if err != nil || text == "" {
		return 0, err
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return 0, c.Err()
	}
	return after, nil
}
