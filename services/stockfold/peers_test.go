package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// neighbours starts replicas that share their events and hand calls to each other, with certificates. stop stops those that
// still run: they need the event store for that.
func neighbours(t *testing.T, n int, with func(i int, c *node.Config)) (all []*node.Node, stop func()) {
	t.Helper()
	url, _ := eventStore(t, "--data", t.TempDir())
	addrs := freeAddresses(t, n)
	files := redistest.NewCertificates(t)
	for i := range n {
		c := testConfig(t)
		c.EventStore, c.Roles = eventstoredb.URL(url), []string{node.RoleAPI, node.RoleProject}
		c.PeerListen, c.Peers = addrs[i], addrs
		c.PeerSecurity = node.PeerSecurity{PeerTLSCA: files.CA, PeerTLSCert: files.Cert, PeerTLSKey: files.Key}
		if with != nil {
			with(i, &c)
		}
		all = append(all, startNode(t, c))
	}
	policy := pb.NewPolicyServiceClient(connect(t, all[0]))
	if _, err := policy.PutLocation(t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: "berlin"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := policy.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}}}); err != nil {
		t.Fatal(err)
	}
	return all, func() {
		for _, x := range all {
			stopNode(t, x)
		}
	}
}

// receive has units of a SKU arrive.
func receive(t *testing.T, n *node.Node, sku string, quantity int64) {
	t.Helper()
	_, err := pb.NewStockServiceClient(connect(t, n)).RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{
		{MovementId: "m-" + sku, Source: "wms", Sku: sku, Location: "berlin", Quantity: quantity,
			OccurredAt: timestamppb.Now(), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// metric is the sum of a metric's series of a node.
func metric(t *testing.T, n *node.Node, series string) (sum float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(series)+` (\S+)$`).FindAllStringSubmatch(get(t, "http://"+n.Metrics+"/metrics"), -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// handed is how many calls of a node another one decided.
func handed(t *testing.T, n *node.Node) float64 {
	t.Helper()
	return metric(t, n, `stockfold_peer_calls_total{decided="there"}`)
}

// Through whichever replica calls come, and wherever they are decided, each counts once, with what the caller said on record;
// 30 customers of 20 units get 20.
func TestReplicasDecideForEachOther(t *testing.T) {
	nodes, stop := neighbours(t, 2, nil)
	defer stop()
	receive(t, nodes[1], "milk", 20)
	for i := range 16 { // enough SKUs that both replicas own some
		receive(t, nodes[i%2], fmt.Sprint("sku-", i), 5)
	}
	clients := []pb.ReservationServiceClient{pb.NewReservationServiceClient(connect(t, nodes[0])), pb.NewReservationServiceClient(connect(t, nodes[1]))}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "request-7")
	var customers sync.WaitGroup
	var mu sync.Mutex
	promised := 0
	for i := range 30 {
		customers.Go(func() {
			q := &pb.ReserveRequest{ReservationId: fmt.Sprint("cart-", i), Sku: "milk", Channel: "web", Quantity: 1, HoldSeconds: 900, Actor: "anna", CorrelationId: "visit-7"}
			_, err := clients[i%2].Reserve(ctx, q)
			again, errAgain := clients[1-i%2].Reserve(ctx, q) // the same by the other one
			if status.Code(err) != status.Code(errAgain) || err != nil && status.Code(err) != codes.FailedPrecondition {
				t.Errorf("cart-%d: first %v, then %v", i, err, errAgain)
			}
			if err == nil && again.GetReservation().GetQuantity() != 1 {
				t.Errorf("cart-%d: then %v", i, again)
			}
			if err == nil {
				mu.Lock()
				promised++
				mu.Unlock()
			}
		})
	}
	customers.Wait()
	if promised != 20 {
		t.Errorf("%d of 20 units are promised", promised)
	}
	for i := range 16 { // other calls, by the replica that does not own the SKU as well
		exercise(t, clients[1-i%2], fmt.Sprint("sku-", i))
	}
	if n := handed(t, nodes[0]) + handed(t, nodes[1]); n < 30 {
		t.Errorf("%v calls were handed on", n)
	}
	events, err := pb.NewHistoryServiceClient(connect(t, nodes[0])).ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk", PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	placed := 0
	for _, e := range events.Events {
		if e.Type == "ReservationPlaced" {
			placed++
			if e.Actor != "anna" || e.CorrelationId != "visit-7" || e.CausationId != "request-7" {
				t.Errorf("on record are actor %q, correlation %q, causation %q", e.Actor, e.CorrelationId, e.CausationId)
			}
		}
	}
	if placed != 20 {
		t.Errorf("%d reservations are on record", placed)
	}
}

// exercise takes a reservation through its life.
func exercise(t *testing.T, c pb.ReservationServiceClient, sku string) {
	t.Helper()
	ctx, id := t.Context(), "of-"+sku
	if _, err := c.Reserve(ctx, &pb.ReserveRequest{ReservationId: id, Sku: sku, Channel: "web", Quantity: 3, HoldSeconds: 900}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: id, HoldSeconds: 1800}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ChangeReservation(ctx, &pb.ChangeReservationRequest{ReservationId: id, Quantity: 4}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: id, Quantity: 1, IdempotencyKey: "one"}); err != nil {
		t.Fatal(err)
	}
	done, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: id, Location: "berlin"})
	if err != nil || done.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_FULFILLED {
		t.Fatalf("got %v, %v", done, err)
	}
}

