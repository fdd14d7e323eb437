package routing

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// desk decides everything, and says who it is.
type desk struct {
	pb.UnimplementedReservationServiceServer // it is of a version that does not know some calls
	pb.UnimplementedStockServiceServer
	name   string
	refuse error
	hang   bool

	mu      sync.Mutex
	calls   int
	said    metadata.MD
	until   time.Time
	request *pb.ReserveRequest
	keys    []string // of extensions
}

func (d *desk) took(ctx context.Context, q *pb.ReserveRequest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.said, _ = metadata.FromIncomingContext(ctx)
	d.until, _ = ctx.Deadline()
	d.request = q
}

func (d *desk) taken() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

func (d *desk) Reserve(ctx context.Context, q *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	d.took(ctx, q)
	if d.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &pb.ReserveResponse{Token: d.name}, d.refuse
}

func (d *desk) ExtendReservation(_ context.Context, q *pb.ExtendReservationRequest) (*pb.ExtendReservationResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, q.IdempotencyKey)
	return &pb.ExtendReservationResponse{Token: d.name}, d.refuse
}

func (d *desk) RecordMovements(context.Context, *pb.RecordMovementsRequest) (*pb.RecordMovementsResponse, error) {
	return &pb.RecordMovementsResponse{Token: d.name}, d.refuse
}

// PlaceOf knows that every reservation is of the SKU that it is named after, but for those that begin with new.
func (d *desk) PlaceOf(_ context.Context, id string) (string, bool) {
	return id, id != "" && !strings.HasPrefix(id, "new")
}

// replica is one in a test: what it decides with, and its ways to others.
type replica struct {
	*Reservations
	stock  *Stock
	router *Router
	desk   *desk
}

// replicas serves desks on loopback, each with its own routing. Stores are theirs; all share x where none is said.
func replicas(t *testing.T, stores []string, desks ...*desk) []*replica {
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
	var all []*replica
	for i, d := range desks {
		store := "x"
		if stores != nil {
			store = stores[i]
		}
		r := newReplica(t, d, Config{StoreID: store, Self: names[i], Peers: names})
		g := grpc.NewServer()
		pb.RegisterReservationServiceServer(g, r)
		pb.RegisterStockServiceServer(g, r.stock)
		go g.Serve(listeners[i])
		t.Cleanup(g.Stop)
		all = append(all, r)
	}
	return all
}

func newReplica(t *testing.T, d *desk, c Config) *replica {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &replica{r.Reservations(d, d), r.Stock(d), r, d}
}

// ofAnother finds a SKU that belongs to another than this replica.
func (r *replica) ofAnother() (sku string) {
	for i := 0; ; i++ {
		if sku = fmt.Sprint("sku-", i); r.router.owner(sku) != nil {
			return sku
		}
	}
}

