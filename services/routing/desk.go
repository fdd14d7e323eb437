package routing

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// DeskFor decides the calls that other replicas hand on, and no others: it has no way to other replicas, so a call cannot
// go round. It serves what Reservations hands on.
func DeskFor(here pb.ReservationServiceServer, storeID string) pb.ReservationServiceServer {
	return &reservationDesk{here: here, storeID: storeID}
}

// StockDeskFor is the same of what Stock hands on.
func StockDeskFor(here pb.StockServiceServer, storeID string) pb.StockServiceServer {
	return &stockDesk{here: here, storeID: storeID}
}

type reservationDesk struct {
	pb.UnimplementedReservationServiceServer
	here    pb.ReservationServiceServer
	storeID string
}

func (d *reservationDesk) Reserve(ctx context.Context, q *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.Reserve)
}

func (d *reservationDesk) ConfirmReservation(ctx context.Context, q *pb.ConfirmReservationRequest) (*pb.ConfirmReservationResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.ConfirmReservation)
}

func (d *reservationDesk) ReleaseReservation(ctx context.Context, q *pb.ReleaseReservationRequest) (*pb.ReleaseReservationResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.ReleaseReservation)
}

func (d *reservationDesk) FulfilReservation(ctx context.Context, q *pb.FulfilReservationRequest) (*pb.FulfilReservationResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.FulfilReservation)
}

func (d *reservationDesk) ExtendReservation(ctx context.Context, q *pb.ExtendReservationRequest) (*pb.ExtendReservationResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.ExtendReservation)
}

func (d *reservationDesk) ChangeReservation(ctx context.Context, q *pb.ChangeReservationRequest) (*pb.ChangeReservationResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.ChangeReservation)
}

type stockDesk struct {
	pb.UnimplementedStockServiceServer
	here    pb.StockServiceServer
	storeID string
}

func (d *stockDesk) RecordMovements(ctx context.Context, q *pb.RecordMovementsRequest) (*pb.RecordMovementsResponse, error) {
	return atDesk(ctx, d.storeID, q, d.here.RecordMovements)
}

// atDesk decides a call that was handed on.
func atDesk[Q, A any](ctx context.Context, storeID string, q *Q, here func(context.Context, *Q) (*A, error)) (*A, error) {
	came, err := handed(ctx, storeID)
	if err != nil {
		return nil, err
	}
	if !came {
		return nil, status.Error(codes.PermissionDenied, "this port serves what replicas hand on to each other; call the service's own")
	}
	return here(ctx, q)
}