// On a replica's own port nobody but replicas is let in, and they find nothing there but what they hand on.
func TestThePortOfReplicasIsTheirs(t *testing.T) {
	var files node.PeerSecurity
	nodes, stop := neighbours(t, 1, func(_ int, c *node.Config) { files = c.PeerSecurity })
	defer stop()
	us := &tls.Config{RootCAs: pool(t, files.PeerTLSCA), MinVersion: tls.VersionTLS13}
	ask := func(c credentials.TransportCredentials) (reserve, read error) {
		conn, err := grpc.NewClient(nodes[0].Peers, grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, reserve = pb.NewReservationServiceClient(conn).Reserve(t.Context(), &pb.ReserveRequest{ReservationId: "r", Sku: "milk", Channel: "web", Quantity: 1})
		_, read = pb.NewAvailabilityServiceClient(conn).GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web"})
		return reserve, read
	}
	for name, c := range map[string]credentials.TransportCredentials{"without TLS": insecure.NewCredentials(), "without a certificate": credentials.NewTLS(us.Clone())} {
		if reserve, read := ask(c); status.Code(reserve) != codes.Unavailable || status.Code(read) != codes.Unavailable {
			t.Errorf("%s: %v, %v", name, reserve, read)
		}
	}
	if n := metric(t, nodes[0], "stockfold_peer_refused_total"); n == 0 {
		t.Error("nobody was refused")
	}
	pair, err := tls.LoadX509KeyPair(files.PeerTLSCert, files.PeerTLSKey)
	if err != nil {
		t.Fatal(err)
	}
	us.Certificates = []tls.Certificate{pair}
	if reserve, read := ask(credentials.NewTLS(us)); status.Code(reserve) != codes.PermissionDenied || status.Code(read) != codes.Unimplemented {
		t.Errorf("as a replica, what it did not hand on: %v, %v", reserve, read)
	}
}

// On one machine replicas may have ports of their own without certificates.
func TestReplicasOnLoopbackNeedNoCertificates(t *testing.T) {
	nodes, stop := neighbours(t, 2, func(_ int, c *node.Config) { c.PeerSecurity = node.PeerSecurity{} })
	defer stop()
	for i := 0; handed(t, nodes[0]) == 0; i++ {
		receive(t, nodes[0], fmt.Sprint("sku-", i), 1)
	}
}

// While the other replica is gone, and after it is back, everything is decided, once.
func TestAReplicaGoesAndComesBack(t *testing.T) {
	var configs []node.Config
	nodes, stop := neighbours(t, 2, func(_ int, c *node.Config) { configs = append(configs, *c) })
	defer stop()
	client := pb.NewReservationServiceClient(connect(t, nodes[0]))
	reserve := func(sku string, i int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := client.Reserve(ctx, &pb.ReserveRequest{ReservationId: fmt.Sprint(sku, i), Sku: sku, Channel: "web", Quantity: 1, HoldSeconds: 900}); err != nil {
			t.Fatal(err)
		}
	}
	sku := "" // one that belongs to the second
	for i, before := 0, handed(t, nodes[0]); handed(t, nodes[0]) == before; i++ {
		sku = fmt.Sprint("tea-", i)
		receive(t, nodes[0], sku, 100)
	}
	reserve(sku, 0)
	stopNode(t, nodes[1])
	for i := range 5 {
		reserve(sku, 1+i)
		reserve(sku, i) // and again, what the other may have decided
	}
	if metric(t, nodes[0], `stockfold_peer_calls_total{decided="here"}`) == 0 || metric(t, nodes[0], "stockfold_peers_away") != 1 {
		t.Error("the replica that is gone was not missed")
	}
	back := configs[1]
	back.Metrics, back.GRPC, back.REST = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	defer stopNode(t, startNode(t, back))
	for i, before := 6, handed(t, nodes[0]); handed(t, nodes[0]) == before; i++ {
		reserve(sku, 6+i%10)
		time.Sleep(20 * time.Millisecond)
		if i > 3000 {
			t.Fatal("the replica that is back is asked nothing")
		}
	}
	events, err := pb.NewHistoryServiceClient(connect(t, nodes[0])).ListEvents(t.Context(), &pb.ListEventsRequest{Sku: sku, PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range events.Events {
		if id := e.GetReservationPlaced().GetReservationId(); id != "" {
			if seen[id] {
				t.Errorf("%s is placed twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) < 6 {
		t.Errorf("only %d reservations are on record", len(seen))
	}
}

// Replicas that know different lists, and one that knows none, decide the same.
func TestReplicasWithDifferentListsDoNoHarm(t *testing.T) {
	stranger := freeAddresses(t, 1)[0]
	nodes, stop := neighbours(t, 3, func(i int, c *node.Config) {
		switch i {
		case 1:
			c.Peers = []string{c.PeerListen, stranger} // of whom nobody has heard
		case 2:
			c.Peers, c.PeerListen, c.PeerSecurity = nil, "", node.PeerSecurity{}
		}
	})
	defer stop()
	receive(t, nodes[2], "milk", 20)
	var wait sync.WaitGroup
	var mu sync.Mutex
	promised := 0
	for i := range 30 {
		client := pb.NewReservationServiceClient(connect(t, nodes[i%3]))
		wait.Go(func() {
			for {
				_, err := client.Reserve(t.Context(), &pb.ReserveRequest{ReservationId: fmt.Sprint("cart-", i), Sku: "milk", Channel: "web", Quantity: 1, HoldSeconds: 900})
				if status.Code(err) == codes.Aborted { // CONTENDED: come back
					continue
				}
				if err == nil {
					mu.Lock()
					promised++
					mu.Unlock()
				} else if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "available") {
					t.Errorf("cart-%d: %v", i, err)
				}
				return
			}
		})
	}
	wait.Wait()
	if promised != 20 {
		t.Errorf("%d of 20 units are promised", promised)
	}
}
