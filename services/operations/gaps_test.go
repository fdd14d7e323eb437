package operations_test

import (
	"fmt"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestOpenGapsAreInTheStatusAndInTheHistory(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	counted := func(n int64, sku string) ingest.Message {
		return servicetest.Counted(fmt.Sprint(n), "wms", fmt.Sprint(n), sku, w.Now(), n)
	}
	gaps := func() (status, history []*pb.SequenceGap) {
		t.Helper()
		s, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
		if err != nil {
			t.Fatal(err)
		}
		return s.Gaps, h.Gaps
	}
	w.Ingest(ingest.TopicMovements, 0, counted(3, "milk"), counted(7, "milk"))
	w.Count("bread", 1)
	status, history := gaps()
	if len(status) != 1 || len(history) != 1 || status[0].String() != history[0].String() {
		t.Fatalf("status %v, history %v", status, history)
	}
	g := status[0]
	letter, err := w.Desk.Get(t.Context(), g.DeadLetterId)
	if g.Source != "wms" || g.PartitionKey != "" || g.Topic != ingest.TopicMovements || g.First != 4 || g.Last != 6 || g.Missing != 3 ||
		g.Since == nil || err != nil || letter.State != ingest.Open {
		t.Errorf("gap %v, letter %+v, %v", g, letter, err)
	}
	if other, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "bread"}); err != nil || len(other.Gaps) != 0 {
		t.Errorf("a SKU that the source says nothing of: %v, %v", other, err)
	}
	w.Ingest(ingest.TopicMovements, 2, counted(5, "milk"))
	if status, _ := gaps(); len(status) != 1 || status[0].First != 4 || status[0].Last != 6 || status[0].Missing != 2 {
		t.Errorf("half filled: %v", status)
	}
	w.Ingest(ingest.TopicMovements, 3, counted(6, "milk"), counted(4, "bread"))
	if status, history := gaps(); len(status)+len(history) != 0 {
		t.Errorf("filled: status %v, history %v", status, history)
	}
}
