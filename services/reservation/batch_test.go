package reservation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/servicetest"
)

func reserveAll(t testing.TB, w *servicetest.World, list ...*pb.ReserveRequest) *pb.ReserveBatchResponse {
	t.Helper()
	answer, err := w.ReservationClient().ReserveBatch(t.Context(), &pb.ReserveBatchRequest{Reservations: list})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Results) != len(list) {
		t.Fatalf("%d results of %d", len(answer.Results), len(list))
	}
	return answer
}

// randomRequest is one of many that are possible, and of some that are not: ids are used again, for the same and for other SKUs.
func randomRequest(r *rand.Rand) *pb.ReserveRequest {
	q := &pb.ReserveRequest{ReservationId: fmt.Sprint("cart-", r.IntN(60)), Sku: []string{"milk", "tea", "kit", "unheard of"}[r.IntN(4)], Channel: "web",
		Quantity: 1 + r.Int64N(3), Confirmed: r.IntN(3) == 0}
	switch r.IntN(12) {
	case 0:
		q.Channel = "nowhere"
	case 1:
		q.Quantity = -1
	case 2:
		q.ReservationId = ""
	}
	return q
}

// A batch has the results that the calls would have had one by one: in a world of their own, the same requests, the same order.
func TestABatchHasTheResultsOfItsCalls(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 3))
		clock := servicetest.NewClock()
		together, single := servicetest.Start(t, servicetest.Options{Now: clock.Now}), servicetest.Start(t, servicetest.Options{Now: clock.Now})
		for _, w := range []*servicetest.World{together, single} {
			w.Shop()
			w.Count("milk", 25)
			w.Count("tea", 40)
			w.Count("bag", 30)
			w.Kit("kit", "tea", 1, "bag", 2)
		}
		for range 4 {
			var list []*pb.ReserveRequest
			for range r.IntN(40) + 1 {
				list = append(list, randomRequest(r))
			}
			bySKU(list)
			answer := reserveAll(t, together, list...)
			for i, q := range list {
				one, err := single.ReservationClient().Reserve(t.Context(), q)
				got := answer.Results[i]
				if (got.Refusal == nil) != (err == nil) || (got.Reservation == nil) != (err != nil) {
					t.Fatalf("seed %d: %v: batch %v, call %v", seed, q, got, err)
				}
				if err != nil {
					refusedAlike(t, got.Refusal, err)
					continue
				}
				one.Reservation.PolicyPosition, got.Reservation.PolicyPosition = 0, 0
				if !proto.Equal(got.Reservation, one.Reservation) {
					t.Fatalf("seed %d: %v: batch %v, call %v", seed, q, got.Reservation, one.Reservation)
				}
			}
		}
		for _, sku := range []string{"milk", "tea", "bag"} {
			if a, b := together.ATS(sku, now(t, together)), single.ATS(sku, now(t, single)); a != b {
				t.Errorf("seed %d: %s has %d after batches, %d after calls", seed, sku, a, b)
			}
		}
	}
}

// now is a token for everything that a world's store holds.
func now(t *testing.T, w *servicetest.World) string {
	end, err := w.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w.Tokens.Encode(end)
}

// bySKU has no id be used for two SKUs within a list that is decided at once: which one has it is up to the mailboxes.
func bySKU(list []*pb.ReserveRequest) {
	first := map[string]string{}
	for _, q := range list {
		if sku, ok := first[q.ReservationId]; ok {
			q.Sku = sku
		}
		first[q.ReservationId] = q.Sku
	}
}

func refusedAlike(t *testing.T, got *pb.Refusal, err error) {
	t.Helper()
	st := status.Convert(err)
	want := servicetest.Refused(t, err, st.Code(), got.Reason)
	if codes.Code(got.Code) != st.Code() || got.Message != st.Message() || len(want) != len(got.Metadata) {
		t.Fatalf("batch %v, call %v, %v", got, err, want)
	}
	for k, v := range want {
		if got.Metadata[k] != v {
			t.Fatalf("batch %v, call %v", got, want)
		}
	}
}

