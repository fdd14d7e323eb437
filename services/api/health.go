package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthEvery is how often a health watch looks.
const healthEvery = 500 * time.Millisecond

// healthService is the standard gRPC health service: SERVING while the service is ready and not about to stop. It knows
// the whole ("") and each service of the contract, which are all alike.
type healthService struct {
	health.UnimplementedHealthServer
	server *Server
}

func (h *healthService) status() health.HealthCheckResponse_ServingStatus {
	if h.server.ready() != nil {
		return health.HealthCheckResponse_NOT_SERVING
	}
	return health.HealthCheckResponse_SERVING
}

func serves(name string) bool {
	for _, s := range services {
		if name == s.ServiceName {
			return true
		}
	}
	return name == ""
}

// Check tells the status now.
func (h *healthService) Check(_ context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	if !serves(r.Service) {
		return nil, status.Errorf(codes.NotFound, "there is no service %q", utf8(r.Service))
	}
	return &health.HealthCheckResponse{Status: h.status()}, nil
}

// List tells the status of all services.
func (h *healthService) List(context.Context, *health.HealthListRequest) (*health.HealthListResponse, error) {
	now := &health.HealthCheckResponse{Status: h.status()}
	all := map[string]*health.HealthCheckResponse{"": now}
	for _, s := range services {
		all[s.ServiceName] = now
	}
	return &health.HealthListResponse{Statuses: all}, nil
}

// Watch tells the status now and whenever it changes.
func (h *healthService) Watch(r *health.HealthCheckRequest, stream grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	ticks := time.NewTicker(healthEvery)
	defer ticks.Stop()
	told := health.HealthCheckResponse_UNKNOWN
	for {
		now := health.HealthCheckResponse_SERVICE_UNKNOWN
		if serves(r.Service) {
			now = h.status()
		}
		if now != told {
			if err := stream.Send(&health.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-ticks.C:
		case <-stream.Context().Done():
			return context.Cause(stream.Context())
		}
	}
}
