package reconciliation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// shop is a world whose clock stands, with a warehouse of 100 milk that was counted an hour ago.
type shop struct {
	*servicetest.World
	t     *testing.T
	clock *servicetest.Clock
	asOf  aggregates.Instant
}

func start(t *testing.T, options ...func(*servicetest.Options)) *shop {
	t.Helper()
	s := &shop{t: t, clock: servicetest.NewClock()}
	o := servicetest.Options{Now: s.clock.Now}
	for _, with := range options {
		with(&o)
	}
	s.World = servicetest.Start(t, o)
	s.Shop()
	s.Count("milk", 100)
	s.clock.Advance(time.Hour)
	s.asOf = s.Now()
	s.clock.Advance(time.Minute)
	return s
}

func (s *shop) header(document string) *pb.SnapshotHeader {
	return &pb.SnapshotHeader{Source: "erp", Document: document, AsOf: codec.Timestamp(s.asOf), Location: "berlin"}
}

// reconcile sends a snapshot.
func (s *shop) reconcile(h *pb.SnapshotHeader, rows ...*pb.SourceRow) (*pb.ReconciliationRun, error) {
	s.t.Helper()
	stream, err := s.ReconciliationClient().StartRun(s.t.Context())
	if err != nil {
		return nil, err
	}
	_ = stream.Send(&pb.StartRunRequest{Header: h}) // why it is refused, the answer tells
	for i := 0; i < len(rows); i += 700 {
		_ = stream.Send(&pb.StartRunRequest{Rows: rows[i:min(i+700, len(rows))]})
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetRun(), err
}

// found reconciles and lists what was found.
func (s *shop) found(h *pb.SnapshotHeader, rows ...*pb.SourceRow) (*pb.ReconciliationRun, []*pb.Discrepancy) {
	s.t.Helper()
	run, err := s.reconcile(h, rows...)
	if err != nil {
		s.t.Fatal(err)
	}
	return run, s.discrepancies(run.RunId)
}

func (s *shop) discrepancies(id string) (all []*pb.Discrepancy) {
	s.t.Helper()
	for request := (&pb.ListDiscrepanciesRequest{RunId: id, PageSize: 7}); ; {
		page, err := s.ReconciliationClient().ListDiscrepancies(s.t.Context(), request)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, page.Discrepancies...)
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			return all
		}
	}
}

func milk(quantity int64) *pb.SourceRow { return &pb.SourceRow{Sku: "milk", Quantity: quantity} }

// one checks that there is one discrepancy, of a class.
func one(t *testing.T, list []*pb.Discrepancy, class pb.DiscrepancyClass) *pb.Discrepancy {
	t.Helper()
	if len(list) != 1 || list[0].Class != class {
		t.Fatalf("got %v, want one of %v", list, class)
	}
	return list[0]
}

func (s *shop) sold(quantity int64, before time.Duration) {
	s.Move(&pb.Movement{Sku: "milk", Quantity: quantity, OccurredAt: codec.Timestamp(s.asOf.Add(-before)), Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}})
}

func TestWhatAgreesIsMatched(t *testing.T) {
	s := start(t)
	s.sold(9, -time.Second) // after the as-of time: not part of it
	run, list := s.found(s.header("a"), milk(100))
	if len(list) != 0 || run.Totals.Matched != 1 || run.Totals.Rows != 1 || run.CompletedAt == nil {
		t.Errorf("got %v, %v", run, list)
	}
}

func TestALateEventIsNamedAndBothNumbersAreTold(t *testing.T) {
	s := start(t)
	s.sold(9, time.Minute)
	s.clock.Advance(time.Second)
	_, list := s.found(s.header("a"), milk(91))
	d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_LATE_EVENT)
	if d.Said != 91 || d.Held != 91 || d.HeldThen != 100 || len(d.Evidence) != 1 || d.Evidence[0].Units != -9 {
		t.Errorf("got %v", d)
	}
}

