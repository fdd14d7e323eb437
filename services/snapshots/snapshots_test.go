package snapshots_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/snapshots"
)

// shop is a world whose clock the test moves.
type shop struct {
	*testing.T
	*servicetest.World
	clock *servicetest.Clock
	noon  time.Time // when it began
}

func open(t *testing.T) *shop {
	clock := servicetest.NewClock()
	noon := clock.Now().Time()
	s := &shop{T: t, clock: clock, noon: noon, World: servicetest.Start(t, servicetest.Options{Now: clock.Now})}
	s.Shop()
	s.Location("hamburg")
	return s
}

// minute is an instant of the test.
func (s *shop) minute(n int) *timestamppb.Timestamp {
	return timestamppb.New(s.noon.Add(time.Duration(n) * time.Minute))
}

// now moves the clock to a minute.
func (s *shop) now(n int) {
	s.clock.Advance(s.noon.Add(time.Duration(n) * time.Minute).Sub(s.clock.Now().Time()))
}

// receive records a receipt that occurred at a minute.
func (s *shop) receive(at int, quantity, cost int64) {
	s.Move(&pb.Movement{Sku: "tea", Quantity: quantity, OccurredAt: s.minute(at),
		Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{UnitCost: cost, Currency: "EUR"}}})
}

func (s *shop) sell(at int, quantity int64) {
	s.Move(&pb.Movement{Sku: "tea", Quantity: quantity, OccurredAt: s.minute(at), Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}})
}

