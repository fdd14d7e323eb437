package reconciliation_test

import (
	"testing"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A run whose chunks do not come is given up after a week, and is not told as one that found nothing. What comes later makes it go on.
func TestARunWhoseChunksDoNotComeIsAbandonedAndGoesOn(t *testing.T) {
	s := &sender{shop: start(t)}
	h := s.header("a")
	s.send(s.chunk(h, 0, false, milk(93)))
	s.clock.Advance(8 * 24 * time.Hour)
	for range 3 {
		s.round()
	}
	if run := s.listed(); !run.Abandoned || run.CompletedAt != nil || run.Totals != nil || run.Rows != 1 {
		t.Errorf("after a week: %v", run)
	}
	s.send(s.chunk(h, 1, true, &pb.SourceRow{Sku: "ale"}))
	if run := s.listed(); run.Abandoned || run.CompletedAt != nil || run.Totals != nil {
		t.Errorf("while it goes on: %v", run)
	}
	s.round()
	if run := s.listed(); run.Abandoned || run.CompletedAt == nil || run.Totals.GetRows() != 2 || run.Totals.Discrepancies != 1 {
		t.Errorf("at its end: %v", run)
	}
}

// listed is the only run of the list.
func (s *sender) listed() *pb.ReconciliationRun {
	s.t.Helper()
	runs, err := s.ReconciliationClient().ListRuns(s.t.Context(), &pb.ListRunsRequest{})
	if err != nil || len(runs.Runs) != 1 {
		s.t.Fatalf("runs %v, %v", runs, err)
	}
	return runs.Runs[0]
}
