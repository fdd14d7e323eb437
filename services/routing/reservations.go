package routing

import (
	"context"
	"crypto/rand"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// Places finds the SKU of a reservation; *reservation.Service does.
type Places interface {
	// PlaceOf returns the SKU of a reservation that is known here, once everything is known that the store holds.
	PlaceOf(ctx context.Context, reservationID string) (sku string, known bool)
}

// Reservations is a ReservationService that hands on what is decided on a SKU: Reserve, and changes of a reservation.
type Reservations struct {
	pb.ReservationServiceServer // decides here
	router                      *Router
	places                      Places
	lately                      lately // handed on
}

// Reservations wraps the service of this process.
func (r *Router) Reservations(here pb.ReservationServiceServer, places Places) *Reservations {
	return &Reservations{ReservationServiceServer: here, router: r, places: places}
}

// Reserve is decided by the replica that the SKU belongs to, or here; that of an id which was used for another SKU of late, by the replica
// of that one.
func (x *Reservations) Reserve(ctx context.Context, q *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	here := x.ReservationServiceServer.Reserve
	if came, err := handed(ctx, x.router.config.StoreID); err != nil {
		return nil, err
	} else if came {
		return here(ctx, q)
	}
	if q.ReservationId == "" || len(q.ReservationId) > validation.MaxID {
		return here(ctx, q) // which says what is wrong
	}
	return handOn(ctx, x.router, pb.ReservationService_Reserve_FullMethodName, x.lately.first(q.ReservationId, q.Sku), q, here)
}

// ConfirmReservation is decided by the replica that the SKU belongs to, or here.
func (x *Reservations) ConfirmReservation(ctx context.Context, q *pb.ConfirmReservationRequest) (*pb.ConfirmReservationResponse, error) {
	return change(ctx, x, pb.ReservationService_ConfirmReservation_FullMethodName, q.ReservationId, q, x.ReservationServiceServer.ConfirmReservation)
}

// ReleaseReservation is decided by the replica that the SKU belongs to, or here.
func (x *Reservations) ReleaseReservation(ctx context.Context, q *pb.ReleaseReservationRequest) (*pb.ReleaseReservationResponse, error) {
	return change(ctx, x, pb.ReservationService_ReleaseReservation_FullMethodName, q.ReservationId, q, x.ReservationServiceServer.ReleaseReservation)
}

// FulfilReservation is decided by the replica that the SKU belongs to, or here.
func (x *Reservations) FulfilReservation(ctx context.Context, q *pb.FulfilReservationRequest) (*pb.FulfilReservationResponse, error) {
	return change(ctx, x, pb.ReservationService_FulfilReservation_FullMethodName, q.ReservationId, q, x.ReservationServiceServer.FulfilReservation)
}

// ExtendReservation is decided by the replica that the SKU belongs to, or here.
func (x *Reservations) ExtendReservation(ctx context.Context, q *pb.ExtendReservationRequest) (*pb.ExtendReservationResponse, error) {
	once(&q.IdempotencyKey)
	return change(ctx, x, pb.ReservationService_ExtendReservation_FullMethodName, q.ReservationId, q, x.ReservationServiceServer.ExtendReservation)
}

// ChangeReservation is decided by the replica that the SKU belongs to, or here.
func (x *Reservations) ChangeReservation(ctx context.Context, q *pb.ChangeReservationRequest) (*pb.ChangeReservationResponse, error) {
	once(&q.IdempotencyKey)
	return change(ctx, x, pb.ReservationService_ChangeReservation_FullMethodName, q.ReservationId, q, x.ReservationServiceServer.ChangeReservation)
}

// once gives a call without a key one of its own, so that it counts once when two replicas decide it.
func once(key *string) {
	if *key == "" {
		*key = rand.Text()
	}
}

// change hands on a change of a reservation.
func change[Q, A any](ctx context.Context, x *Reservations, method, id string, q *Q, here func(context.Context, *Q) (*A, error)) (*A, error) {
	if came, err := handed(ctx, x.router.config.StoreID); err != nil {
		return nil, err
	} else if came {
		return here(ctx, q)
	}
	sku, known := x.lately.placed(id)
	if !known {
		sku, known = x.places.PlaceOf(ctx, id)
	}
	if !known {
		return here(ctx, q)
	}
	return handOn(ctx, x.router, method, sku, q, here)
}
