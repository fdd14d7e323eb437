package stock_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/stock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ids atomic.Int64

// fact is a movement at berlin, an hour ago, with an id of its own.
func fact(w *servicetest.World, sku string, quantity int64, change func(*pb.Movement)) *pb.Movement {
	m := &pb.Movement{
		MovementId: fmt.Sprint("m", ids.Add(1)), Source: "wms", Sku: sku, Location: "berlin", Quantity: quantity,
		OccurredAt: codec.Timestamp(w.Now().Add(-time.Hour)),
		Kind:       &pb.Movement_Received_{Received: &pb.Movement_Received{}},
	}
	if change != nil {
		change(m)
	}
	return m
}

func record(t *testing.T, w *servicetest.World, movements ...*pb.Movement) *pb.RecordMovementsResponse {
	t.Helper()
	answer, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: movements})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func getStock(t *testing.T, w *servicetest.World, sku, token string) *pb.Stock {
	t.Helper()
	answer, err := w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: sku, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Stock
}

func TestEveryKindOfMovementMovesWhatItSays(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Location("hamburg")
	kind := func(k func(m *pb.Movement)) func(*pb.Movement) { return k }
	sku := `blue/shirt 100% "XL" größe`
	answer := record(t, w,
		fact(w, sku, 100, nil),
		fact(w, sku, 10, kind(func(m *pb.Movement) {
			m.Kind = &pb.Movement_Received_{Received: &pb.Movement_Received{Condition: pb.Condition_CONDITION_INSPECTION}}
		})),
		fact(w, sku, 7, kind(func(m *pb.Movement) { m.Kind = &pb.Movement_Sold_{Sold: &pb.Movement_Sold{Channel: "web"}} })),
		fact(w, sku, 2, kind(func(m *pb.Movement) {
			m.Kind = &pb.Movement_Returned_{Returned: &pb.Movement_Returned{Condition: pb.Condition_CONDITION_DAMAGED}}
		})),
		fact(w, sku, -3, kind(func(m *pb.Movement) { m.Kind = &pb.Movement_Adjusted_{Adjusted: &pb.Movement_Adjusted{Reason: "lost"}} })),
		fact(w, sku, 4, kind(func(m *pb.Movement) {
			m.Kind = &pb.Movement_ConditionChanged_{ConditionChanged: &pb.Movement_ConditionChanged{
				From: pb.Condition_CONDITION_INSPECTION, To: pb.Condition_CONDITION_QUARANTINED}}
		})),
		fact(w, sku, 20, kind(func(m *pb.Movement) {
			m.Kind = &pb.Movement_TransferShipped{TransferShipped: &pb.Movement_TransferOut{Destination: "hamburg", TransferId: "t"}}
		})),
		fact(w, sku, 15, kind(func(m *pb.Movement) {
			m.Location = "hamburg"
			m.Kind = &pb.Movement_TransferReceived{TransferReceived: &pb.Movement_TransferIn{Origin: "berlin", TransferId: "t"}}
		})),
		fact(w, sku, 60, kind(func(m *pb.Movement) {
			m.OccurredAt = codec.Timestamp(w.Now().Add(-time.Minute))
			m.Kind = &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}
		})),
		fact(w, sku, 0, kind(func(m *pb.Movement) { m.Quantity, m.Decimal = 0, "5" })),
	)
	var effects []int64
	for i, r := range answer.Results {
		if r.Status != pb.MovementResult_STATUS_RECORDED {
			t.Errorf("movement %d: %v", i, r)
		}
		effects = append(effects, r.Effect)
	}
	// The count of 60 outranks what occurred before it: 70 by then; so the last one, an hour old, moves nothing now.
	if want := "[100 10 -7 2 -3 -4 -20 15 -10 0]"; fmt.Sprint(effects) != want {
		t.Errorf("effects %v, want %s", effects, want)
	}
	s := getStock(t, w, sku, answer.Token)
	if s.Sku != sku || s.Unit != "each" || len(s.Locations) != 2 || s.Position == 0 || s.AsOf == nil {
		t.Fatalf("stock %v", s)
	}
	berlin, hamburg := s.Locations[0], s.Locations[1]
	if berlin.Location != "berlin" || berlin.Sellable != 60 || berlin.Inspection != 6 || berlin.Damaged != 2 || berlin.Quarantined != 4 {
		t.Errorf("berlin: %v", berlin)
	}
	if hamburg.Location != "hamburg" || hamburg.Sellable != 15 || hamburg.InTransit != 5 {
		t.Errorf("hamburg: %v", hamburg)
	}
}