func TestEveryReplicaHandsASKUToTheSameOne(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"}, &desk{name: "c"})
	share := map[string]int{}
	for i := range 300 {
		who := ""
		for _, r := range all {
			got, err := r.Reserve(t.Context(), &pb.ReserveRequest{ReservationId: fmt.Sprint("r", i), Sku: fmt.Sprint("sku-", i)})
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
		away  bool
	}{
		"refused":     {"x", &desk{refuse: status.Error(codes.FailedPrecondition, "too much")}, codes.FailedPrecondition, "", false},
		"unavailable": {"x", &desk{refuse: status.Error(codes.Unavailable, "starting")}, codes.OK, "here", true},
		"hung":        {"x", &desk{hang: true}, codes.OK, "here", true},
		"other store": {"y", &desk{name: "there"}, codes.OK, "here", true},
		"broken":      {"x", &desk{refuse: status.Error(codes.Internal, "a defect")}, codes.OK, "here", false},
		"older":       {"x", &desk{refuse: status.Error(codes.Unimplemented, "what is that")}, codes.OK, "here", false},
	} {
		t.Run(name, func(t *testing.T) {
			all := replicas(t, []string{"x", c.store}, &desk{name: "here"}, c.other)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			sku := all[0].ofAnother()
			got, err := all[0].Reserve(ctx, &pb.ReserveRequest{ReservationId: sku, Sku: sku})
			if status.Code(err) != c.want || got.GetToken() != c.by {
				t.Errorf("got %v, %v", got, err)
			}
			if s := all[0].router.Stats(); (s.Away == 1) != c.away || (all[0].router.owner(sku) == nil) != c.away || s.Here != uint64(len(c.by)/4) {
				t.Errorf("the other replica is taken to be away: %+v, want %v", s, c.away)
			}
		})
	}
}

// Who has little time left still gets a decision: half of it is not waited for.
func TestACallerInAHurryIsAnswered(t *testing.T) {
	all := replicas(t, nil, &desk{name: "here"}, &desk{hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), MaxWait/2)
	defer cancel()
	got, err := all[0].Reserve(ctx, &pb.ReserveRequest{ReservationId: "r", Sku: all[0].ofAnother()})
	if err != nil || got.Token != "here" {
		t.Errorf("got %v, %v", got, err)
	}
}

// While one call finds out whether a replica is back, others do not wait for it; once it is, calls go there again.
func TestOneCallFindsOutWhetherAReplicaIsBack(t *testing.T) {
	all := replicas(t, nil, &desk{name: "here"}, &desk{name: "there"})
	sku, p := all[0].ofAnother(), (*all[0].router.others.Load())[0]
	p.missed(status.Error(codes.Unavailable, "gone"))
	if all[0].router.owner(sku) != nil {
		t.Fatal("a replica that is away is asked")
	}
	p.until.Store(1) // it was long ago
	if first, ok := p.enter(); !first || !ok {
		t.Fatal("nobody finds out")
	}
	if _, ok := p.enter(); ok || all[0].router.owner(sku) != nil {
		t.Error("a second call waits for a replica that may be away")
	}
	p.probing.Store(false)
	for range 2 {
		if got, err := all[0].Reserve(t.Context(), &pb.ReserveRequest{ReservationId: sku, Sku: sku}); err != nil || got.Token != "there" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if s := all[0].router.Stats(); s.Away != 0 || s.Handed != 2 {
		t.Errorf("got %+v", s)
	}
}

// Pauses grow, and have a bound; calls that failed together are one failure.
func TestAReplicaIsLeftAloneForLongerEachTime(t *testing.T) {
	p, err := newPeer("127.0.0.1:1", "127.0.0.1", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.conn.Close()
	for i := range 8 {
		began := time.Now()
		p.missed(context.DeadlineExceeded)
		until := p.until.Load()
		p.missed(context.DeadlineExceeded)
		want := min(firstAway<<i, MaxAway)
		if got := time.Duration(until - began.UnixNano()); p.until.Load() != until || got < want || got > want+time.Minute {
			t.Errorf("after %d failures it is left alone for %v, want %v", i+1, got, want)
		}
		p.until.Store(1)
	}
}

// Lists that differ make no call go round: who gets one that was handed on decides it.
func TestACallIsHandedOnOnce(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	for _, r := range all { // neither finds itself in its list, so that of many SKUs each thinks that they belong to the other
		r.router.config.Self = ""
	}
	for i := range 200 {
		sku := fmt.Sprint("sku-", i)
		if all[0].router.owner(sku) == nil || all[1].router.owner(sku) == nil {
			continue
		}
		for n, r := range all {
			got, err := r.Reserve(t.Context(), &pb.ReserveRequest{ReservationId: sku, Sku: sku})
			if err != nil || got.Token != all[1-n].desk.name {
				t.Fatalf("%s at %s: got %v, %v", sku, r.desk.name, got, err)
			}
		}
	}
	if a, b := all[0].desk.taken(), all[1].desk.taken(); a != b || a < 20 {
		t.Errorf("decided are %d and %d", a, b)
	}
}

// What a caller says goes along: its request with actor and correlation, its name for it, whatever else it sent, and how
// long it waits; but nothing of its connection.
func TestWhatTheCallerSaysGoesAlong(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	ctx, cancel := context.WithTimeout(t.Context(), MaxWait/2)
	defer cancel()
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("x-request-id", "r-1", "traceparent", "00-1", "many", "1", "many", "2", "trace-bin", "\x00\xff",
		"user-agent", "shop/1", "content-type", "application/json", "grpc-timeout", "9H", ":authority", "shop"))
	q := &pb.ReserveRequest{ReservationId: "r", Sku: all[0].ofAnother(), Actor: "anna", CorrelationId: "order-1"}
	if _, err := all[0].Reserve(ctx, q); err != nil {
		t.Fatal(err)
	}
	d := all[1].desk
	if d.request == nil || d.request.Actor != "anna" || d.request.CorrelationId != "order-1" {
		t.Errorf("the request is %v", d.request)
	}
	for key, want := range map[string][]string{"x-request-id": {"r-1"}, "traceparent": {"00-1"}, "many": {"1", "2"}, "trace-bin": {"\x00\xff"}, handedKey: {"x"},
		"content-type": {"application/grpc"}} {
		if got := d.said.Get(key); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if deadline, _ := ctx.Deadline(); d.until.IsZero() || d.until.After(deadline) {
		t.Errorf("the other has until %v, the caller waits until %v", d.until, deadline)
	}
}

// What a caller says may be more than another replica takes.
func TestACallerWhoSaysTooMuchIsDecidedHere(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-note", string(make([]byte, maxMetadata))))
	got, err := all[0].Reserve(ctx, &pb.ReserveRequest{ReservationId: "r", Sku: all[0].ofAnother()})
	if err != nil || got.Token != "a" || all[0].router.Stats().Away != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A change of a reservation is decided where its SKU is; what the other does not know yet, and what nobody knows, here.
func TestChangesGoWhereTheSKUIs(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	id := all[0].ofAnother()
	if got, err := all[0].ExtendReservation(t.Context(), &pb.ExtendReservationRequest{ReservationId: id}); err != nil || got.Token != "b" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := all[0].ExtendReservation(t.Context(), &pb.ExtendReservationRequest{}); err != nil || got.Token != "a" {
		t.Errorf("unknown: got %v, %v", got, err)
	}
	if _, err := all[0].ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: id}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a call that neither knows: got %v", err)
	}
	if s := all[0].router.Stats(); s.Away != 0 || s.Here != 1 {
		t.Errorf("got %+v", s)
	}
}

// A reservation that was handed on a moment ago is found where it was, before the index knows it.
func TestWhatWasPlacedElsewhereIsChangedThere(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	for _, want := range []string{"a", "b"} { // it is not known, then it is
		got, err := all[0].ExtendReservation(t.Context(), &pb.ExtendReservationRequest{ReservationId: "new-1"})
		if err != nil || got.Token != want {
			t.Errorf("got %v, %v, want %s", got, err, want)
		}
		if _, err := all[0].Reserve(t.Context(), &pb.ReserveRequest{ReservationId: "new-1", Sku: all[0].ofAnother()}); err != nil {
			t.Fatal(err)
		}
	}
	var x lately
	for i := range 3 * lateMost {
		x.first(fmt.Sprint(i), "milk")
	}
	if _, known := x.placed("0"); known || len(x.now)+len(x.old) > 2*lateMost {
		t.Errorf("%d are remembered", len(x.now)+len(x.old))
	}
	if sku, known := x.placed(fmt.Sprint(2*lateMost - 1)); !known || sku != "milk" {
		t.Error("what was placed of late is forgotten")
	}
}

// Calls that use one id for different SKUs are decided by one replica, which gives it to one of them.
func TestOneIDIsDecidedInOnePlace(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	there, here := all[0].ofAnother(), all[1].ofAnother()
	for id, skus := range map[string][]string{"b": {there, here, there}, "a": {here, there}} {
		for _, sku := range skus {
			if got, err := all[0].Reserve(t.Context(), &pb.ReserveRequest{ReservationId: id, Sku: sku}); err != nil || got.Token != id {
				t.Errorf("%s of %s: got %v, %v", id, sku, got, err)
			}
		}
	}
}

// A call without a key counts once, also when the other replica decided it and the answer was lost.
func TestACallThatTwoDecideHasOneKey(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b", refuse: status.Error(codes.Unavailable, "the answer was lost")})
	got, err := all[0].ExtendReservation(t.Context(), &pb.ExtendReservationRequest{ReservationId: all[0].ofAnother()})
	if err != nil || got.Token != "a" {
		t.Fatalf("got %v, %v", got, err)
	}
	a, b := all[0].desk.keys, all[1].desk.keys
	if len(a) != 1 || len(b) != 1 || a[0] == "" || a[0] != b[0] {
		t.Errorf("keys are %q and %q", a, b)
	}
}

func TestMovementsOfOneSKUAreHandedOn(t *testing.T) {
	all := replicas(t, nil, &desk{name: "a"}, &desk{name: "b"})
	there, mine := all[0].ofAnother(), all[1].ofAnother()
	for want, skus := range map[string][]string{"b": {there, there}, "a": {there, mine}} {
		q := &pb.RecordMovementsRequest{}
		for _, sku := range skus {
			q.Movements = append(q.Movements, &pb.Movement{Sku: sku})
		}
		if got, err := all[0].stock.RecordMovements(t.Context(), q); err != nil || got.Token != want {
			t.Errorf("%q: got %v, %v", skus, got, err)
		}
	}
	if got, err := all[0].stock.RecordMovements(t.Context(), &pb.RecordMovementsRequest{}); err != nil || got.Token != "a" {
		t.Errorf("none: got %v, %v", got, err)
	}
}
