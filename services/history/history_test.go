package history_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// all reads every page and returns the revisions.
func all(t *testing.T, w *servicetest.World, r *pb.ListEventsRequest) (events []*pb.Event) {
	t.Helper()
	for {
		page, err := w.HistoryClient().ListEvents(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
		if r.PageToken = page.NextPageToken; r.PageToken == "" {
			return events
		}
	}
}

func TestEventsAreListedBothWaysFromPageToPage(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	for i := range int64(12) {
		w.Count("a/b %", i)
	}
	for size := range int32(15) {
		for _, order := range []pb.ListEventsRequest_Order{pb.ListEventsRequest_ORDER_UNSPECIFIED,
			pb.ListEventsRequest_ORDER_NEWEST_FIRST, pb.ListEventsRequest_ORDER_OLDEST_FIRST} {
			events := all(t, w, &pb.ListEventsRequest{Sku: "a/b %", Order: order, PageSize: size})
			if order != pb.ListEventsRequest_ORDER_OLDEST_FIRST {
				slices.Reverse(events)
			}
			for i, e := range events {
				if e.Revision != uint64(i) {
					t.Fatalf("pages of %d, %s: revision %d at place %d", size, order, e.Revision, i)
				}
			}
			if len(events) != 13 { // the first count registered the SKU
				t.Fatalf("pages of %d, %s: %d events", size, order, len(events))
			}
		}
	}
}

func TestAnEventSaysEverythingThatIsKnownOfIt(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 5)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "call-7")
	if _, err := w.ReservationClient().Reserve(ctx, &pb.ReserveRequest{
		ReservationId: "cart", Sku: "milk", Channel: "web", Quantity: 2, Actor: "ann", CorrelationId: "visit-3"}); err != nil {
		t.Fatal(err)
	}
	e := all(t, w, &pb.ListEventsRequest{Sku: "milk"})[0]
	if e.Type != "ReservationPlaced" || e.Stream != "sku-milk" || e.Actor != "ann" || e.CorrelationId != "visit-3" || e.CausationId != "call-7" ||
		e.IdempotencyKey != "reserve:cart" || e.Position == 0 || len(e.Id) != 16 || len(e.EventId) != 36 ||
		e.OccurredAt == nil || e.RecordedAt == nil || e.GetReservationPlaced().Quantity != 2 {
		t.Errorf("got %v", e)
	}
	if id := fmt.Sprintf("%x-%x", e.Id[:4], e.Id[4:6]); !strings.HasPrefix(e.EventId, id) {
		t.Errorf("id %x, in text %s", e.Id, e.EventId)
	}
}

func TestWhatIsWrongWithARequest(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 1)
	w.Count("milk", 2)
	c := w.HistoryClient()
	list := func(r *pb.ListEventsRequest) error { _, err := c.ListEvents(t.Context(), r); return err }
	page, err := c.ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		err         error
		field, says string
	}{
		"no SKU":           {list(&pb.ListEventsRequest{}), "sku", "is empty"},
		"order":            {list(&pb.ListEventsRequest{Sku: "milk", Order: 7}), "order", "is 7"},
		"page size":        {list(&pb.ListEventsRequest{Sku: "milk", PageSize: 1001}), "page_size", "is 1001"},
		"page token":       {list(&pb.ListEventsRequest{Sku: "milk", PageToken: "x"}), "page_token", "not a token"},
		"of another SKU":   {list(&pb.ListEventsRequest{Sku: "bread", PageToken: page.NextPageToken}), "page_token", "another list"},
		"of another order": {list(&pb.ListEventsRequest{Sku: "milk", Order: 2, PageToken: page.NextPageToken}), "page_token", "another list"},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Refused(t, x.err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(x.err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
	if facts := servicetest.Refused(t, list(&pb.ListEventsRequest{Sku: "nothing"}), codes.NotFound, "UNKNOWN_SKU"); facts["sku"] != "nothing" {
		t.Errorf("facts %v", facts)
	}
}

func TestAPageIsBoundedInBytesToo(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	const places, rounds = 400, 35
	var sourcing []string
	for i := range places {
		id := fmt.Sprintf("%s-%03d", strings.Repeat("x", 90), i)
		w.Location(id)
		sourcing = append(sourcing, id)
		w.Move(&pb.Movement{Sku: "milk", Location: id, Quantity: 1, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	}
	w.Channel("web", sourcing...)
	for i := range rounds { // two events of 45 kB each
		id := fmt.Sprintf("cart-%d", i)
		if _, err := w.Reserve(id, "milk", places); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ReservationClient().ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: id}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk", PageSize: 1000})
	if err != nil || len(first.Events) >= 2*rounds || first.NextPageToken == "" {
		t.Errorf("first page of %d events, %v", len(first.GetEvents()), err)
	}
	if events := all(t, w, &pb.ListEventsRequest{Sku: "milk", PageSize: 1000}); len(events) != 1+places+2*rounds {
		t.Errorf("%d events", len(events))
	}
}
