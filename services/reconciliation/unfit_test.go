package reconciliation_test

import (
	"fmt"
	"strings"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reconciliation"
)

// gaveUp checks that a run is completed, says why nothing of it was compared, and is not among those that are open.
func (s *shop) gaveUp(run *pb.ReconciliationRun, reason string) {
	s.t.Helper()
	got, err := s.ReconciliationClient().GetRun(s.t.Context(), &pb.GetRunRequest{RunId: run.RunId})
	if err != nil {
		s.t.Fatal(err)
	}
	if t := run.Totals; run.CompletedAt == nil || t.Refused != t.Rows || t.Matched != 0 || t.Discrepancies != 0 || t.Rows == 0 {
		s.t.Errorf("got %v", run)
	}
	if len(got.Refused) != 1 || !strings.Contains(got.Refused[0].Reason, reason) {
		s.t.Errorf("refused %v", got.Refused)
	}
	if err := s.Reconcile.Compare(s.t.Context(), run.RunId); err != nil {
		s.t.Error(err)
	}
}

// A snapshot that cannot be compared is not compared again and again for ever.
func TestASnapshotOfTooManyLocationsIsCompletedAndSaysSo(t *testing.T) {
	s := start(t)
	h := s.header("a")
	h.Location, h.Complete = "", true
	var rows []*pb.SourceRow
	for i := range reconciliation.MaxLocations + 1 {
		rows = append(rows, &pb.SourceRow{Sku: "milk", Location: fmt.Sprint("store-", i)})
	}
	run, err := s.reconcile(h, rows...)
	if err != nil {
		t.Fatal(err)
	}
	s.gaveUp(run, "at most 10000 locations")
	s.unchanged(h, rows, run)
}

// unchanged checks that the same snapshot gives the run that there is.
func (s *shop) unchanged(h *pb.SnapshotHeader, rows []*pb.SourceRow, run *pb.ReconciliationRun) {
	s.t.Helper()
	again, err := s.reconcile(h, rows...)
	if err != nil || again.RunId != run.RunId || again.Totals.Refused != run.Totals.Refused {
		s.t.Errorf("again %v, %v", again, err)
	}
}

// All rows of one SKU are in memory at once: there may not be any number of them.
func TestASnapshotWithTooManyRowsOfOneSKUIsCompletedAndSaysSo(t *testing.T) {
	s := start(t)
	h := s.header("a")
	h.Location = ""
	rows := []*pb.SourceRow{{Sku: "ale", Location: "berlin", Quantity: 3}}
	for i := range reconciliation.MaxSKURows + 1 {
		rows = append(rows, &pb.SourceRow{Sku: "milk", Location: fmt.Sprint("store-", i)})
	}
	run, err := s.reconcile(h, rows...)
	if err != nil {
		t.Fatal(err)
	}
	s.gaveUp(run, `SKU "milk" has more than 100000 rows`)
}

// What costs nothing has a price list, too.
func TestARowWhoseUnitsCostNothingIsCompared(t *testing.T) {
	s := start(t)
	run, list := s.found(s.header("a"), &pb.SourceRow{Sku: "milk", Quantity: 93, Currency: "EUR"}, &pb.SourceRow{Sku: "tea", Currency: "eu"}, &pb.SourceRow{Sku: "rye", UnitCost: 1})
	one(t, list, unexplained)
	if run.Totals.Refused != 2 {
		t.Errorf("got %v", run.Totals)
	}
}