// Batches from many callers at once, each sent twice, promise what there is and not one more.
func TestBatchesOversellNothing(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 100)
	w.Count("tea", 50)
	var callers sync.WaitGroup
	var reserved [2]atomic.Int64
	for caller := range 16 {
		callers.Go(func() {
			var list []*pb.ReserveRequest
			for i := range 30 {
				list = append(list, &pb.ReserveRequest{ReservationId: fmt.Sprint(caller, "-", i), Sku: []string{"milk", "tea"}[i%2], Channel: "web", Quantity: 1})
			}
			first, again := reserveAll(t, w, list...), reserveAll(t, w, list...)
			for i := range list {
				if first.Results[i].Reservation == nil {
					continue
				}
				reserved[i%2].Add(1)
				if !proto.Equal(first.Results[i], again.Results[i]) {
					t.Errorf("the second time %v, not %v", again.Results[i], first.Results[i])
				}
			}
		})
	}
	callers.Wait()
	if reserved[0].Load() != 100 || reserved[1].Load() != 50 || w.ATS("milk", now(t, w)) != 0 || w.ATS("tea", now(t, w)) != 0 {
		t.Errorf("%d and %d are promised of 100 and 50", reserved[0].Load(), reserved[1].Load())
	}
}

// Of two SKUs in one batch, one has an id; read with the batch's token, everything is seen.
func TestABatchGivesAnIDToOneSKUAndATokenForAll(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 5)
	w.Count("tea", 5)
	answer := reserveAll(t, w, &pb.ReserveRequest{ReservationId: "c", Sku: "milk", Channel: "web", Quantity: 2},
		&pb.ReserveRequest{ReservationId: "c", Sku: "tea", Channel: "web", Quantity: 2}, nil)
	if answer.Results[0].Reservation == nil || answer.Results[1].Refusal.GetReason() != "IDEMPOTENCY_KEY_REUSED" || answer.Results[2].Refusal.GetReason() != "INVALID_FIELDS" {
		t.Errorf("got %v", answer.Results)
	}
	if milk, tea := w.ATS("milk", answer.Token), w.ATS("tea", answer.Token); milk != 3 || tea != 5 {
		t.Errorf("%d of milk and %d of tea are left", milk, tea)
	}
	for _, n := range []int{0, reservation.MaxBatch + 1} {
		_, err := w.ReservationClient().ReserveBatch(t.Context(), &pb.ReserveBatchRequest{Reservations: make([]*pb.ReserveRequest, n)})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
	if empty := reserveAll(t, w, &pb.ReserveRequest{}); empty.Token != "" {
		t.Errorf("nothing was recorded, and the token is %q", empty.Token)
	}
}

// The answer to the largest batch that is possible can be taken by a client that takes no more than gRPC's 4 MiB, though all be refused, in many words.
func TestTheAnswerToALargeBatchCanBeTaken(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	long := strings.Repeat("x", 91)
	w.Count(long, 1)
	for _, q := range []*pb.ReserveRequest{{Sku: long, Channel: "web", Quantity: 5}, {Sku: "unheard of " + long[:80], Channel: "web", Quantity: 1}, {}} {
		list := make([]*pb.ReserveRequest, reservation.MaxBatch)
		for i := range list {
			list[i] = proto.CloneOf(q)
			if q.Sku != "" {
				list[i].ReservationId = fmt.Sprintf("%s%09d", long, i)
			}
		}
		answer := reserveAll(t, w, list...)
		for i, r := range answer.Results {
			if r.Refusal.GetReason() == "" || r.Refusal.Code == 0 {
				t.Fatalf("result %d is %v", i, r)
			}
		}
	}
}

// prompt has every command answered before Submit returns, as may be when another thread decides.
type prompt struct{ commands.Doer[stock.State] }