func TestEachMovementHasItsOwnResult(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	first := fact(w, "a", 5, nil)
	record(t, w, first)
	conflict := fact(w, "a", 6, func(m *pb.Movement) { m.MovementId = first.MovementId })
	request := []*pb.Movement{
		fact(w, "a", 1, nil), first, conflict, fact(w, "a", 2, func(m *pb.Movement) { m.Location = "atlantis" }),
		fact(w, "b", 0, func(m *pb.Movement) { m.Decimal = "0.5" }), fact(w, "c", 3, nil),
	}
	answer := record(t, w, request...)
	want := []string{"STATUS_RECORDED 1", "STATUS_DUPLICATE 5", "STATUS_DEAD_LETTERED IDEMPOTENCY_KEY_REUSED",
		"STATUS_DEAD_LETTERED UNKNOWN_LOCATION", "STATUS_DEAD_LETTERED TOO_MANY_DECIMALS", "STATUS_RECORDED 3"}
	for i, r := range answer.Results {
		got := fmt.Sprint(r.Status, " ", r.Effect)
		if r.Status == pb.MovementResult_STATUS_DEAD_LETTERED {
			got = fmt.Sprint(r.Status, " ", r.Reason)
			if _, err := w.Desk.Get(t.Context(), r.DeadLetterId); err != nil {
				t.Errorf("movement %d: dead letter %q: %v", i, r.DeadLetterId, err)
			}
		}
		if got != want[i] {
			t.Errorf("movement %d: %s, want %s", i, got, want[i])
		}
	}
	if s := getStock(t, w, "a", answer.Token); s.Locations[0].Sellable != 6 {
		t.Errorf("a: %v", s)
	}

	again := record(t, w, request...)
	for i, r := range again.Results {
		if before := answer.Results[i]; r.DeadLetterId != before.DeadLetterId || r.Effect != before.Effect ||
			r.Status == pb.MovementResult_STATUS_RECORDED {
			t.Errorf("movement %d again: %v, first %v", i, r, before)
		}
	}
	if n, err := w.Desk.CountOpen(t.Context()); err != nil || n != 3 {
		t.Errorf("%d dead letters, %v; want 3", n, err)
	}
}

func TestASaleOfMoreThanIsLeftSaysThatItOversells(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 10)
	if _, err := w.Reserve("cart", "milk", 8); err != nil {
		t.Fatal(err)
	}
	sell := fact(w, "milk", 5, func(m *pb.Movement) {
		m.OccurredAt, m.Kind = codec.Timestamp(w.Now()), &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}
	})
	answer := record(t, w, sell)
	if r := answer.Results[0]; !r.Oversold || r.Effect != -5 {
		t.Errorf("result %v", r)
	}
	if x := getStock(t, w, "milk", answer.Token).Locations[0]; !x.Oversold || x.Sellable != 5 || x.Reserved != 8 {
		t.Errorf("stock %v", x)
	}
}

