package reallocation_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/reallocation"
	"github.com/stockfold/stockfold/services/servicetest"
)

// shop sells from three places on two channels; a process looks after promises when it is told to.
type shop struct {
	*servicetest.World
	t       *testing.T
	clock   *servicetest.Clock
	process *reallocation.Process
}

func open(t *testing.T, o servicetest.Options) *shop {
	t.Helper()
	s := &shop{t: t, clock: servicetest.NewClock()}
	o.Now = s.clock.Now
	s.World = servicetest.Start(t, o)
	for _, l := range []string{"berlin", "hamburg", "munich"} {
		s.Location(l)
	}
	s.Channel("web", "berlin", "hamburg", "munich")
	s.Channel("store", "berlin", "munich")
	s.process = s.begin(s.SKUs)
	return s
}

func (s *shop) begin(skus commands.Doer[stock.State]) *reallocation.Process {
	return reallocation.New(reallocation.Config{Directory: s.Policies, View: s.View, Index: s.Reservations, SKUs: skus, Now: s.clock.Now, Log: s.Log})
}

func (s *shop) count(sku, location string, n int64) {
	s.t.Helper()
	s.clock.Advance(time.Second)
	s.Move(&pb.Movement{Sku: sku, Location: location, Quantity: n, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
}

func (s *shop) reserve(id, sku, channel string, n int64, change ...func(*pb.ReserveRequest)) {
	s.t.Helper()
	r := &pb.ReserveRequest{ReservationId: id, Sku: sku, Channel: channel, Quantity: n, Confirmed: true}
	for _, c := range change {
		c(r)
	}
	if _, err := s.ReservationClient().Reserve(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) disable(location string, disabled bool) {
	s.t.Helper()
	_, err := s.PolicyClient().PutLocation(s.t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: location, Disabled: disabled}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// seen waits until the read models have all that the store holds, recomputed for the policies in force.
func (s *shop) seen() {
	s.t.Helper()
	end, err := s.Store.End(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, wait := range []func(context.Context, uint64) error{s.View.WaitFor, s.Reservations.WaitFor} {
		if err := wait(s.t.Context(), end); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.View.Survey(s.t.Context()); err != nil { // as the process does when it begins
		s.t.Fatal(err)
	}
}

// rounds has the process look until it has nothing new to do.
func (s *shop) rounds(p *reallocation.Process) {
	s.t.Helper()
	for range 5 {
		s.seen()
		if err := p.Round(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *shop) want(id, splits string) {
	s.t.Helper()
	s.seen()
	answer, err := s.ReservationClient().GetReservation(s.t.Context(), &pb.GetReservationRequest{ReservationId: id})
	if err != nil {
		s.t.Fatal(err)
	}
	got := ""
	for _, x := range answer.Reservation.Splits {
		got += fmt.Sprintf("%s %d ", x.Location, x.Quantity)
	}
	if got != splits+" " {
		s.t.Fatalf("%s is held at %s, want %s", id, got, splits)
	}
}

func (s *shop) wantAtRisk(want ...string) {
	s.t.Helper()
	s.seen()
	answer, err := s.ReservationClient().ListReservationsAtRisk(s.t.Context(), &pb.ListReservationsAtRiskRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, x := range answer.Reservations {
		got = append(got, fmt.Sprintf("%s %s %d %s %s", x.ReservationId, x.Location, x.Quantity, x.Cause, x.Stays))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Fatalf("at risk are %q, want %q", got, want)
	}
}

func TestPromisesLeaveAPlaceThatCloses(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.count("milk", "berlin", 10)
	s.reserve("a", "milk", "web", 4)
	s.reserve("b", "milk", "store", 3)
	s.count("milk", "hamburg", 5)
	s.count("milk", "munich", 2)
	s.disable("berlin", true)
	s.rounds(s.process)
	s.want("a", "hamburg 4")
	s.want("b", "berlin 1 munich 2") // the store does not sell from Hamburg
	s.wantAtRisk("b berlin 1 REALLOCATION_CAUSE_CLOSED ")
	if got := s.process.Status(); got.SKUs != 1 || got.Reservations != 1 || got.Units != 1 || got.Moved != 2 {
		t.Errorf("status %+v", got)
	}
	s.count("milk", "munich", 3) // one more than is promised there
	s.rounds(s.process)
	s.want("b", "munich 3")
	s.wantAtRisk()
	if got := s.process.Status(); got.Reservations != 0 || got.Moved != 3 {
		t.Errorf("status %+v", got)
	}
	events, err := s.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
	if err != nil {
		t.Fatal(err)
	}
	moved := events.Events[0].GetReservationReallocated()
	if moved.GetCause() != pb.ReallocationCause_REALLOCATION_CAUSE_CLOSED || moved.PolicyPosition == 0 || events.Events[0].Actor != "stockfold-reallocation" {
		t.Errorf("the last move is %v", events.Events[0])
	}
}

func TestPromisesLeaveAPlaceThatIsShort(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.count("milk", "berlin", 10)
	s.reserve("old", "milk", "web", 4)
	s.reserve("young", "milk", "web", 6)
	s.count("milk", "hamburg", 2)
	s.count("milk", "berlin", 7)
	s.rounds(s.process)
	s.want("old", "berlin 4")
	s.want("young", "berlin 4 hamburg 2")
	s.wantAtRisk("young berlin 1 REALLOCATION_CAUSE_SHORT ")
	s.count("milk", "munich", 9)
	s.rounds(s.process)
	s.want("young", "berlin 3 hamburg 2 munich 1")
	s.wantAtRisk()
}

func TestWhatIsTakenOffAChannelsListMovesToo(t *testing.T) {
	s := open(t, servicetest.Options{})
	for _, sku := range []string{"milk", "tea"} {
		s.count(sku, "berlin", 10)
		s.reserve("web-"+sku, sku, "web", 4)
		s.reserve("store-"+sku, sku, "store", 4)
		s.count(sku, "munich", 10)
	}
	s.Channel("web", "munich")
	s.rounds(s.process)
	for _, sku := range []string{"milk", "tea"} {
		s.want("web-"+sku, "munich 4")
		s.want("store-"+sku, "berlin 4") // the store still sells from there
	}
	s.wantAtRisk()
}

func TestARuleAndAWishKeepPromisesWhereTheyAre(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.count("milk", "berlin", 20)
	s.reserve("pickup", "milk", "web", 2, func(r *pb.ReserveRequest) { r.Location, r.LocationBinding = "berlin", true })
	s.reserve("web", "milk", "web", 3)
	s.reserve("store", "milk", "store", 4)
	s.count("milk", "munich", 20)
	rule := &pb.ReallocationRule{Channel: "store", Off: true}
	if _, err := s.PolicyClient().PutReallocationRule(t.Context(), &pb.PutReallocationRuleRequest{Rule: rule}); err != nil {
		t.Fatal(err)
	}
	s.disable("berlin", true)
	s.rounds(s.process)
	s.want("web", "munich 3")
	s.want("store", "berlin 4")
	s.want("pickup", "berlin 2")
	s.wantAtRisk("pickup berlin 2 REALLOCATION_CAUSE_CLOSED BOUND", "store berlin 4 REALLOCATION_CAUSE_CLOSED RULE")
	if _, err := s.PolicyClient().DeleteReallocationRule(t.Context(), &pb.DeleteReallocationRuleRequest{Rule: rule}); err != nil {
		t.Fatal(err)
	}
	s.rounds(s.process)
	s.want("store", "munich 4")
	s.want("pickup", "berlin 2")
	s.disable("berlin", false)
	s.rounds(s.process)
	s.wantAtRisk()
}

// crashing is a store that goes away at one append, before or after it has become durable, and stays away until it is back.
type crashing struct {
	*pebble.Store
	mu    sync.Mutex
	left  int // appends until then; negative: never
	after bool
	gone  bool
}

func (c *crashing) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 && !c.gone {
		if c.gone = true; c.after {
			if _, err := c.Store.Append(ctx, stream, next, events); err != nil {
				return commands.Appended{}, err
			}
		}
	}
	if c.gone {
		return commands.Appended{}, commands.ErrUnavailable
	}
	c.left--
	return c.Store.Append(ctx, stream, next, events)
}

const skus = 4

// crowd has promises for four SKUs at a place that closes, and room for all of them elsewhere.
func crowd(t *testing.T, c *crashing) *shop {
	s := open(t, servicetest.Options{Store: func(p *pebble.Store) commands.Store {
		if c == nil {
			return p
		}
		c.Store, c.left = p, -1
		return c
	}})
	for i := range skus {
		sku := fmt.Sprint("sku-", i)
		s.count(sku, "berlin", 40)
		for n := range 10 {
			s.reserve(fmt.Sprint(sku, "-", n), sku, []string{"web", "store"}[n%2], int64(1+n%3))
		}
		s.count(sku, "hamburg", 4)
		s.count(sku, "munich", 40)
	}
	s.disable("berlin", true)
	s.seen()
	return s
}

// settled folds each SKU's stream: everything moved once, nothing is missing, and no place has more promised than lies there.
func (s *shop) settled() {
	s.t.Helper()
	for i := range skus {
		var st stock.State
		moves := map[string]int{}
		err := s.Store.ReadStream(context.Background(), fmt.Sprint(aggregates.SKUPrefix, "sku-", i), 0, func(r aggregates.Record) bool {
			e, m, err := codec.Decode(r)
			if err != nil {
				s.t.Fatal(err)
			}
			if x, ok := e.(*stock.ReservationReallocated); ok {
				moves[x.ReservationID]++
			}
			st.Evolve(e, m)
			return true
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := st.Check(); err != nil {
			s.t.Fatal(err)
		}
		for b := range st.Each {
			if b.Oversold(s.clock.Now()) || b.Location == "berlin" && b.Reserved != 0 {
				s.t.Fatalf("at %s of SKU %d %d are reserved of %d", b.Location, i, b.Reserved, b.OnHand[stock.Sellable])
			}
		}
		for id, n := range moves {
			if n != 1 {
				s.t.Fatalf("%s moved %d times", id, n)
			}
		}
		if len(moves) != 10 || st.Live() != 10 {
			s.t.Fatalf("%d of %d moved", len(moves), st.Live())
		}
	}
}

// Wherever the process is when it crashes, before or after what it was writing has become durable: the next one carries on, and every promise moves once.
func TestACrashAtAnyStepLeavesNothingHalfMoved(t *testing.T) {
	for left := range skus + 1 {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(left, after), func(t *testing.T) {
				c := &crashing{after: after}
				s := crowd(t, c)
				c.mu.Lock()
				if c.left = left; left == skus {
					c.left = -1 // never: a SKU whose promises are decided in two batches takes one append more
				}
				c.mu.Unlock()
				err := s.process.Round(t.Context())
				if crashed := left < skus; crashed != (err != nil) {
					t.Fatalf("the round ended with %v", err)
				}
				again := commands.NewStreams(commands.Store(c.Store), commands.SKUs(), commands.Options{Now: s.clock.Now, Exclusive: true})
				t.Cleanup(func() { _ = again.Close(context.Background()) })
				s.rounds(s.begin(again))
				s.settled()
				c.mu.Lock()
				c.left, c.gone = -1, false
				c.mu.Unlock()
			})
		}
	}
}

func TestTwoReplicasAtOnceMoveEachPromiseOnce(t *testing.T) {
	s := crowd(t, nil)
	var processes [3]*reallocation.Process
	for i := range processes {
		streams := commands.NewStreams(commands.Store(s.Store), commands.SKUs(), commands.Options{Now: s.clock.Now})
		t.Cleanup(func() { _ = streams.Close(context.Background()) })
		processes[i] = s.begin(streams)
	}
	for range 3 {
		var all sync.WaitGroup
		for _, p := range processes {
			all.Go(func() {
				if err := p.Round(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s.seen()
	}
	s.settled()
}

func TestTheProcessRunsByItself(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.count("milk", "berlin", 5)
	s.count("milk", "munich", 5)
	s.reserve("a", "milk", "web", 4)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.process.Run(ctx) }()
	s.disable("berlin", true)
	for s.process.Status().Moved == 0 {
		runtime.Gosched()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.want("a", "munich 4")
}

func TestSupplyThatDidNotComeIsListed(t *testing.T) {
	s := open(t, servicetest.Options{})
	s.Move(&pb.Movement{Sku: "milk", Location: "berlin", Quantity: 7, Document: "po-1", Line: "1", Kind: &pb.Movement_SupplyExpected{
		SupplyExpected: &pb.Movement_Expected{DueAt: codec.Timestamp(s.clock.Now() + 60*aggregates.Second)}}})
	overdue := func() *pb.GetStatusResponse {
		s.seen()
		answer, err := s.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := overdue(); got.OverdueSkus != 0 || len(got.OverdueSupply) != 0 {
		t.Errorf("before its date: %v", got)
	}
	s.clock.Advance(time.Minute)
	got := overdue()
	if got.OverdueSkus != 1 || len(got.OverdueSupply) != 1 || got.OverdueSupply[0].Quantity != 7 || got.OverdueSupply[0].Location != "berlin" {
		t.Errorf("after its date: %v", got)
	}
	explained, err := s.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web"})
	if err != nil || explained.Overdue != 7 {
		t.Errorf("explained: %v, %v", explained, err)
	}
	s.Move(&pb.Movement{Sku: "milk", Location: "berlin", Quantity: 7, Document: "po-1", Line: "1", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	if got := overdue(); got.OverdueSkus != 0 {
		t.Errorf("once it came: %v", got)
	}
}
