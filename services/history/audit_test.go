package history_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/servicetest"
)

// stored reads every page.
func stored(t *testing.T, w *servicetest.World, r *pb.ListStoredEventsRequest) (events []*pb.StoredEvent) {
	t.Helper()
	for {
		page, err := w.HistoryClient().ListStoredEvents(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sku == "" && r.Stream == "" && r.From == nil && len(page.Events) > 0 && page.FirstIndex != int64(len(events)) {
			t.Fatalf("the page begins at %d, not %d", page.FirstIndex, len(events))
		}
		events = append(events, page.Events...)
		if r.PageToken = page.NextPageToken; r.PageToken == "" {
			return events
		}
	}
}

// What is listed is enough to verify everything, by the listing alone.
func TestStoredEventsVerifyAgainstARecordedHead(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	servicetest.Refused(t, errOf(w.HistoryClient().GetTreeHead(t.Context(), &pb.GetTreeHeadRequest{})), codes.NotFound, "NO_TREE_HEAD")
	w.Shop()
	for i := range int64(5) {
		w.Count("milk", i)
	}
	head := recordHead(t, w)
	w.Count("milk", 99)
	for _, size := range []int32{1, 3, 0} {
		v := audit.NewVerifier(head.VerifierKey)
		if err := v.Expect(head.Note, "the service"); err != nil {
			t.Fatal(err)
		}
		for _, x := range stored(t, w, &pb.ListStoredEventsRequest{PageSize: size}) {
			r, err := codec.ParseLeaf(x.Leaf)
			if err != nil {
				t.Fatal(err)
			}
			r.Position = x.Event.Position
			if err := v.Add(&r); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.End(); err != nil || v.Heads != 1 || v.Proved() != head.Position || v.Size() != head.TreeSize+2 {
			t.Errorf("pages of %d: %v, %+v", size, err, v)
		}
	}
	if again, _ := w.HistoryClient().GetTreeHead(t.Context(), &pb.GetTreeHeadRequest{}); again.GetHead().GetNote() != head.Note {
		t.Errorf("the newest head is %v", again)
	}
}

func errOf(_ any, err error) error { return err }

func TestStoredEventsOfASKUAndOfAPeriod(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	for i := range int64(6) {
		clock.Advance(1e9)
		w.Count("milk", i)
		w.Count("tea", i)
	}
	milk := stored(t, w, &pb.ListStoredEventsRequest{Sku: "milk", PageSize: 2})
	if len(milk) != 7 || milk[6].Event.Revision != 6 {
		t.Fatalf("%d events of milk", len(milk))
	}
	from, until := milk[2].Event.RecordedAt, milk[5].Event.RecordedAt
	for _, size := range []int32{1, 0} {
		period := stored(t, w, &pb.ListStoredEventsRequest{From: from, Until: until, PageSize: size})
		if len(period) != 6 {
			t.Errorf("pages of %d: %d events in the period", size, len(period))
		}
	}
	if none := stored(t, w, &pb.ListStoredEventsRequest{From: timestamppb.New(clock.Now().Time().Add(1e9))}); len(none) != 0 {
		t.Errorf("%d events that are to come", len(none))
	}
	_, err := w.HistoryClient().ListStoredEvents(t.Context(), &pb.ListStoredEventsRequest{Sku: "milk", Stream: "sku-tea", From: &timestamppb.Timestamp{Nanos: -1}})
	if f := servicetest.Fields(err); f["stream"] == "" || f["from"] == "" {
		t.Errorf("got %v", err)
	}
}

func TestAnEventIsProvedByAHeadAlone(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 5)
	events := all(t, w, &pb.ListEventsRequest{Sku: "milk"})
	ask := &pb.ProveEventRequest{EventId: events[0].EventId}
	servicetest.Refused(t, errOf(w.HistoryClient().ProveEvent(t.Context(), ask)), codes.NotFound, "NO_TREE_HEAD")
	earlier := recordHead(t, w)
	proof, err := w.HistoryClient().ProveEvent(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	h, err := audit.OpenHead(earlier.Note, earlier.VerifierKey)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := audit.CheckProof(h, proof.Index, proof.Path, proof.Stored.Leaf); err != nil || r.ID.String() != ask.EventId {
		t.Errorf("%v, %v", r, err)
	}
	r, _ := codec.ParseLeaf(proof.Stored.Leaf)
	hash, _ := codec.LeafHash(nil, &r)
	madeUp := aggregates.Record{Stream: "sku-tea", NewEvent: aggregates.NewEvent{Type: r.Type, Data: append(append([]byte{14<<3 | 2, 32}, hash[:]...), r.Data[34:]...)}}
	if _, err := audit.CheckProof(h, proof.Index, proof.Path, codec.AppendLeaf(nil, &madeUp)); !errors.Is(err, audit.ErrCondensed) {
		t.Errorf("what was made up around the hash of a leaf is proved: %v", err)
	}
	proof.Stored.Leaf[len(proof.Stored.Leaf)-1]++
	if _, err := audit.CheckProof(h, proof.Index, proof.Path, proof.Stored.Leaf); err == nil {
		t.Error("another event is proved as well")
	}

	for i := range int64(9) {
		w.Count("milk", i)
	}
	later := all(t, w, &pb.ListEventsRequest{Sku: "milk"})[0]
	servicetest.Refused(t, errOf(w.HistoryClient().ProveEvent(t.Context(), &pb.ProveEventRequest{EventId: later.EventId})), codes.FailedPrecondition, "NOT_IN_TREE_HEAD")
	servicetest.Refused(t, errOf(w.HistoryClient().ProveEvent(t.Context(), &pb.ProveEventRequest{EventId: "nothing"})), codes.NotFound, "UNKNOWN_EVENT")
	now := recordHead(t, w)
	consistent, err := w.HistoryClient().ProveConsistency(t.Context(), &pb.ProveConsistencyRequest{TreeSize: earlier.TreeSize})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := audit.OpenHead(now.Note, now.VerifierKey)
	if err := audit.CheckConsistency(h, n, consistent.Path); err != nil {
		t.Error(err)
	}
	h.Root[0]++
	if audit.CheckConsistency(h, n, consistent.Path) == nil {
		t.Error("another history is proved to be the beginning as well")
	}
}

// tree draws a trace: each step below the one that it follows from.
func tree(steps []*pb.TraceStep, parent, indent string) (text string) {
	for _, s := range steps {
		if s.ParentId != parent {
			continue
		}
		what := s.Kind
		if s.Event != nil {
			what = s.Event.Type + " " + s.Event.Stream
		}
		text += fmt.Sprintf("%s%s (%s)\n", indent, what, s.Through) + tree(steps, s.Id, indent+"  ")
	}
	return text
}

func traced(t *testing.T, w *servicetest.World, id string, size int32) (steps []*pb.TraceStep) {
	t.Helper()
	for r := (&pb.TraceRequest{Id: id, PageSize: size}); ; {
		page, err := w.HistoryClient().Trace(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, page.Steps...)
		if r.PageToken = page.NextPageToken; r.PageToken == "" {
			return steps
		}
	}
}

// An order over two SKUs is traced from any of its ids, across streams.
func TestATraceFollowsAnOrderAcrossStreams(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 5)
	w.Count("tea", 5)
	_, err := w.OrderClient().ReserveOrder(t.Context(), &pb.ReserveOrderRequest{OrderId: "o-1", Channel: "web", Confirm: true, Actor: "shop",
		Lines: []*pb.OrderedLine{{Line: "1", Sku: "milk", Quantity: 2}, {Line: "2", Sku: "tea", Quantity: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	streams := func(steps []*pb.TraceStep) string {
		n := map[string]int{}
		for _, s := range steps {
			if s.Event != nil {
				n[s.Event.Stream]++
			}
		}
		return fmt.Sprint(n)
	}
	whole := traced(t, w, "o-1", 0)
	want := streams(whole)
	if n := len(whole); n < 6 || streams(traced(t, w, "o-1", 1)) != want {
		t.Errorf("%d steps: %s", n, want)
	}
	for _, s := range whole {
		if s.Event != nil && s.Event.Stream != "order-o-1" {
			if got := streams(traced(t, w, s.Event.EventId, 0)); got != want {
				t.Errorf("from event %s of %s: %s, want %s", s.Event.Type, s.Event.Stream, got, want)
			}
		}
	}
	servicetest.Refused(t, errOf(w.HistoryClient().Trace(t.Context(), &pb.TraceRequest{Id: "nobody"})), codes.NotFound, "UNKNOWN_TRACE")
	for _, s := range whole { // what the service did for the order follows from the order, and not from nowhere
		if s.Event != nil && s.ParentId == "" && s.Event.Type != "OrderReceived" {
			t.Errorf("%s of %s stands alone:\n%s", s.Event.Type, s.Event.Stream, tree(whole, "", ""))
		}
	}
	if got := tree(whole, "", ""); !strings.Contains(got, "\n  ReservationPlaced sku-milk (") || !strings.Contains(got, "\n    ReservationConfirmed sku-tea (") {
		t.Errorf("got\n%s", got)
	}
}

// A message is traced from its log to what was published, with what could not be applied of it.
func TestATraceFollowsAMessageToWhatWasPublished(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	at := w.Now() - 5_000_000
	w.Ingest("stockfold.movements.v1", 0, servicetest.Counted("m-1", "wms", "", "milk", at, 7),
		servicetest.Event("stockfold.movement.v1", "m-2", "wms", "", "milk", at, `{"sku": "milk", "location": "nowhere", "quantity": "1", "sold": {}}`))
	events := all(t, w, &pb.ListEventsRequest{Sku: "milk"})
	err := w.Published.Record(t.Context(), []*pb.PublishedChange{{Id: "9-a", Sku: "milk", Channel: "web", Ats: 7, Position: events[0].Position,
		PublishedAt: timestamppb.Now(), Topic: "stockfold.availability.v1", Partition: 3, Offset: 8}})
	if err != nil {
		t.Fatal(err)
	}
	steps := traced(t, w, "m-1", 0)
	want := `ORIGIN (kafka stockfold.movements.v1/0/0)
  ItemRegistered sku-milk (kafka stockfold.movements.v1/0/0)
  StockCounted sku-milk (kafka stockfold.movements.v1/0/0)
    PUBLISHED (kafka stockfold.availability.v1/3/8)
`
	if got := tree(steps, "", ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if s := steps[1]; s.DelayMs < 5_000 || s.Reason != "message m-1" {
		t.Errorf("got %v", s)
	}
	letter := traced(t, w, "milk", 0) // nothing but what could not be applied bears this name
	if len(letter) != 1 || letter[0].Kind != "DEAD_LETTER" || letter[0].DeadLetter.Reason != "UNKNOWN_LOCATION" {
		t.Errorf("got %v", letter)
	}
}

func recordHead(t *testing.T, w *servicetest.World) *pb.TreeHead {
	t.Helper()
	recorded, err := w.HistoryClient().RecordTreeHead(t.Context(), &pb.RecordTreeHeadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return recorded.Head
}