func (s *shop) take(r *pb.TakeSnapshotRequest) (rows []*pb.SnapshotRow, t *pb.SnapshotTrailer) {
	s.Helper()
	stream, err := s.SnapshotClient().TakeSnapshot(s.Context(), r)
	if err != nil {
		s.Fatal(err)
	}
	for t == nil {
		answer, err := stream.Recv()
		if err != nil {
			s.Fatal(err)
		}
		rows, t = append(rows, answer.Rows...), answer.Trailer
	}
	sum := sha256.New()
	for _, r := range rows {
		sum.Write(snapshots.AppendRow(nil, r))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != t.Sha256 || t.Rows != int64(len(rows)) {
		s.Fatalf("the trailer says %d rows with %s, there are %d with %s", t.Rows, t.Sha256, len(rows), got)
	}
	return rows, t
}

// worth is what is on hand of tea at berlin, and its value.
func (s *shop) worth(at int, axis pb.TimeAxis, v pb.Valuation) [2]int64 {
	s.Helper()
	rows, _ := s.take(&pb.TakeSnapshotRequest{At: s.minute(at), Axis: axis, Valuation: v})
	for _, r := range rows {
		if r.Sku == "tea" && r.Location == "berlin" {
			return [2]int64{r.OnHand, r.Value}
		}
	}
	return [2]int64{}
}

const (
	occurred = pb.TimeAxis_TIME_AXIS_OCCURRED
	recorded = pb.TimeAxis_TIME_AXIS_RECORDED
	average  = pb.Valuation_VALUATION_AVERAGE
	fifo     = pb.Valuation_VALUATION_FIFO
)

// A receipt that comes late is worth what it cost on the occurred axis, where it belongs; what was known does not change.
func TestALateReceiptRevaluesWhatWasTrueOnly(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(10)
	s.receive(10, 10, 200)
	s.now(20)
	s.sell(20, 12)
	s.now(30)
	before := [4][2]int64{s.worth(25, occurred, average), s.worth(25, recorded, average), s.worth(25, occurred, fifo), s.worth(25, recorded, fifo)}
	if want := [4][2]int64{{8, 1200}, {8, 1200}, {8, 1600}, {8, 1600}}; before != want {
		t.Fatalf("worth %v, should be %v", before, want)
	}
	s.receive(5, 10, 60)
	s.now(40)
	after := [4][2]int64{s.worth(25, occurred, average), s.worth(25, recorded, average), s.worth(25, occurred, fifo), s.worth(25, recorded, fifo)}
	// 30 for 3,600, 12 of them sold; first the ten at 100, then two of those at 60
	if want := [4][2]int64{{18, 2160}, {8, 1200}, {18, 2480}, {8, 1600}}; after != want {
		t.Fatalf("worth %v after the late receipt, should be %v", after, want)
	}
	if now := s.worth(35, recorded, average); now != [2]int64{18, 1800} {
		t.Fatalf("known now: %v", now)
	}
}

func TestACorrectedReceiptRevaluesWhatWasTrueOnly(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(10)
	s.sell(10, 4)
	s.now(20)
	s.Move(&pb.Movement{Sku: "tea", Quantity: 10, OccurredAt: s.minute(0), Kind: &pb.Movement_CostCorrected_{
		CostCorrected: &pb.Movement_CostCorrected{UnitCost: 90, InsteadOf: 100, Currency: "EUR"}}})
	s.now(30)
	got := [3][2]int64{s.worth(15, occurred, fifo), s.worth(15, recorded, fifo), s.worth(25, recorded, fifo)}
	if want := [3][2]int64{{6, 540}, {6, 600}, {6, 540}}; got != want {
		t.Fatalf("worth %v, should be %v: true then, known then, known after the correction", got, want)
	}
}

// The cost travels with a transfer, and is in transit meanwhile; opening plus what flowed is closing, and each line has its events.
func TestRollForwardOfATransfer(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(10)
	s.Move(&pb.Movement{Sku: "tea", Quantity: 4, OccurredAt: s.minute(10), Document: "lorry-7", Kind: &pb.Movement_TransferShipped{
		TransferShipped: &pb.Movement_TransferOut{Destination: "hamburg", TransferId: "t"}}})
	s.now(20)
	rows, _ := s.take(&pb.TakeSnapshotRequest{At: s.minute(15)})
	want := []*pb.SnapshotRow{
		{Sku: "tea", Location: "berlin", Unit: "each", OnHand: 6, Currency: "EUR", Value: 600},
		{Sku: "tea", Location: "hamburg", Unit: "each", InTransit: 4, Currency: "EUR", InTransitValue: 400},
	}
	if !equal(rows, want) {
		t.Fatalf("in transit: %v", rows)
	}
	s.Move(&pb.Movement{Sku: "tea", Quantity: 4, Location: "hamburg", OccurredAt: s.minute(20), Kind: &pb.Movement_TransferReceived{
		TransferReceived: &pb.Movement_TransferIn{Origin: "berlin", TransferId: "t"}}})
	s.now(30)
	lines, totals := s.roll(5, 25)
	amount := func(units, value int64) *pb.StockAmount { return &pb.StockAmount{Units: units, Value: value} }
	none := amount(0, 0)
	if !equal(lines, []*pb.RollForwardLine{
		{Sku: "tea", Location: "berlin", Unit: "each", Currency: "EUR", Opening: amount(10, 1000), Received: none, Sold: none, Returned: none,
			Adjusted: none, Transferred: amount(-4, -400), Closing: amount(6, 600)},
		{Sku: "tea", Location: "hamburg", Unit: "each", Currency: "EUR", Opening: none, Received: none, Sold: none, Returned: none,
			Adjusted: none, Transferred: amount(4, 400), Closing: amount(4, 400)},
	}) {
		t.Fatalf("lines %v", lines)
	}
	if !equal(totals, []*pb.RollForwardLine{{Unit: "each", Currency: "EUR", Opening: amount(10, 1000), Received: none, Sold: none,
		Returned: none, Adjusted: none, Transferred: none, Closing: amount(10, 1000)}}) {
		t.Fatalf("totals %v", totals)
	}
	trace, err := s.SnapshotClient().TraceRollForward(t.Context(), &pb.TraceRollForwardRequest{Sku: "tea", From: s.minute(5), To: s.minute(25), PageSize: 1})
	if err != nil || len(trace.Steps) != 1 || trace.Steps[0].Type != "TransferShipped" || trace.Steps[0].Document != "lorry-7" || trace.Steps[0].EventId == "" {
		t.Fatalf("%v, %v", trace, err)
	}
	trace, err = s.SnapshotClient().TraceRollForward(t.Context(), &pb.TraceRollForwardRequest{Sku: "tea", From: s.minute(5), To: s.minute(25), PageSize: 1,
		PageToken: trace.NextPageToken})
	if err != nil || len(trace.Steps) != 1 || trace.Steps[0].Type != "TransferReceived" || trace.NextPageToken != "" {
		t.Fatalf("%v, %v", trace, err)
	}
}

func (s *shop) roll(from, to int) (lines, totals []*pb.RollForwardLine) {
	s.Helper()
	stream, err := s.SnapshotClient().RollForward(s.Context(), &pb.RollForwardRequest{From: s.minute(from), To: s.minute(to)})
	if err != nil {
		s.Fatal(err)
	}
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			return lines, totals
		}
		if err != nil {
			s.Fatal(err)
		}
		lines, totals = append(lines, answer.Lines...), append(totals, answer.Totals...)
	}
}

