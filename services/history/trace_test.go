package history_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/tokens"
)

// pagesOf reads every page of a trace; between pages, something may happen.
func pagesOf(t *testing.T, w *servicetest.World, id string, size int32, between func()) (steps []*pb.TraceStep, cut bool) {
	t.Helper()
	for r := (&pb.TraceRequest{Id: id, PageSize: size}); ; {
		page, err := w.HistoryClient().Trace(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		steps, cut = append(steps, page.Steps...), cut || page.Truncated
		if r.PageToken = page.NextPageToken; r.PageToken == "" {
			return steps, cut
		}
		between()
	}
}

func TestAPageTokenOfATraceThatIsMadeUpIsRefused(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Move(&pb.Movement{Sku: "milk", Quantity: 3, CorrelationId: "c-1", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	for _, text := range []string{"-5", "-5 3", "x", "3", "1 0", "1 -3", "99999999999999999999 1"} {
		_, err := w.HistoryClient().Trace(t.Context(), &pb.TraceRequest{Id: "c-1", PageToken: tokens.NewList("trace", "c-1").Encode(text)})
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
}

// What happens while somebody pages shifts nothing.
func TestPagesOfATraceFitTogetherWhileMoreHappens(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	n := 0
	receive := func() {
		n++
		w.Move(&pb.Movement{Sku: fmt.Sprint("sku-", n), Quantity: 3, CorrelationId: "c-1", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	}
	for range 9 {
		receive()
	}
	whole, _ := pagesOf(t, w, "c-1", 0, func() {})
	paged, _ := pagesOf(t, w, "c-1", 2, receive)
	if len(paged) != len(whole) || len(whole) < 9 {
		t.Fatalf("%d steps in pages, %d at once", len(paged), len(whole))
	}
	for i := range whole {
		if whole[i].Id != paged[i].Id {
			t.Errorf("step %d is %v, then %v", i, whole[i], paged[i])
		}
	}
}

// However large what belongs together is, a trace holds so many bytes of it and says that there is more.
func TestATraceOfMuchIsCutOff(t *testing.T) {
	defer history.LimitTrace(20_000)()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	var messages []ingest.Message
	for i := range 10 { // that cannot be read, and name it
		messages = append(messages, servicetest.Event(ingest.TypeMovement, fmt.Sprint("m-", i), "till", "", "", w.Now(), `["c-1", "`+strings.Repeat("x", 5_000)+`"]`))
	}
	w.Ingest(ingest.TopicMovements, 0, messages...)
	steps, cut := pagesOf(t, w, "c-1", 0, func() {})
	if !cut || len(steps) == 0 || len(steps) > 4 {
		t.Errorf("%d letters, cut off %v", len(steps), cut)
	}
	for i := range 200 {
		w.Move(&pb.Movement{Sku: strconv.Itoa(i), Quantity: 3, CorrelationId: "c-2", Document: strings.Repeat("d", 90), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	}
	if steps, cut = pagesOf(t, w, "c-2", 0, func() {}); !cut || len(steps) == 0 || len(steps) > 200 {
		t.Errorf("%d events, cut off %v", len(steps), cut)
	}
}

// A dead letter of megabytes is told of without its bytes: no client takes them in one answer.
func TestALargeDeadLetterOfATraceIsToldOfWithoutItsBytes(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Ingest(ingest.TopicMovements, 0, servicetest.Event(ingest.TypeMovement, "m-1", "till", "", "", w.Now(), `["c-1", "`+strings.Repeat("x", 5<<20)+`"]`))
	steps, cut := pagesOf(t, w, "c-1", 0, func() {})
	if len(steps) != 1 || cut || steps[0].DeadLetter.GetValue() != nil || !strings.Contains(steps[0].DeadLetter.GetMessage(), "5242891 bytes") {
		t.Errorf("%d steps, cut off %v: %.500s", len(steps), cut, fmt.Sprint(steps))
	}
}

// A message of which nothing could be applied is found by the id that its source gave it, though its data does not have it.
func TestAMessageThatIsADeadLetterIsFoundByItsID(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Ingest(ingest.TopicMovements, 0, servicetest.Event(ingest.TypeMovement, "asn-1", "wms", "", "", w.Now(),
		`{"sku": "milk", "location": "nowhere", "quantity": 3, "received": {}}`))
	steps, _ := pagesOf(t, w, "asn-1", 0, func() {})
	if len(steps) != 1 || steps[0].Kind != "DEAD_LETTER" || steps[0].Reason != "UNKNOWN_LOCATION" {
		t.Errorf("%d steps: %v", len(steps), steps)
	}
}