func TestHoldsThatHaveEndedAreNotReserved(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("milk", 10)
	answer, err := w.ReservationClient().Reserve(t.Context(), &pb.ReserveRequest{
		ReservationId: "cart", Sku: "milk", Channel: "web", Quantity: 8, HoldSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	if x := getStock(t, w, "milk", answer.Token).Locations[0]; x.Reserved != 8 {
		t.Errorf("while it holds: %v", x)
	}
	clock.Advance(time.Minute)
	if x := getStock(t, w, "milk", answer.Token).Locations[0]; x.Reserved != 0 {
		t.Errorf("after its end: %v", x)
	}
}

func TestABadRequestIsRefusedWhole(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	long := strings.Repeat("x", 101)
	good := fact(w, "good", 1, nil)
	_, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{
		good,
		{Quantity: -1},
		fact(w, "a", 1, func(m *pb.Movement) { m.Document, m.Actor, m.Sku = long, "\x01", strings.Repeat("é", 51) }),
		fact(w, "a", 1, func(m *pb.Movement) { m.Decimal, m.OccurredAt = "1", &timestamppb.Timestamp{Nanos: -1} }),
		fact(w, "a", 1, func(m *pb.Movement) {
			m.Kind = &pb.Movement_ConditionChanged_{ConditionChanged: &pb.Movement_ConditionChanged{To: 9}}
		}),
		fact(w, "a", 1, func(m *pb.Movement) {
			m.Kind = &pb.Movement_TransferShipped{TransferShipped: &pb.Movement_TransferOut{}}
		}),
	}})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	fields := servicetest.Fields(err)
	for field, rule := range map[string]string{
		"movements[1].movement_id": "must be 1-100 bytes, is empty", "movements[1].source": "must be 1-100 bytes, is empty",
		"movements[1].sku": "must be 1-100 bytes, is empty", "movements[1].location": "must be 1-100 bytes, is empty",
		"movements[1].occurred_at": "must be given, as a time after 1970", "movements[1].kind": "must be given: one of",
		"movements[1].quantity": "must be 0 to 1000000000000000, is -1",
		"movements[2].document": "must be at most 100 bytes, has 101", "movements[2].actor": "must be printable",
		"movements[2].sku":                          "must be at most 100 bytes, has 102",
		"movements[3].decimal":                      "must be empty when quantity is given",
		"movements[4].condition_changed.to":         "must be a known condition, is 9",
		"movements[5].transfer_shipped.destination": "must be 1-100 bytes, is empty",
	} {
		if !strings.HasPrefix(fields[field], rule) {
			t.Errorf("%s: %q, want %q", field, fields[field], rule)
		}
	}
	if _, err := w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "good"}); err == nil {
		t.Error("a movement of a refused request was recorded")
	}
	for _, n := range []int{0, stock.MaxMovements + 1} {
		movements := make([]*pb.Movement, n)
		for i := range movements {
			movements[i] = good
		}
		_, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: movements})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
}

func TestAFactFromTheFutureRefusesTheRequest(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Location("berlin")
	ahead := func(d time.Duration) *pb.Movement {
		return fact(w, "a", 1, func(m *pb.Movement) { m.OccurredAt = codec.Timestamp(w.Now().Add(d)) })
	}
	_, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{
		ahead(0), ahead(5*time.Minute + time.Microsecond)}})
	servicetest.Refused(t, err, codes.InvalidArgument, "CLOCK_SKEW")
	if !strings.Contains(err.Error(), "movements[1].occurred_at") {
		t.Errorf("the error does not name the movement: %v", err)
	}
	record(t, w, ahead(5*time.Minute))
}

func TestStockOfAnUnknownSKU(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	_, err := w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "nobody"})
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_SKU"); facts["sku"] != "nobody" {
		t.Errorf("facts %v", facts)
	}
	_, err = w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: ""})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	_, err = w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "a", Token: "nonsense"})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
}

func TestATokenWaitsForItsWrite(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Hold: true})
	w.Location("berlin")
	answer := record(t, w, fact(w, "a", 5, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.StockClient().GetStock(ctx, &pb.GetStockRequest{Sku: "a", Token: answer.Token})
	servicetest.Refused(t, err, codes.DeadlineExceeded, "NOT_YET_VISIBLE")
	w.Follow()
	if s := getStock(t, w, "a", answer.Token); s.Locations[0].Sellable != 5 {
		t.Errorf("stock %v", s)
	}
}

// flaky refuses every second append.
type flaky struct {
	commands.Store
	appends atomic.Int64
}

func (f *flaky) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	if strings.HasPrefix(stream, aggregates.SKUPrefix) && f.appends.Add(1)%2 == 1 {
		return commands.Appended{}, commands.ErrUnavailable
	}
	return f.Store.Append(ctx, stream, next, events)
}