func equal[M proto.Message](got, want []M) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !proto.Equal(got[i], want[i]) {
			return false
		}
	}
	return true
}

// Whatever rows are told apart by, they add up to the same; and values are divided among conditions without a remainder.
func TestRowsAddUpHoweverTheyAreToldApart(t *testing.T) {
	s := open(t)
	if _, err := s.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "tea", Category: "hot, \"dry\"", Unit: "each"}}); err != nil {
		t.Fatal(err)
	}
	s.receive(0, 7, 33)
	s.Move(&pb.Movement{Sku: "tea", Quantity: 2, Kind: &pb.Movement_ConditionChanged_{ConditionChanged: &pb.Movement_ConditionChanged{
		From: pb.Condition_CONDITION_SELLABLE, To: pb.Condition_CONDITION_DAMAGED}}})
	s.Move(&pb.Movement{Sku: "milk", Location: "hamburg", Quantity: 3, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	s.now(1)
	dimension := func(names string) (by []pb.SnapshotDimension) {
		for _, n := range strings.Fields(names) {
			by = append(by, pb.SnapshotDimension(pb.SnapshotDimension_value["SNAPSHOT_DIMENSION_"+n]))
		}
		return by
	}
	for by, rowsWanted := range map[string]int{"": 2, "SKU": 2, "LOCATION": 2, "DEPARTMENT": 2, "SKU LOCATION CONDITION": 3, "CONDITION": 3, "DEPARTMENT CONDITION": 3} {
		rows, _ := s.take(&pb.TakeSnapshotRequest{At: s.minute(0), By: dimension(by)})
		var units, value, uncosted int64
		for _, r := range rows {
			units, value, uncosted = units+r.OnHand, value+r.Value, uncosted+r.Uncosted
		}
		if units != 10 || value != 231 || uncosted != 3 || len(rows) != rowsWanted {
			t.Errorf("by %q: %d units worth %d, %d without a cost, in %v", by, units, value, uncosted, rows)
		}
	}
}

func TestTheSameQuestionHasTheSameAnswer(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(10)
	first, told := s.take(&pb.TakeSnapshotRequest{At: s.minute(5), Axis: recorded})
	if told.Settled {
		t.Fatal("settled, and nothing later is recorded")
	}
	s.sell(10, 1)
	again, later := s.take(&pb.TakeSnapshotRequest{At: s.minute(5), Axis: recorded})
	if !later.Settled || !equal(first, again) || later.Sha256 != told.Sha256 || later.Position != told.Position || later.Events != 1 {
		t.Fatalf("was %v, is %v", told, later)
	}
	_, told = s.take(&pb.TakeSnapshotRequest{At: s.minute(10)})
	s.sell(3, 2)
	_, other := s.take(&pb.TakeSnapshotRequest{At: s.minute(10)})
	_, same := s.take(&pb.TakeSnapshotRequest{At: s.minute(10), Position: told.Position})
	if other.Sha256 == told.Sha256 || same.Sha256 != told.Sha256 || same.Events != told.Events {
		t.Fatalf("was %v; is %v with its position, %v without", told, same, other)
	}
}

func TestStockOfThePast(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(10)
	s.sell(2, 3)
	for axis, want := range map[pb.TimeAxis]int64{occurred: 7, recorded: 10} {
		got, err := s.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "tea", At: s.minute(5), Axis: axis})
		if err != nil || len(got.Stock.Locations) != 1 || got.Stock.Locations[0].Sellable != want {
			t.Errorf("%v: %v, %v", axis, got, err)
		}
	}
	if _, err := s.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "tea", Axis: recorded}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an axis without an instant: %v", err)
	}
	if _, err := s.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "coal", At: s.minute(5)}); status.Code(err) != codes.NotFound {
		t.Errorf("a SKU that nobody knows: %v", err)
	}
}

