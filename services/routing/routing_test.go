package routing

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// desk decides everything, and says who it is.
type desk struct {
	pb.UnimplementedReservationServiceServer
	name   string
	refuse error
	hang   bool
}

func (d *desk) Reserve(ctx context.Context, _ *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	if d.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &pb.ReserveResponse{Token: d.name}, d.refuse
}

// replicas serves desks on loopback, each with its own routing.
func replicas(t *testing.T, stores []string, desks ...*desk) []*Reservations {
	t.Helper()
	var listeners []net.Listener
	var names []string
	for range desks {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners, names = append(listeners, l), append(names, l.Addr().String())
	}
	var all []*Reservations
	for i, d := range desks {
		r, err := New(d, stores[i], names[i], names)
		if err != nil {
			t.Fatal(err)
		}
		g := grpc.NewServer()
		pb.RegisterReservationServiceServer(g, r)
		go g.Serve(listeners[i])
		t.Cleanup(func() {
			r.Close()
			g.Stop()
		})
		all = append(all, r)
	}
	return all
}

// others finds SKUs that belong to the second of two replicas.
func others(first *Reservations) (sku string) {
	for i := 0; ; i++ {
		if sku = fmt.Sprint("sku-", i); first.owner(sku) != nil {
			return sku
		}
	}
}

func TestEveryReplicaHandsASKUToTheSameOne(t *testing.T) {
	all := replicas(t, []string{"x", "x", "x"}, &desk{name: "a"}, &desk{name: "b"}, &desk{name: "c"})
	share := map[string]int{}
	for i := range 300 {
		who := ""
		for _, r := range all {
			got, err := r.Reserve(t.Context(), &pb.ReserveRequest{Sku: fmt.Sprint("sku-", i)})
			if err != nil {
				t.Fatal(err)
			}
			if who != "" && got.Token != who {
				t.Fatalf("sku-%d is decided by %s and %s", i, who, got.Token)
			}
			who = got.Token
		}
		share[who]++
	}
	for _, who := range []string{"a", "b", "c"} {
		if share[who] < 60 {
			t.Errorf("%s decides %d of 300 SKUs", who, share[who])
		}
	}
}

// A refusal is an answer; whatever else is wrong with the other replica, the call is decided here.
func TestTroubleElsewhereIsDecidedHere(t *testing.T) {
	for name, c := range map[string]struct {
		store string
		other *desk
		want  codes.Code
		by    string
	}{
		"refused":     {"x", &desk{refuse: status.Error(codes.FailedPrecondition, "too much")}, codes.FailedPrecondition, ""},
		"unavailable": {"x", &desk{refuse: status.Error(codes.Unavailable, "starting")}, codes.OK, "here"},
		"hung":        {"x", &desk{hang: true}, codes.OK, "here"},
		"other store": {"y", &desk{name: "there"}, codes.OK, "here"},
	} {
		t.Run(name, func(t *testing.T) {
			all := replicas(t, []string{"x", c.store}, &desk{name: "here"}, c.other)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			sku := others(all[0])
			got, err := all[0].Reserve(ctx, &pb.ReserveRequest{Sku: sku})
			if status.Code(err) != c.want || got.GetToken() != c.by {
				t.Errorf("got %v, %v", got, err)
			}
			if away := all[0].owner(sku) == nil; away != (c.by == "here") {
				t.Errorf("the other replica is taken to be away: %v", away)
			}
		})
	}
}
