package eventstoredb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
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

// hasty refuses appends before it has heard them out, as EventStoreDB does. Everything else it sends to its leader.
type hasty struct{ *follower }

func (h hasty) Append(streams.Streams_AppendServer) error {
	h.asked.Add(1)
	return status.Error(codes.InvalidArgument, "Maximum Append Size of 1 Exceeded.")
}

// The client then may know only that the stream has ended; the append is repeated some times and refused for good.
func TestAnAppendThatIsRefusedEarly(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	open(t, n.url(), options()).Close() // it has an identity
	h := hasty{&follower{leader: n.addr}}
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, passing{hasty: h, to: n})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	s := open(t, "esdb://"+l.Addr().String()+"?tls=false", options())
	list := make([]aggregates.NewEvent, 200)
	for i := range list {
		list[i] = event("sku-a", i)
		list[i].Data = make([]byte, 50_000)
	}
	_, err = s.Append(t.Context(), "sku-a", 0, list)
	if err == nil || errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), "MaxAppendSize") {
		t.Errorf("got %v", err)
	}
	if got := h.asked.Load(); got > 3 {
		t.Errorf("the server was asked %d times", got)
	}
}

// passing answers reads from another server.
type passing struct {
	hasty
	to *node
}

func (p passing) Read(req *streams.ReadReq, out streams.Streams_ReadServer) error {
	conn, err := grpc.NewClient(p.to.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	in, err := streams.NewStreamsClient(conn).Read(out.Context(), req)
	for err == nil {
		var answer *streams.ReadResp
		if answer, err = in.Recv(); err == nil {
			err = out.Send(answer)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
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