func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	s := open(t)
	s.receive(0, 1, 1)
	for name, r := range map[string]*pb.TakeSnapshotRequest{
		"no instant": {}, "the future": {At: s.minute(1)}, "position": {At: s.minute(0), Position: 1000}, "axis": {At: s.minute(0), Axis: 7},
		"by": {At: s.minute(0), By: []pb.SnapshotDimension{9}}, "valuation": {At: s.minute(0), Valuation: 5},
	} {
		stream, err := s.SnapshotClient().TakeSnapshot(t.Context(), r)
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	backwards, err := s.SnapshotClient().RollForward(t.Context(), &pb.RollForwardRequest{From: s.minute(0), To: s.minute(-1)})
	if err == nil {
		_, err = backwards.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("backwards: %v", err)
	}
}

func TestWithoutALedgerNothingIsToldOfThePast(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) { c.Snapshots = snapshots.New(snapshots.Config{}) }})
	stream, err := w.SnapshotClient().TakeSnapshot(t.Context(), &pb.TakeSnapshotRequest{At: codec.Timestamp(w.Now())})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatal(err)
	}
}

func TestSnapshotOverREST(t *testing.T) {
	s := open(t)
	s.receive(0, 10, 100)
	s.now(1)
	for _, path := range []string{"/v1/snapshot?by=SNAPSHOT_DIMENSION_SKU&at=", "/v1/rollforward?from=2020-01-01T00:00:00Z&to="} {
		answer, err := http.Get(s.URL + path + s.minute(0).AsTime().Format(time.RFC3339))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"sku":"tea"`) || !strings.Contains(string(body), `"sha256"`) {
			t.Errorf("%s: %d %s %v", path, answer.StatusCode, body, err)
		}
	}
}

func TestCanonicalFormQuotes(t *testing.T) {
	line := string(snapshots.AppendRow(nil, &pb.SnapshotRow{Sku: `a,"b"`, Location: "x y", Condition: pb.Condition_CONDITION_DAMAGED, Decimals: 3, OnHand: -1}))
	if want := "\"a,\"\"b\"\"\",x y,damaged,,,3,-1,0,0,0,,0,0,0\n"; line != want {
		t.Errorf("%q, should be %q", line, want)
	}
	if a, b := strings.Count(snapshots.RowHeader, ","), strings.Count(string(snapshots.AppendRow(nil, &pb.SnapshotRow{})), ","); a != b {
		t.Errorf("the head has %d commas, a row %d", a, b)
	}
	if a, b := strings.Count(snapshots.LineHeader, ","), strings.Count(string(snapshots.AppendLine(nil, &pb.RollForwardLine{})), ","); a != b {
		t.Errorf("the head has %d commas, a line %d", a, b)
	}
	if n := reflect.TypeOf(pb.SnapshotRow{}).NumField() - 3; n != strings.Count(snapshots.RowHeader, ",")+1 {
		t.Errorf("a row has %d fields, its canonical form has others", n)
	}
}

// A SKU that was sold out, or came later, is none that nobody knows.
func TestStockOfThePastThatIsNone(t *testing.T) {
	s := open(t)
	s.now(1)
	s.receive(1, 10, 100)
	s.now(10)
	s.sell(10, 10)
	for _, axis := range []pb.TimeAxis{occurred, recorded} {
		for _, minute := range []int{0, 10} {
			got, err := s.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "tea", At: s.minute(minute), Axis: axis})
			if err != nil || len(got.Stock.Locations) != 0 || got.Stock.Sku != "tea" || got.Stock.Position == 0 {
				t.Errorf("%v, minute %d: %v, %v", axis, minute, got, err)
			}
		}
	}
}
