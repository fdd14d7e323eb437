package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Bounds of the gRPC transport.
const (
	// MaxRequestBytes is the most bytes of one request, over gRPC and as a REST body.
	MaxRequestBytes = 4 << 20
	// maxStreams is how many calls one connection may have under way; more wait on the caller's side.
	maxStreams = 16_384
	// streamWorkers are goroutines kept for calls, so that a call does not have to grow a stack of its own first. More
	// calls than that at once have new ones.
	streamWorkers = 512
	// maxHeaderBytes bounds the headers of a request.
	maxHeaderBytes = 16 << 10

	connectTimeout = 10 * time.Second
	pingAfter      = 30 * time.Second // of silence, to find out whether the caller is still there
	pingTimeout    = 10 * time.Second
	minPing        = 10 * time.Second // between pings of a caller
)

// transport is what all servers have.
func (s *Server) transport() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(MaxRequestBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(streamWorkers),
	}
}

// encoder is what a service of availability may have beside the contract: batches whose values are bytes already.
type encoder interface {
	pb.AvailabilityServiceServer
	BatchGetEncoded(ctx context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error)
}

// wired answers batches with bytes: nobody looks into the messages on the way to the connection.
type wired struct{ encoder }

func (w wired) BatchGetAvailability(ctx context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
	return w.BatchGetEncoded(ctx, r)
}

// onWire returns a service for the server.
func onWire(s pb.AvailabilityServiceServer) pb.AvailabilityServiceServer {
	if e, ok := s.(encoder); ok {
		return wired{e}
	}
	return s
}

// newGRPC makes a gRPC server with all services on it.
func (s *Server) newGRPC() *grpc.Server {
	g := grpc.NewServer(s.transport()...)
	c := &s.config
	pb.RegisterAvailabilityServiceServer(g, onWire(c.Availability))
	pb.RegisterReservationServiceServer(g, c.Reservation)
	pb.RegisterStockServiceServer(g, c.Stock)
	pb.RegisterPolicyServiceServer(g, c.Policy)
	pb.RegisterHistoryServiceServer(g, c.History)
	pb.RegisterOperationsServiceServer(g, c.Operations)
	pb.RegisterOrderServiceServer(g, c.Orders)
	pb.RegisterSnapshotServiceServer(g, c.Snapshots)
	pb.RegisterReconciliationServiceServer(g, c.Reconcile)
	health.RegisterHealthServer(g, &healthService{server: s})
	reflection.Register(g)
	return g
}
