package availability_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// bakery is a world whose clock the test moves, and in which days are counted from its start.
type bakery struct {
	*servicetest.World
	t     *testing.T
	clock *servicetest.Clock
	start time.Time
}

func newBakery(t *testing.T) *bakery {
	clock := servicetest.NewClock()
	b := &bakery{World: servicetest.Start(t, servicetest.Options{Now: clock.Now}), t: t, clock: clock, start: clock.Now().Time()}
	b.Shop()
	return b
}

func (b *bakery) day(n int) *timestamppb.Timestamp { return timestamppb.New(b.start.AddDate(0, 0, n)) }

// order tells of a purchase order of bread for berlin.
func (b *bakery) order(document string, quantity int64, due *timestamppb.Timestamp) string {
	return b.Move(&pb.Movement{Sku: "bread", Location: "berlin", Document: document, Line: "1", Quantity: quantity,
		Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{DueAt: due}}})
}

func (b *bakery) reserveFor(id string, quantity int64, date *timestamppb.Timestamp) (*pb.ReserveResponse, error) {
	return b.ReservationClient().Reserve(b.t.Context(), &pb.ReserveRequest{ReservationId: id, Sku: "bread", Channel: "web",
		Quantity: quantity, Confirmed: true, PromiseAt: date})
}

// promises expects these steps: pairs of a day and a quantity; the first day is now.
func (b *bakery) promises(want ...int64) *pb.GetAvailabilityToPromiseResponse {
	b.t.Helper()
	answer, err := b.AvailabilityClient().GetAvailabilityToPromise(b.t.Context(), &pb.GetAvailabilityToPromiseRequest{Sku: "bread", Channel: "web"})
	if err != nil {
		b.t.Fatal(err)
	}
	var got []int64
	for _, s := range answer.Steps {
		got = append(got, int64(s.From.AsTime().Sub(b.start).Hours()/24), s.Quantity)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Fatalf("steps %v, expected %v", got, want)
	}
	return answer
}

// A purchase order of 100 is due on day 4, 30 are promised for day 7, and then it slips, comes in part and is cancelled.
func TestAPurchaseOrderFromPromiseToShortfall(t *testing.T) {
	b := newBakery(t)
	b.Count("bread", 20)
	b.order("po-1", 100, b.day(4))
	b.promises(0, 20, 4, 120)

	placed, err := b.reserveFor("preorder", 30, b.day(7))
	if err != nil {
		t.Fatal(err)
	}
	if uses := placed.Reservation.Supply; len(uses) != 1 || uses[0].Document != "po-1" || uses[0].Quantity != 10 || uses[0].Location != "berlin" {
		t.Errorf("it counts on %v", uses)
	}
	again, err := b.reserveFor("preorder", 30, b.day(7))
	if err != nil || again.Reservation.PromiseAt.AsTime() != b.day(7).AsTime() || len(again.Reservation.Supply) != 1 {
		t.Errorf("repeated: %v, %v", again, err)
	}
	_, err = b.reserveFor("preorder", 30, b.day(8))
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	b.promises(0, 20, 4, 90)
	if ats := b.ATS("bread", placed.Token); ats != 20 {
		t.Errorf("ATS is %d", ats)
	}
	_, err = b.reserveFor("too much", 91, b.day(5))
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "90" || facts["promise_at"] == "" {
		t.Errorf("refused with %v", facts)
	}

	found, err := b.ReservationClient().GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "preorder", Token: placed.Token})
	if err != nil || found.Reservation.PromiseAt.AsTime() != b.day(7).AsTime() || len(found.Reservation.Supply) != 1 {
		t.Errorf("found %v, %v", found, err)
	}

	b.Move(&pb.Movement{Sku: "bread", Location: "berlin", Document: "po-1", Line: "1", Quantity: 5, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	b.promises(0, 25, 4, 90)
	answer, err := b.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{
		MovementId: "cancel", Source: "erp", Sku: "bread", Document: "po-1", OccurredAt: codec.Timestamp(b.Now()),
		Kind: &pb.Movement_SupplyCancelled{SupplyCancelled: &pb.Movement_Cancelled{Reason: "mill burnt"}}}}})
	if err != nil || !answer.Results[0].Short || answer.Results[0].Oversold {
		t.Fatalf("cancelled %v, %v", answer, err)
	}
	b.promises(0, 0)
	events, err := b.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "bread", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	short := events.Events[0].GetShortfallDetected()
	if short.GetMissing() != 5 || len(short.GetPromises()) != 1 || short.Promises[0].ReservationId != "preorder" || short.Promises[0].Quantity != 5 {
		t.Errorf("shortfall %v", events.Events[0])
	}
}

