package api

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	// MaxHandedConnections bounds the connections of other replicas, and of whoever tries to be one.
	MaxHandedConnections = 256
	// MaxHandedAge is how long one of them lasts: then a new one is made, and certificates are checked anew.
	MaxHandedAge = time.Hour
	// handedGrace is how long its calls may take then.
	handedGrace = time.Minute
)

// Handed are the services that decide what other replicas hand on, and how those make sure of each other.
type Handed struct {
	Reservation pb.ReservationServiceServer
	Stock       pb.StockServiceServer
	Credentials credentials.TransportCredentials
}

// newHanded makes a gRPC server for other replicas: what they hand on, and nothing else.
func (s *Server) newHanded() *grpc.Server {
	c := s.config.Handed
	g := grpc.NewServer(append(s.transport(), grpc.Creds(c.Credentials), grpc.KeepaliveParams(keepalive.ServerParameters{
		Time: pingAfter, Timeout: pingTimeout, MaxConnectionAge: MaxHandedAge, MaxConnectionAgeGrace: handedGrace}))...)
	pb.RegisterReservationServiceServer(g, c.Reservation)
	pb.RegisterStockServiceServer(g, c.Stock)
	return g
}

// ServeHanded answers other replicas on a listener, which it closes, until Shutdown. Config.Handed must be set.
func (s *Server) ServeHanded(l net.Listener) error {
	err := s.handed.Serve(netutil.LimitListener(l, MaxHandedConnections))
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve other replicas: %w", err)
	}
	return nil
}
