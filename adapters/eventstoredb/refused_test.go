package eventstoredb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/services/commands"
)

// guarded answers reads from another server, and refuses subscriptions to $all for as long as it has a reason.
type guarded struct {
	passing
	reason atomic.Pointer[status.Status]
}

func (g *guarded) refuse(code codes.Code, text string) { g.reason.Store(status.New(code, text)) }

func (g *guarded) Read(req *streams.ReadReq, out streams.Streams_ReadServer) error {
	if why := g.reason.Load(); why != nil && req.Options.GetAll() != nil && req.Options.GetSubscription() != nil {
		return why.Err()
	}
	return g.passing.Read(req, out)
}

// refusing is a store whose server can refuse subscriptions, and the server's own way in.
func refusing(t *testing.T) (*guarded, *eventstoredb.Store, *scene) {
	t.Helper()
	n := newNode(t, newData(t), esdbserver.Options{})
	direct := &scene{T: t, ctx: t.Context(), node: n, store: open(t, n.url(), options())}
	g := &guarded{passing: passing{hasty: hasty{&follower{leader: n.addr}}, to: n}}
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	return g, open(t, "esdb://"+l.Addr().String()+"?tls=false", options()), direct
}

// A server that will not have a subscription, or ends it each time, says so to whoever reads it; nothing moves meanwhile.
func TestASubscriptionThatIsRefusedSaysSo(t *testing.T) {
	for code, text := range map[codes.Code]string{codes.PermissionDenied: "check user and password", codes.Unknown: "no such luck"} {
		t.Run(code.String(), func(t *testing.T) {
			g, store, direct := refusing(t)
			direct.append("elsewhere", 0)
			g.refuse(code, "no such luck")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			sub, err := store.Subscribe(ctx, 0, "sku-")
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			for range 2 {
				if b, err := sub.Next(ctx); !errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), text) {
					t.Errorf("got %+v, %v", b, err)
				}
			}
		})
	}
}

// A read model whose subscription is refused shows it, tries again all the same, and goes on once it may.
func TestAReadModelThatMayNotFollowShowsIt(t *testing.T) {
	g, store, direct := refusing(t)
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), StoreID: store.ID(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g.refuse(codes.PermissionDenied, "Access Denied")
	directory := policies.New(policies.Config{Store: store, Model: db.Policies(), Log: quiet()})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = directory.Run(ctx) })
	defer running.Wait()
	defer stop()
	direct.record("channel-web", 0, &channel.Defined{Name: "Web", Sourcing: []string{"dc"}})
	limit := time.After(time.Minute)
	for !strings.Contains(directory.Status(ctx).Error, "check user and password") {
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatalf("status %+v", directory.Status(ctx))
		}
	}
	if _, ok := directory.Channel("web"); ok {
		t.Error("what may not be read is known")
	}
	g.reason.Store(nil)
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := directory.WaitForEnd(bounded); err != nil {
		t.Fatal(err)
	}
	if _, ok := directory.Channel("web"); !ok {
		t.Error("the channel is not known")
	}
	if s := directory.Status(ctx); s.Error != "" {
		t.Errorf("status %+v", s)
	}
}