func TestADifferenceWithoutEvidenceIsUnexplained(t *testing.T) {
	s := start(t)
	run, list := s.found(s.header("a"), &pb.SourceRow{Sku: "milk", Quantity: 93, UnitCost: 120, Currency: "EUR"})
	d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)
	if d.ValueAtRisk != 840 || d.Currency != "EUR" || d.Proposed != 0 {
		t.Errorf("got %v", d)
	}
	if v := run.Totals.ValueAtRisk; len(v) != 1 || v[0].MinorUnits != 840 {
		t.Errorf("totals %v", run.Totals)
	}
}

func TestTheSameSnapshotHasOneRunAndAnotherOneOfItsNameIsRefused(t *testing.T) {
	s := start(t)
	first, _ := s.found(s.header("a"), milk(93))
	s.clock.Advance(time.Hour)
	again, list := s.found(s.header("a"), milk(93))
	if again.RunId != first.RunId || len(list) != 1 || !again.CompletedAt.AsTime().Equal(first.CompletedAt.AsTime()) {
		t.Errorf("first %v, again %v, %v", first, again, list)
	}
	_, err := s.reconcile(s.header("a"), milk(94))
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	other := s.header("a")
	other.Complete = true
	_, err = s.reconcile(other, milk(93))
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	runs, err := s.ReconciliationClient().ListRuns(t.Context(), &pb.ListRunsRequest{Source: "erp"})
	if err != nil || len(runs.Runs) != 1 || runs.Runs[0].Totals.Discrepancies != 1 {
		t.Errorf("runs %v, %v", runs, err)
	}
}

func TestARowThatCannotBeReadIsListedWithItsLine(t *testing.T) {
	s := start(t)
	run, list := s.found(s.header("a"), milk(100), &pb.SourceRow{Sku: "", Quantity: 1, Line: 7}, &pb.SourceRow{Sku: "milk", Decimal: "1.5", Condition: "damaged", Line: 8})
	got, err := s.ReconciliationClient().GetRun(t.Context(), &pb.GetRunRequest{RunId: run.RunId})
	if err != nil || len(list) != 0 || len(got.Refused) != 2 || got.Refused[0].Line != 7 || got.Refused[1].Line != 8 {
		t.Errorf("got %v, %v, %v", got, list, err)
	}
	if run.Totals.Refused != 2 || run.Totals.Matched != 1 {
		t.Errorf("totals %v", run.Totals)
	}
	if ratio := s.Reconcile.Stats().Last["erp"].Ratio; ratio != 2.0/3 {
		t.Errorf("with 2 of 3 rows unread, %v of the last run differs", ratio)
	}
	s.found(s.header("b"), &pb.SourceRow{Sku: "", Quantity: 1, Line: 7}) // an alert that waits for this number does not end here
	if ratio := s.Reconcile.Stats().Last["erp"].Ratio; ratio != 1 {
		t.Errorf("with nothing read, %v of the last run differs", ratio)
	}
}

