package reconciliation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	domain "github.com/stockfold/stockfold/aggregates/reconciliation"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
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

// As many runs as there may be that are not completed do not hold up the messages that would complete them.
func TestChunksBehindOneRunTooManyAreTakenIn(t *testing.T) {
	s := &sender{shop: start(t)}
	var messages []ingest.Message
	header := func(i int) *pb.SnapshotHeader { return s.header(fmt.Sprint("doc-", i)) }
	for i := range domain.MaxOpen + 1 {
		messages = append(messages, s.chunk(header(i), 0, false, milk(93)))
	}
	last := s.chunk(header(7), 1, true, &pb.SourceRow{Sku: "ale"})
	s.send(append(messages, last)...)
	if letters := s.rejected(); len(letters) != 1 || !strings.Contains(letters[0], "TOO_MANY_RUNS") {
		t.Fatalf("%d letters: %.300v", len(letters), letters)
	}
	s.round()
	runs, err := s.ReconciliationClient().ListRuns(t.Context(), &pb.ListRunsRequest{PageSize: 1})
	if err != nil || len(runs.Runs) != 1 || runs.Runs[0].Header.Document != "doc-7" || runs.Runs[0].CompletedAt == nil {
		t.Fatalf("%v, %v", runs, err)
	}
	list, _, err := s.Desk.List(t.Context(), ingest.Query{State: ingest.Open, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if letter, err := s.Desk.Replay(t.Context(), list[0].ID, "tester"); err != nil || letter.State != ingest.Replayed {
		t.Errorf("replayed when there is room: %v, %v", letter.State, err)
	}
}
