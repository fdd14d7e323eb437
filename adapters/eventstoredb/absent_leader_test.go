//go:build !race

package eventstoredb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/services/commands"
)

// elector is a follower that names a leader as it was last told.
type elector struct {
	streams.UnimplementedStreamsServer
	leader atomic.Pointer[string]
	asked  atomic.Int64
}

func (e *elector) redirect(set func(metadata.MD)) error {
	e.asked.Add(1)
	f := follower{leader: *e.leader.Load()}
	return f.redirect(metadata.NewIncomingContext(context.Background(), metadata.Pairs("requires-leader", "true")), set)
}

func (e *elector) Read(_ *streams.ReadReq, out streams.Streams_ReadServer) error {
	return e.redirect(out.SetTrailer)
}
func (e *elector) Append(in streams.Streams_AppendServer) error { return e.redirect(in.SetTrailer) }

// An election may name a leader that is not there. The client, left alone, keeps a connection to it open for each time it is named;
// callers go on once there is a leader, and nothing is left open.
// It is not for the race detector: freeing who waits for such a client closes a channel that it still sends on.
func TestALeaderThatIsNotThereLeavesNothingOpen(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	e, absent := &elector{}, "127.0.0.1:1"
	e.leader.Store(&absent)
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, e)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	url := "esdb://" + l.Addr().String() + "?tls=false"
	before := goleak.IgnoreCurrent()

	brief, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if s, err := eventstoredb.Open(brief, url, options()); !errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), "the leader that a node named, "+absent) {
		t.Errorf("got %v, %v", s, err)
	}
	if e.asked.Load() < 2 {
		t.Errorf("the follower was asked %d times", e.asked.Load())
	}
	goleak.VerifyNone(t, before)

	there := time.AfterFunc(time.Second, func() { e.leader.Store(&n.addr) })
	defer there.Stop()
	s := &scene{T: t, ctx: t.Context(), node: n, store: open(t, url, options())}
	s.append("sku-a", 0)
	if got := s.length("sku-a"); got != 1 {
		t.Errorf("%d events", got)
	}
}