func TestAChannelWithNothingToSellSaysWhenItHas(t *testing.T) {
	b := newBakery(t)
	token := b.order("po-1", 10, b.day(2))
	for _, consistency := range []pb.Consistency{pb.Consistency_CONSISTENCY_UNSPECIFIED, pb.Consistency_CONSISTENCY_STRONG} {
		answer, err := b.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "bread", Channel: "web", Token: token, Consistency: consistency})
		if err != nil || answer.Availability.Ats != 0 || answer.Availability.NextAvailableAt.AsTime() != b.day(2).AsTime() {
			t.Errorf("%v: %v, %v", consistency, answer, err)
		}
	}
	stock, err := b.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "bread", Token: token})
	if err != nil || stock.Stock.Locations[0].Incoming != 10 {
		t.Errorf("stock %v, %v", stock, err)
	}
	b.clock.Advance(49 * time.Hour)
	if answer := b.promises(2, 0); answer.Overdue != 10 {
		t.Errorf("overdue: %v", answer)
	}
	token = b.Count("bread", 1)
	answer, err := b.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "bread", Channel: "web", Token: token})
	if err != nil || answer.Availability.NextAvailableAt != nil {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestSupplyIsListedPageByPage(t *testing.T) {
	b := newBakery(t)
	for i := range 25 {
		b.order(fmt.Sprintf("po-%02d", i), int64(i), b.day(i+1))
	}
	b.Move(&pb.Movement{Sku: "bread", Document: "po-07", Kind: &pb.Movement_SupplyCancelled{SupplyCancelled: &pb.Movement_Cancelled{}}})
	b.Move(&pb.Movement{Sku: "bread", Location: "berlin", Quantity: 6, Kind: &pb.Movement_TransferShipped{
		TransferShipped: &pb.Movement_TransferOut{Destination: "berlin", TransferId: "po-03", DueAt: b.day(3)}}})
	for _, openOnly := range []bool{true, false} {
		r := &pb.ListSupplyRequest{Sku: "bread", OpenOnly: openOnly, PageSize: 4}
		var lines []*pb.SupplyLine
		for {
			page, err := b.AvailabilityClient().ListSupply(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, page.Lines...)
			if r.PageToken = page.NextPageToken; r.PageToken == "" {
				break
			}
		}
		var sum int64
		for i, l := range lines {
			sum += l.Open
			if i > 0 && (l.Document < lines[i-1].Document || l.Document == lines[i-1].Document && l.Kind <= lines[i-1].Kind) {
				t.Errorf("%v comes after %v", l, lines[i-1])
			}
		}
		want := 26
		if openOnly {
			want = 24 // but for the cancelled one and the one of 0
		}
		if len(lines) != want || sum != 24*25/2-7+6 {
			t.Errorf("%d lines with %d open, open only: %v", len(lines), sum, openOnly)
		}
	}
	_, err := b.AvailabilityClient().ListSupply(t.Context(), &pb.ListSupplyRequest{Sku: "bread", PageToken: "x"})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
}

func TestSupplyOverREST(t *testing.T) {
	b := newBakery(t)
	b.order("po-1", 10, b.day(2))
	for path, want := range map[string]string{"/v1/availability/bread/promise?channel=web": "steps", "/v1/supply/bread": "lines"} {
		answer, err := http.Get(b.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		var fields map[string]json.RawMessage
		if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, &fields) != nil || len(fields[want]) < 10 {
			t.Errorf("%s: %d %s %v", path, answer.StatusCode, text, err)
		}
	}
}

func TestWhatATPRefuses(t *testing.T) {
	b := newBakery(t)
	_, err := b.AvailabilityClient().GetAvailabilityToPromise(t.Context(), &pb.GetAvailabilityToPromiseRequest{Sku: "bread", Channel: "nowhere"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
	_, err = b.AvailabilityClient().GetAvailabilityToPromise(t.Context(), &pb.GetAvailabilityToPromiseRequest{Channel: "web"})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	if answer := b.promises(0, 0); answer.Known || answer.Position != 0 {
		t.Errorf("an unknown SKU: %v", answer)
	}
	b.Count("bread", 1)
	_, err = b.reserveFor("far", 1, b.day(401))
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	for what, m := range map[string]*pb.Movement{
		"document":               {Location: "berlin", Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{DueAt: b.day(1)}}},
		"supply_expected.due_at": {Location: "berlin", Document: "po", Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{}}},
		"supply_cancelled.kind":  {Document: "po", Kind: &pb.Movement_SupplyCancelled{SupplyCancelled: &pb.Movement_Cancelled{Kind: 17}}},
		"quantity":               {Document: "po", Quantity: 3, Kind: &pb.Movement_SupplyCancelled{SupplyCancelled: &pb.Movement_Cancelled{}}},
		"location":               {Document: "po", Kind: &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{DueAt: b.day(1)}}},
	} {
		m.MovementId, m.Source, m.Sku, m.OccurredAt = what, "erp", "bread", codec.Timestamp(b.Now())
		_, err := b.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{m}})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
		if fields := servicetest.Fields(err); len(fields) != 1 || fields["movements[0]."+what] == "" {
			t.Errorf("%s: %v is wrong", what, fields)
		}
	}
}

// Many clients want what one purchase order brings, for dates of their own: exactly that much is promised.
func TestPromisesForADateNeverExceedWhatComes(t *testing.T) {
	b := newBakery(t)
	b.order("po-1", 40, b.day(2))
	b.order("po-2", 20, b.day(5))
	var granted atomic.Int64
	var clients sync.WaitGroup
	for i := range 120 {
		clients.Go(func() {
			_, err := b.reserveFor(fmt.Sprint("cart-", i), 1, b.day(3+i%3))
			switch status.Code(err) {
			case codes.OK:
				granted.Add(1)
			case codes.FailedPrecondition:
			default:
				t.Error(err)
			}
		})
	}
	clients.Wait()
	// Those for day 5 may have the second order's 20; the others have no more than the first one's 40.
	if granted.Load() != 60 {
		t.Errorf("%d were promised", granted.Load())
	}
	b.promises(0, 0)
}
