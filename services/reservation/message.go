package reservation

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// message is a reservation as the contract writes it.
func message(sku string, r *stock.Reservation) *pb.Reservation {
	p := &pb.Reservation{
		ReservationId: r.ID, Sku: sku, Channel: r.Channel, Status: status(r.Status), Quantity: r.Quantity,
		Remaining: r.Remaining, Fulfilled: r.Fulfilled, Released: r.Released, Expired: r.Expired,
		ExpiresAt: codec.Timestamp(r.ExpiresAt), PlacedAt: codec.Timestamp(r.PlacedAt),
		PromiseAt: codec.Timestamp(r.PromiseAt), Supply: codec.SupplyUses(r.Supply),
		PolicyPosition: r.PolicyPosition,
	}
	if len(r.Splits) > 0 {
		splits := make([]pb.Split, len(r.Splits))
		p.Splits = make([]*pb.Split, len(r.Splits))
		for i := range r.Splits {
			splits[i].Location, splits[i].Quantity = r.Splits[i].Location, r.Splits[i].Quantity
			if splits[i].Backordered = r.Splits[i].Backordered; splits[i].Backordered {
				p.Backordered += splits[i].Quantity
			}
			p.Splits[i] = &splits[i]
		}
	}
	return p
}

func status(s stock.Status) pb.ReservationStatus {
	switch s {
	case stock.StatusHeld:
		return pb.ReservationStatus_RESERVATION_STATUS_HELD
	case stock.StatusConfirmed:
		return pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED
	case stock.StatusFulfilled:
		return pb.ReservationStatus_RESERVATION_STATUS_FULFILLED
	case stock.StatusReleased:
		return pb.ReservationStatus_RESERVATION_STATUS_RELEASED
	case stock.StatusExpired:
		return pb.ReservationStatus_RESERVATION_STATUS_EXPIRED
	}
	return pb.ReservationStatus_RESERVATION_STATUS_UNSPECIFIED
}

// at shows a recorded reservation at an instant: a hold past its end has expired, recorded or not.
func at(r stock.Reservation, now aggregates.Instant) stock.Reservation {
	if r.Status != stock.StatusHeld || r.ExpiresAt > now {
		return r
	}
	r.Expired += r.Remaining
	r.Remaining, r.Splits = 0, nil
	r.Status = stock.StatusExpired
	if r.Fulfilled > 0 {
		r.Status = stock.StatusFulfilled
	}
	return r
}

func live(r *stock.Reservation) bool {
	return r.Status == stock.StatusHeld || r.Status == stock.StatusConfirmed
}
