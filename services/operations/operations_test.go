package operations_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

// strand records a movement at a location that nobody defined, and returns its dead letter's id.
func strand(t *testing.T, w *servicetest.World, id, location string) string {
	t.Helper()
	answer, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{
		MovementId: id, Source: "wms", Sku: "milk", Location: location, OccurredAt: codec.Timestamp(w.Now()), Quantity: 4,
		Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	r := answer.Results[0]
	if r.Status != pb.MovementResult_STATUS_DEAD_LETTERED || r.Reason != "UNKNOWN_LOCATION" || r.DeadLetterId == "" {
		t.Fatalf("got %v", r)
	}
	return r.DeadLetterId
}

func TestADeadLetterIsListedReplayedAndDiscarded(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	c := w.OperationsClient()
	ctx := t.Context()
	first, second := strand(t, w, "1", "köln"), strand(t, w, "2", "bonn")

	open, err := c.ListDeadLetters(ctx, &pb.ListDeadLettersRequest{})
	if err != nil || len(open.DeadLetters) != 2 || open.NextPageToken != "" {
		t.Fatalf("open: %v, %v", open, err)
	}
	for _, l := range open.DeadLetters {
		if l.State != pb.DeadLetterState_DEAD_LETTER_STATE_OPEN || l.Topic != "rpc" || l.Attempts != 1 || len(l.Value) == 0 || l.Location == "" ||
			!strings.Contains(l.Message, l.Location) || l.ReceivedAt == nil {
			t.Errorf("letter %v", l)
		}
	}
	again, err := c.ReplayDeadLetter(ctx, &pb.ReplayDeadLetterRequest{DeadLetterId: first, Actor: "ann"})
	if err != nil || again.DeadLetter.State != pb.DeadLetterState_DEAD_LETTER_STATE_OPEN || again.DeadLetter.Attempts != 2 {
		t.Errorf("replayed too early: %v, %v", again, err)
	}
	w.Location("köln")
	done, err := c.ReplayDeadLetter(ctx, &pb.ReplayDeadLetterRequest{DeadLetterId: first, Actor: "ann"})
	if err != nil || done.DeadLetter.State != pb.DeadLetterState_DEAD_LETTER_STATE_REPLAYED || !strings.Contains(done.DeadLetter.Note, "ann") {
		t.Errorf("replayed: %v, %v", done, err)
	}
	gone, err := c.DiscardDeadLetter(ctx, &pb.DiscardDeadLetterRequest{DeadLetterId: second, Reason: "typo", Actor: "bob"})
	if err != nil || gone.DeadLetter.State != pb.DeadLetterState_DEAD_LETTER_STATE_DISCARDED || !strings.Contains(gone.DeadLetter.Note, "typo") {
		t.Errorf("discarded: %v, %v", gone, err)
	}
	_, err = c.DiscardDeadLetter(ctx, &pb.DiscardDeadLetterRequest{DeadLetterId: first, Reason: "typo"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "DEAD_LETTER_CLOSED"); facts["dead_letter_id"] != first {
		t.Errorf("facts %v", facts)
	}
	for state, want := range map[pb.DeadLetterState]string{
		pb.DeadLetterState_DEAD_LETTER_STATE_REPLAYED: first, pb.DeadLetterState_DEAD_LETTER_STATE_DISCARDED: second} {
		list, err := c.ListDeadLetters(ctx, &pb.ListDeadLettersRequest{State: state})
		if err != nil || len(list.DeadLetters) != 1 || list.DeadLetters[0].DeadLetterId != want {
			t.Errorf("%s: %v, %v", state, list, err)
		}
	}
	stock, err := w.StockClient().GetStock(ctx, &pb.GetStockRequest{Sku: "milk", Token: w.Count("other", 1)})
	if err != nil || stock.Stock.Locations[0].Sellable != 4 {
		t.Errorf("stock %v, %v", stock, err)
	}
}

func TestDeadLettersGoOnFromPageToPage(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	want := map[string]bool{}
	for i := range 130 {
		want[strand(t, w, fmt.Sprint(i), "köln")] = true
	}
	for _, size := range []int32{0, 1, 49, 50, 51, 130, 1000} {
		seen, previous := map[string]bool{}, ""
		for r := (&pb.ListDeadLettersRequest{PageSize: size}); ; {
			page, err := w.OperationsClient().ListDeadLetters(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range page.DeadLetters {
				if l.DeadLetterId <= previous || !want[l.DeadLetterId] {
					t.Fatalf("pages of %d: %s after %s", size, l.DeadLetterId, previous)
				}
				previous, seen[l.DeadLetterId] = l.DeadLetterId, true
			}
			if r.PageToken = page.NextPageToken; r.PageToken == "" {
				break
			}
		}
		if len(seen) != 130 {
			t.Errorf("pages of %d: %d letters", size, len(seen))
		}
	}
}

func TestAPageOfDeadLettersIsBoundedInBytesAndSpeaksUTF8(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	for i := range 10 {
		letter := ingest.DeadLetter{ID: fmt.Sprintf("letter-%d", i), State: ingest.Open, Reason: "MALFORMED", Message: "bad \xff byte",
			Headers: []ingest.Header{{Key: "\xfe", Value: []byte{0xff}}}, Value: make([]byte, 600_000)}
		if _, err := w.Store.DeadLetters().Put(context.Background(), letter); err != nil {
			t.Fatal(err)
		}
	}
	var pages, letters int
	for r := (&pb.ListDeadLettersRequest{PageSize: 1000}); ; pages++ {
		page, err := w.OperationsClient().ListDeadLetters(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		letters += len(page.DeadLetters)
		for _, l := range page.DeadLetters {
			if l.Message != "bad \uFFFD byte" || l.Headers[0].Key != "\uFFFD" || len(l.Value) != 600_000 {
				t.Errorf("message %q, header %q", l.Message, l.Headers[0].Key)
			}
		}
		if r.PageToken = page.NextPageToken; r.PageToken == "" {
			break
		}
	}
	if letters != 10 || pages < 3 {
		t.Errorf("%d letters on %d pages", letters, pages+1)
	}
}

func TestWhatIsWrongWithARequest(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	c := w.OperationsClient()
	ctx := t.Context()
	list := func(r *pb.ListDeadLettersRequest) error { _, err := c.ListDeadLetters(ctx, r); return err }
	replay := func(r *pb.ReplayDeadLetterRequest) error { _, err := c.ReplayDeadLetter(ctx, r); return err }
	discard := func(r *pb.DiscardDeadLetterRequest) error { _, err := c.DiscardDeadLetter(ctx, r); return err }
	for name, x := range map[string]struct {
		err         error
		field, says string
	}{
		"state":          {list(&pb.ListDeadLettersRequest{State: 9}), "state", "is 9"},
		"reason":         {list(&pb.ListDeadLettersRequest{Reason: strings.Repeat("x", 101)}), "reason", "has 101"},
		"page size":      {list(&pb.ListDeadLettersRequest{PageSize: 1001}), "page_size", "is 1001"},
		"page token":     {list(&pb.ListDeadLettersRequest{PageToken: "?"}), "page_token", "not a token"},
		"replay what":    {replay(&pb.ReplayDeadLetterRequest{}), "dead_letter_id", "is empty"},
		"replay by whom": {replay(&pb.ReplayDeadLetterRequest{DeadLetterId: "x", Actor: "a\x00"}), "actor", "0x00"},
		"discard what":   {discard(&pb.DiscardDeadLetterRequest{Reason: "x"}), "dead_letter_id", "is empty"},
		"discard why":    {discard(&pb.DiscardDeadLetterRequest{DeadLetterId: "x"}), "reason", "is empty"},
		"discard at length": {discard(&pb.DiscardDeadLetterRequest{DeadLetterId: "x", Reason: strings.Repeat("x", 201)}),
			"reason", "has 201"},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Refused(t, x.err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(x.err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
	servicetest.Refused(t, replay(&pb.ReplayDeadLetterRequest{DeadLetterId: "none"}), codes.NotFound, "UNKNOWN_DEAD_LETTER")
	servicetest.Refused(t, discard(&pb.DiscardDeadLetterRequest{DeadLetterId: "none", Reason: "x"}), codes.NotFound, "UNKNOWN_DEAD_LETTER")
}

func TestStatusTellsHowFarEverythingHasCome(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	token := w.Count("milk", 4)
	w.ATS("milk", token)
	strand(t, w, "1", "köln")
	s, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != "test" || s.StartedAt == nil || s.StorePosition == 0 || s.OpenDeadLetters != 1 {
		t.Errorf("status %v", s)
	}
	names := map[string]uint64{}
	for _, p := range s.Projections {
		names[p.Name] = p.Position
		if p.Error != "" {
			t.Errorf("projection %v", p)
		}
	}
	if len(names) != 5 || names["availability"] == 0 {
		t.Errorf("projections %v", names)
	}
	if len(s.Sources) != 1 || s.Sources[0].Source != "test" || s.Sources[0].Facts != 1 {
		t.Errorf("sources %v", s.Sources)
	}
}