func TestWhatIsWrongWithAHeaderIsNamed(t *testing.T) {
	s := start(t)
	h := s.header("")
	h.AsOf, h.Channel = codec.Timestamp(s.Now().Add(time.Hour)), "web"
	_, err := s.reconcile(h)
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	for _, field := range []string{"header.document", "header.as_of", "header.channel"} {
		if servicetest.Fields(err)[field] == "" {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	_, err = s.ReconciliationClient().GetRun(t.Context(), &pb.GetRunRequest{RunId: "none"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_RUN")
}

func TestACompleteSnapshotSaysThatTheRestIsNothing(t *testing.T) {
	s := start(t)
	s.Location("köln")
	for _, m := range []*pb.Movement{{Sku: "tea", Quantity: 4}, {Sku: "ale", Quantity: 2}, {Sku: "rye", Quantity: 3, Location: "köln"}} {
		m.OccurredAt, m.Kind = codec.Timestamp(s.asOf.Add(-time.Minute)), &pb.Movement_Received_{Received: &pb.Movement_Received{}}
		s.Move(m)
	}
	s.clock.Advance(time.Second)
	h := s.header("a")
	h.Complete = true
	_, list := s.found(h, milk(100))
	if len(list) != 2 || list[0].Sku != "ale" || list[1].Sku != "tea" || list[1].Held != 4 || list[1].Said != 0 {
		t.Errorf("got %v", list)
	}
}

// Two rows of one place are told, whatever they say; a hundred thousand others are compared, in files beside each other.
func TestALargeSnapshotIsSorted(t *testing.T) {
	s := start(t)
	rows := []*pb.SourceRow{milk(100)}
	for i := range 4_500 {
		rows = append(rows, &pb.SourceRow{Sku: fmt.Sprintf("none-%04d", (i*7919)%4_500)})
	}
	rows = append(rows, milk(100))
	run, list := s.found(s.header("a"), rows...)
	d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_DUPLICATE)
	if len(d.Evidence) != 2 || run.Totals.Matched != 4_500 || run.Totals.Rows != 4_502 {
		t.Errorf("got %v, %v", d, run.Totals)
	}
}

func correcting(h *pb.SnapshotHeader, most, total int64) *pb.SnapshotHeader {
	h.Policy, h.MaxUnits, h.MaxTotalUnits = pb.ReconciliationPolicy_RECONCILIATION_POLICY_CORRECT, most, total
	return h
}

func (s *shop) own(system string) {
	s.t.Helper()
	_, err := s.PolicyClient().PutOwners(s.t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "berlin", Ownerships: []*pb.Ownership{
		{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{system, "test"}}}}})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestTheSystemOfRecordCorrectsWithinTheLimitsAndOnce(t *testing.T) {
	s := start(t)
	s.own("erp")
	s.Count("tea", 50)
	run, list := s.found(correcting(s.header("a"), 10, 100), milk(93))
	d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)
	if d.Proposed != -7 || !d.WithinLimits || run.Totals.Corrected != 1 || run.Totals.CorrectedUnits != 7 {
		t.Errorf("got %v, %v", d, run.Totals)
	}
	for range 3 {
		if _, err := s.reconcile(correcting(s.header("a"), 10, 100), milk(93)); err != nil {
			t.Fatal(err)
		}
		if err := s.Reconcile.Compare(context.Background(), run.RunId); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
	if err != nil || len(events.Events) != 3 || events.Events[0].CorrelationId != run.RunId || events.Events[0].GetStockAdjusted().GetDelta() != -7 {
		t.Errorf("got %v, %v", events, err)
	}
	s.clock.Advance(time.Second)
	if _, list := s.found(s.header("b"), milk(93)); len(list) != 1 || list[0].Class != pb.DiscrepancyClass_DISCREPANCY_CLASS_LATE_EVENT || list[0].Held != 93 {
		t.Errorf("after the correction: %v", list)
	}
}

func TestBeyondTheLimitsAndByOthersItIsProposed(t *testing.T) {
	s := start(t)
	s.own("erp")
	_, list := s.found(correcting(s.header("a"), 6, 100), milk(93))
	if d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED); d.Proposed != -7 || d.WithinLimits {
		t.Errorf("beyond the limit of one place: %v", d)
	}
	run, _ := s.found(correcting(s.header("b"), 10, 6), milk(93))
	if run.Totals.Corrected != 0 {
		t.Errorf("beyond the limit of all: %v", run.Totals)
	}
	s.own("wms")
	_, list = s.found(correcting(s.header("c"), 10, 100), milk(93))
	if d := one(t, list, pb.DiscrepancyClass_DISCREPANCY_CLASS_NOT_OWNER); d.Proposed != 0 || d.WithinLimits {
		t.Errorf("of another than the system of record: %v", d)
	}
	events, err := s.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
	if err != nil || len(events.Events) != 2 {
		t.Errorf("something was corrected: %v, %v", events, err)
	}
}

// Once a correction would go beyond the limit of all, nothing more is corrected, however little.
func TestBeyondTheLimitOfAllNothingMoreIsCorrected(t *testing.T) {
	s := start(t)
	s.own("erp")
	s.Count("ale", 50)
	s.Count("tea", 50)
	s.clock.Advance(time.Second)
	s.asOf = s.Now()
	s.clock.Advance(time.Second)
	run, _ := s.found(correcting(s.header("a"), 10, 9), &pb.SourceRow{Sku: "ale", Quantity: 43}, milk(94), &pb.SourceRow{Sku: "tea", Quantity: 49})
	if run.Totals.Discrepancies != 3 || run.Totals.Corrected != 1 || run.Totals.CorrectedUnits != 7 {
		t.Errorf("got %v", run.Totals)
	}
}