func TestARequestThatFailedHalfwayMayBeRepeated(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Store: func(s *pebble.Store) commands.Store { return &flaky{Store: s} }})
	w.Location("berlin")
	request := &pb.RecordMovementsRequest{}
	for i := range 10 {
		request.Movements = append(request.Movements, fact(w, fmt.Sprint("sku", i), int64(i+1), nil))
	}
	failures := 0
	for {
		answer, err := w.StockClient().RecordMovements(t.Context(), request)
		if err == nil {
			for i := range 10 {
				if s := getStock(t, w, fmt.Sprint("sku", i), answer.Token); s.Locations[0].Sellable != int64(i+1) {
					t.Errorf("sku%d: %v", i, s)
				}
			}
			break
		}
		servicetest.Refused(t, err, codes.Unavailable, "STORE_UNAVAILABLE")
		failures++
	}
	if failures == 0 {
		t.Error("no call failed")
	}
}

func TestTheRequestIsTheCauseOfItsEvents(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "req-7")
	m := fact(w, "a", 1, func(m *pb.Movement) { m.CorrelationId, m.Actor, m.Document, m.Line = "corr", "ann", "asn-1", "3" })
	if _, err := w.StockClient().RecordMovements(ctx, &pb.RecordMovementsRequest{Movements: []*pb.Movement{m}}); err != nil {
		t.Fatal(err)
	}
	var got aggregates.Metadata
	err := w.Store.ReadStream(t.Context(), "sku-a", 0, func(r aggregates.Record) bool {
		_, meta, err := codec.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		got = meta
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.CausationID != "req-7" || got.CorrelationID != "corr" || got.Actor != "ann" || got.Source.System != "wms" ||
		got.Source.MessageID != m.MovementId || got.Source.Document != "asn-1" || got.Source.Line != "3" || got.Source.Topic != "" {
		t.Errorf("metadata %+v", got)
	}
	delays := w.Recorder.Delays()
	if len(delays) != 1 || delays[0].Source != "wms" || delays[0].Facts != 1 || delays[0].Last < time.Hour {
		t.Errorf("delays %+v", delays)
	}
}

// nowhere knows no location.
type nowhere struct{}

func (nowhere) Location(string) (location.State, bool) { return location.State{}, false }

func TestASettingAcceptsUnknownLocations(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Quiet: true})
	r := stock.NewRecorder(w.SKUs, nowhere{}, stock.Options{AcceptUnknownLocations: true, Now: w.Now})
	f, err := r.Movement(fact(w, "a", 1, nil), "", aggregates.Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := r.Record(t.Context(), []stock.Fact{f})
	if err != nil || results[0].Err != nil || results[0].Moved != (domain.Moved{Effect: 1}) {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestATrialRecordsNothing(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Quiet: true})
	r := stock.NewRecorder(w.SKUs, nowhere{}, stock.Options{AcceptUnknownLocations: true, Now: w.Now})
	good, _ := r.Movement(fact(w, "a", 1, nil), "", aggregates.Metadata{})
	bad, _ := r.Movement(fact(w, "a", 0, func(m *pb.Movement) { m.Decimal = "0.1" }), "", aggregates.Metadata{})
	if err := r.Try(t.Context(), []stock.Fact{good}); err != nil {
		t.Errorf("a good fact: %v", err)
	}
	if rejection := stock.Reject(r.Try(t.Context(), []stock.Fact{good, bad})); rejection == nil || rejection.Reason != stock.ReasonTooManyDecimals {
		t.Errorf("a bad fact: %v", rejection)
	}
	if end, err := w.Store.End(t.Context()); err != nil || end != 0 {
		t.Errorf("the store ends at %d, %v", end, err)
	}
}
