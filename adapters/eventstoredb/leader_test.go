package eventstoredb_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

// follower is a node that sends whoever needs the leader there.
type follower struct {
	streams.UnimplementedStreamsServer
	gossip.UnimplementedGossipServer
	leader string
	asked  atomic.Int64
}

func (f *follower) redirect(ctx context.Context, set func(metadata.MD)) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("requires-leader"); len(got) == 0 || got[0] != "true" {
		return status.Error(codes.Internal, "the leader was not asked for")
	}
	f.asked.Add(1)
	host, port, _ := strings.Cut(f.leader, ":")
	set(metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port))
	return status.Error(codes.NotFound, "Leader info available")
}

func (f *follower) Read(_ *streams.ReadReq, out streams.Streams_ReadServer) error {
	return f.redirect(out.Context(), out.SetTrailer)
}

func (f *follower) Append(in streams.Streams_AppendServer) error {
	return f.redirect(in.Context(), in.SetTrailer)
}

func serveFollower(t *testing.T, leader string) (*follower, string) {
	t.Helper()
	f := &follower{leader: leader}
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	return f, l.Addr().String()
}

func TestAFollowerSendsUsToItsLeader(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	f, addr := serveFollower(t, n.addr)
	s := &scene{T: t, ctx: t.Context(), node: n, store: open(t, "esdb://"+addr+"?tls=false", options())}
	s.append("sku-a", 0)
	if got := s.length("sku-a"); got != 1 || f.asked.Load() == 0 {
		t.Errorf("%d events, the follower was asked %d times", got, f.asked.Load())
	}
}

// members is a cluster as one of its nodes tells it.
type members struct {
	gossip.UnimplementedGossipServer
	list []*gossip.MemberInfo
}

func (m members) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: m.list}, nil
}

func TestInAClusterTheLeaderIsFound(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	seed := grpc.NewServer()
	host, port, _ := net.SplitHostPort(n.addr)
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	gossip.RegisterGossipServer(seed, members{list: []*gossip.MemberInfo{
		{State: gossip.MemberInfo_Follower, IsAlive: true, HttpEndPoint: &gossip.EndPoint{Address: "127.0.0.1", Port: 1}},
		{State: gossip.MemberInfo_Leader, IsAlive: true, HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)}},
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- seed.Serve(l) }()
	t.Cleanup(func() { seed.Stop(); <-served })
	s := &scene{T: t, ctx: t.Context(), node: n, store: open(t, "esdb://"+l.Addr().String()+",127.0.0.1:1?tls=false", options())}
	s.append("sku-a", 0)
	if got := s.length("sku-a"); got != 1 {
		t.Errorf("%d events", got)
	}
}
