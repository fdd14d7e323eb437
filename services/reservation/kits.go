package reservation

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/orders"
	"github.com/stockfold/stockfold/services/validation"
)

// That a SKU is a kit turns out when its stream is asked. Its reservations are carried by orders of their own, which hold the components all or
// nothing; the kit's stream says which ids there are, so that they are found like any other.

// KitReservationError refuses a change that a reservation of kits cannot have.
type KitReservationError struct{ ReservationID string }

func (e *KitReservationError) Error() string {
	return fmt.Sprintf("reservation %q is of kits, which cannot change their quantity or be moved; release it and reserve anew under another id", e.ReservationID)
}

// reserveKits takes kits for one channel, or none.
func (s *Service) reserveKits(ctx context.Context, r *pb.ReserveRequest, kit stock.Kit) (*pb.Reservation, uint64, error) {
	request, m, err := s.kitRequest(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	request.Kit = kit
	kits, position, err := s.Kits.ReserveKits(ctx, request, m)
	if err != nil {
		return nil, 0, err
	}
	return kitMessage(&kits), position, nil
}

// kitsAgain is what came of a request when it was for kits before, whatever they are made of, or whether they are sold, by now.
func (s *Service) kitsAgain(ctx context.Context, r *pb.ReserveRequest) (result *pb.Reservation, position uint64, known bool, err error) {
	if _, _, err := s.Kits.FindKits(ctx, r.ReservationId); err != nil {
		if errors.Is(err, stock.ErrUnknownReservation) {
			err = nil
		}
		return nil, 0, false, err
	}
	result, position, err = s.reserveKits(ctx, r, stock.Kit{})
	return result, position, true, err
}

func (s *Service) kitRequest(ctx context.Context, r *pb.ReserveRequest) (orders.KitRequest, aggregates.Metadata, error) {
	quantity, err := stock.KitUnits(r.Quantity, r.Decimal)
	if err != nil {
		return orders.KitRequest{}, aggregates.Metadata{}, err
	}
	var c validation.Checker
	if codec.Instant(r.PromiseAt) > s.Now() {
		c.Fail("promise_at", "must be left out for a kit: its components are promised from the stock")
	}
	c.Range("quantity", quantity, 1, stock.MaxPerKit)
	if err := c.Err(); err != nil {
		return orders.KitRequest{}, aggregates.Metadata{}, err
	}
	request := orders.KitRequest{ReservationID: r.ReservationId, SKU: r.Sku, Channel: r.Channel, Quantity: quantity,
		HoldSeconds: r.HoldSeconds, Confirmed: r.Confirmed, Method: r.Method}
	if r.LocationBinding {
		request.Location = r.Location
	}
	if channel, ok := s.Policies.Channel(r.Channel); ok && request.HoldSeconds == 0 {
		request.HoldSeconds = channel.Policy.HoldSeconds
	}
	m := reserveMetadata(ctx, r)
	m.IdempotencyKey = "reserve"
	return request, m, nil
}

// ofKits tells whether a SKU's stream does not know a reservation because it is one of kits.
func (p *place) ofKits(err error) bool {
	return errors.Is(err, stock.ErrUnknownReservation) && p.record != nil && p.record.KitOrder != ""
}

// unlessGone gives the error of a reservation of kits that its order does not know.
func (p *place) unlessGone(id string, err error) error {
	if errors.Is(err, stock.ErrUnknownReservation) {
		return p.gone(id)
	}
	return err
}

// changeKits carries out an intention on a reservation of kits. It returns *KitReservationError for one that such cannot have.
func (s *Service) changeKits(ctx context.Context, id string, m aggregates.Metadata, in changing) (*pb.Reservation, string, error) {
	var (
		result   orders.KitReservation
		position uint64
		err      error
	)
	switch x := in.(type) {
	case *confirm:
		result, position, err = s.Kits.ConfirmKits(ctx, id, m)
	case *extend:
		result, position, err = s.Kits.ExtendKits(ctx, id, x.seconds, x.until, m)
	case *release:
		result, position, err = s.Kits.ReleaseKits(ctx, id, x.request.Quantity, x.request.Reason, m)
	case *fulfil:
		result, position, err = s.Kits.FulfilKits(ctx, id, x.request.Quantity, x.request.Location, m)
	default:
		err = &KitReservationError{ReservationID: id}
	}
	if err != nil {
		return nil, "", err
	}
	return kitMessage(&result), s.Tokens.Encode(position), nil
}

// listed is a reservation of a list; one of kits is shown as its order has it.
func (s *Service) listed(ctx context.Context, record *reservations.Record, shown *stock.Reservation) (*pb.Reservation, error) {
	if record.KitOrder == "" {
		return message(record.SKU, shown), nil
	}
	kits, _, err := s.Kits.FindKits(ctx, record.ID)
	if errors.Is(err, stock.ErrUnknownReservation) {
		return message(record.SKU, shown), nil
	}
	*shown = kits.Reservation
	return kitMessage(&kits), err
}

// kitMessage is a reservation of kits as the contract writes it.
func kitMessage(r *orders.KitReservation) *pb.Reservation {
	p := message(r.SKU, &r.Reservation)
	for _, x := range r.Parts {
		p.Components = append(p.Components, &pb.KitPart{Sku: x.SKU, Quantity: x.Quantity, ReservationId: x.ReservationID})
	}
	return p
}
