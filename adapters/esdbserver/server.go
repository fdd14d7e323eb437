package esdbserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/aggregates"
)

// Version is the version of EventStoreDB whose protocol this is, as clients are told.
const Version = "24.10.0"

// Server serves one store on one address.
type Server struct {
	grpc    *grpc.Server
	service *service
	stop    context.CancelFunc
}

// service answers the calls.
type service struct {
	streams.UnimplementedStreamsServer
	store         Store
	opts          Options
	writer        *writer
	subscriptions chan struct{}
	stopping      context.Context
}

// New prepares a server; it reads the newest events of the store, to know appends again that it took before.
func New(ctx context.Context, store Store, opts Options) (*Server, error) {
	opts.setDefaults()
	s := &service{store: store, opts: opts, writer: newWriter(), subscriptions: make(chan struct{}, MaxSubscriptions)}
	if !opts.ReadOnly {
		if err := s.writer.recent.load(ctx, store); err != nil {
			return nil, err
		}
	}
	server := &Server{service: s}
	s.stopping, server.stop = context.WithCancel(context.Background())
	server.grpc = grpc.NewServer(server.options()...)
	streams.RegisterStreamsServer(server.grpc, s)
	serverfeatures.RegisterServerFeaturesServer(server.grpc, features{})
	grpc_health_v1.RegisterHealthServer(server.grpc, health{check: opts.Health})
	return server, nil
}

func (s *Server) options() []grpc.ServerOption {
	list := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxConcurrentStreams(maxCalls),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter}),
		grpc.ChainStreamInterceptor(streamErrors), grpc.ChainUnaryInterceptor(unaryErrors),
	}
	if s.service.opts.TLS != nil {
		list = append(list, grpc.Creds(credentials.NewTLS(s.service.opts.TLS)))
	}
	return list
}

// Serve answers until Shutdown is called. Gossip names the listener's address.
func (s *Server) Serve(l net.Listener) error {
	member, err := newMember(l.Addr().String())
	if err != nil {
		return err
	}
	member.now = s.service.opts.Now
	gossip.RegisterGossipServer(s.grpc, member)
	if err := s.grpc.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Shutdown takes no new calls, ends subscriptions, and waits for the calls under way until ctx ends; then it cuts them
// off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

// Kill cuts off every connection at once.
func (s *Server) Kill() {
	s.stop()
	s.grpc.Stop()
}

// member is a cluster of one, whose leader it is.
type member struct {
	gossip.UnimplementedGossipServer
	id   aggregates.EventID
	host string
	port uint32
	now  func() aggregates.Instant
}

func newMember(address string) (*member, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(address))
	return &member{id: aggregates.EventID(sum[:16]), host: host, port: uint32(number)}, nil
}

// Read tells clients where the leader is.
func (m *member) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId: toUUID(m.id, false), TimeStamp: int64(m.now()) * 10, State: gossip.MemberInfo_Leader, IsAlive: true,
		HttpEndPoint: &gossip.EndPoint{Address: m.host, Port: m.port},
	}}}, nil
}

// features tells clients what they may call.
type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

func (features) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	all := &serverfeatures.SupportedMethods{EventStoreServerVersion: Version}
	for _, m := range [][2]string{{"streams", "append"}, {"streams", "batchappend"}, {"streams", "read"}, {"gossip", "read"}} {
		service := map[string]string{"streams": "event_store.client.streams.streams", "gossip": "event_store.client.gossip.gossip"}[m[0]]
		all.Methods = append(all.Methods, &serverfeatures.SupportedMethod{MethodName: m[1], ServiceName: service})
	}
	return all, nil
}

// health says over gRPC's own protocol whether the store serves.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	check func() error
}

func (h health) Check(_ context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if r.Service != "" {
		return nil, status.Errorf(codes.NotFound, "there is no service %q", r.Service)
	}
	state := grpc_health_v1.HealthCheckResponse_SERVING
	if h.check() != nil {
		state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return &grpc_health_v1.HealthCheckResponse{Status: state}, nil
}