func (p prompt) Submit(id string, m aggregates.Metadata, in commands.Intention[stock.State], done func(commands.Outcome, error)) error {
	answered := make(chan struct{})
	err := p.Doer.Submit(id, m, in, func(out commands.Outcome, err error) {
		done(out, err)
		close(answered)
	})
	if err == nil {
		<-answered
	}
	return err
}

// What is refused while the rest of the batch is still being handed over is refused, and told so.
func TestRefusalsThatComeAtOnceAreTold(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) {
		config := c.Reservation.(*reservation.Service).Config
		config.SKUs = prompt{config.SKUs}
		c.Reservation = reservation.New(config)
	}})
	w.Shop()
	w.Count("milk", 3)
	answer := reserveAll(t, w, &pb.ReserveRequest{ReservationId: "a", Sku: "milk", Channel: "web", Quantity: 2},
		&pb.ReserveRequest{ReservationId: "b", Sku: "milk", Channel: "web", Quantity: 2})
	if answer.Results[0].Reservation.GetQuantity() != 2 || answer.Results[1].Refusal.GetReason() != "INSUFFICIENT_STOCK" {
		t.Errorf("got %v", answer)
	}
}

// latecomers has commands wait until they are released.
type latecomers struct {
	commands.Doer[stock.State]
	waiting *atomic.Int64
	release chan struct{}
}

func (l latecomers) Submit(id string, m aggregates.Metadata, in commands.Intention[stock.State], done func(commands.Outcome, error)) error {
	l.waiting.Add(1)
	go func() {
		<-l.release
		if err := l.Doer.Submit(id, m, in, done); err != nil {
			done(commands.Outcome{}, err)
		}
	}()
	return nil
}

// While as many reservations of batches are under way as may be, a further batch is refused as a whole: nothing of it was done, and it is told when to try again.
func TestABatchTooManyIsRefusedAsAWhole(t *testing.T) {
	l := latecomers{waiting: &atomic.Int64{}, release: make(chan struct{})}
	var refused atomic.Int64
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) {
		config := c.Reservation.(*reservation.Service).Config
		l.Doer = config.SKUs
		config.SKUs, config.Refused = l, func(n int) { refused.Add(int64(n)) }
		c.Reservation = reservation.New(config)
	}})
	w.Shop()
	w.Count("milk", 30_000)
	batch := func(name string, n int) *pb.ReserveBatchRequest {
		r := &pb.ReserveBatchRequest{}
		for i := range n {
			r.Reservations = append(r.Reservations, &pb.ReserveRequest{ReservationId: fmt.Sprint(name, i), Sku: "milk", Channel: "web", Quantity: 1})
		}
		return r
	}
	ask := func(r *pb.ReserveBatchRequest) (placed int, err error) {
		answer, err := w.ReservationClient().ReserveBatch(t.Context(), r)
		for _, x := range answer.GetResults() {
			if x.Reservation.GetQuantity() == 1 {
				placed++
			}
		}
		return placed, err
	}
	var large sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		large.Go(func() {
			if placed, err := ask(batch(name, reservation.MaxBatch)); placed != reservation.MaxBatch || err != nil {
				t.Errorf("%s: %d were placed, %v", name, placed, err)
			}
		})
	}
	for l.waiting.Load() < 2*reservation.MaxBatch {
		time.Sleep(time.Millisecond)
	}
	small := batch("c", 3)
	_, err := ask(small)
	servicetest.Refused(t, err, codes.ResourceExhausted, api.ReasonOverloaded)
	close(l.release)
	large.Wait()
	if placed, err := ask(small); placed != 3 || err != nil {
		t.Errorf("afterwards: %d were placed, %v", placed, err)
	}
	if n := l.waiting.Load(); n != 2*reservation.MaxBatch+3 || refused.Load() != 3 {
		t.Errorf("%d commands were run, want those of the batches that were let in; %d were counted as refused, want 3", n, refused.Load())
	}
}
