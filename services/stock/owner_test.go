package stock_test

import (
	"testing"
	"time"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

func putOwners(t *testing.T, w *servicetest.World, location string, list ...*pb.Ownership) {
	t.Helper()
	_, err := w.PolicyClient().PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: location, Ownerships: list}})
	if err != nil {
		t.Fatal(err)
	}
}

func statusOf(t *testing.T, w *servicetest.World, m *pb.Movement) string {
	t.Helper()
	return record(t, w, m).Results[0].Status.String()
}

// A legacy ERP hands over to a new one half an hour ago: each is believed of its own time, whenever it reports it.
func TestOwnershipMovesFromOneSystemToAnother(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Location("hamburg")
	putOwners(t, w, "berlin",
		&pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"legacy"}},
		&pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"erp"}, From: codec.Timestamp(w.Now().Add(-30 * time.Minute))})
	count := func(source string, ago time.Duration, quantity int64) *pb.Movement {
		return fact(w, "milk", quantity, func(m *pb.Movement) {
			m.Source, m.OccurredAt, m.Kind = source, codec.Timestamp(w.Now().Add(-ago)), &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}
		})
	}
	for _, x := range []struct {
		movement *pb.Movement
		want     string
	}{
		{count("legacy", 50*time.Minute, 10), "STATUS_RECORDED"},
		{count("erp", 45*time.Minute, 99), "STATUS_OBSERVED"},    // not its time yet
		{count("erp", 20*time.Minute, 12), "STATUS_RECORDED"},    // its first own
		{count("legacy", 10*time.Minute, 99), "STATUS_OBSERVED"}, // still running
		{count("legacy", 40*time.Minute, 11), "STATUS_RECORDED"}, // late, of its own time
		{count("shop", time.Minute, 99), "STATUS_OBSERVED"},
		{fact(w, "milk", 2, func(m *pb.Movement) { // sales are others' business
			m.Source, m.OccurredAt, m.Kind = "pos", codec.Timestamp(w.Now().Add(-time.Minute)), &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}
		}), "STATUS_RECORDED"},
		{fact(w, "milk", 5, func(m *pb.Movement) { m.Location = "hamburg" }), "STATUS_RECORDED"},
	} {
		if got := statusOf(t, w, x.movement); got != x.want {
			t.Errorf("%v: %s, want %s", x.movement, got, x.want)
		}
		if again := statusOf(t, w, x.movement); again != "STATUS_DUPLICATE" {
			t.Errorf("%v again: %s", x.movement, again)
		}
	}
	if s := getStock(t, w, "milk", record(t, w, fact(w, "other", 1, func(m *pb.Movement) { m.Location = "hamburg" })).Token); len(s.Locations) != 2 || s.Locations[0].Sellable != 10 {
		t.Errorf("stock %v", s)
	}
	observed := map[string]int64{}
	for _, d := range w.Recorder.Delays() {
		observed[d.Source] = d.Observations
	}
	if observed["legacy"] != 1 || observed["erp"] != 1 || observed["shop"] != 1 || observed["pos"] != 0 {
		t.Errorf("observations counted: %v", observed)
	}
	wantObservation(t, w)
}

// wantObservation looks an observation up in the history.
func wantObservation(t *testing.T, w *servicetest.World) {
	t.Helper()
	answer, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range answer.Events {
		if o := e.GetObservationRecorded(); o != nil && e.Source.System == "legacy" {
			if o.Movement != "StockCounted" || o.Quantity != 99 || len(o.Owners) != 1 || o.Owners[0] != "erp" || o.OwnedSince == nil || e.OccurredAt == nil {
				t.Errorf("observation %v", e)
			}
			return
		}
	}
	t.Error("the history shows no observation of the legacy system")
}

func TestSalesAndReturnsHaveOwnersOfTheirOwn(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Count("milk", 10)
	putOwners(t, w, "berlin", &pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_ORDERS, Sources: []string{"till-1", "till-2"}})
	sale := func(source string, returned bool) *pb.Movement {
		return fact(w, "milk", 1, func(m *pb.Movement) {
			m.Source, m.OccurredAt, m.Kind = source, codec.Timestamp(w.Now()), &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}
			if returned {
				m.Kind = &pb.Movement_Returned_{Returned: &pb.Movement_Returned{}}
			}
		})
	}
	for want, movements := range map[string][]*pb.Movement{
		"STATUS_RECORDED": {sale("till-1", false), sale("till-2", false), sale("till-2", true), fact(w, "milk", 1, nil)},
		"STATUS_OBSERVED": {sale("till-3", false), sale("till-3", true), sale("till", false)},
	} {
		for _, m := range movements {
			if got := statusOf(t, w, m); got != want {
				t.Errorf("%v: %s, want %s", m, got, want)
			}
		}
	}
	putOwners(t, w, "berlin")
	if got := statusOf(t, w, sale("till-3", false)); got != "STATUS_RECORDED" {
		t.Errorf("once everybody is believed again: %s", got)
	}
}

// Supply has a system of record of its own, for every location that a document brings units to.
func TestSupplyHasAnOwnerOfItsOwn(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Location("berlin")
	w.Location("hamburg")
	putOwners(t, w, "berlin",
		&pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_SUPPLY, Sources: []string{"legacy"}},
		&pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_SUPPLY, Sources: []string{"erp"}, From: codec.Timestamp(w.Now().Add(-30 * time.Minute))},
		&pb.Ownership{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"wms"}})
	due := codec.Timestamp(w.Now().Add(48 * time.Hour).CeilSecond())
	said := func(source, line, location string, ago time.Duration, kind func(m *pb.Movement)) *pb.Movement {
		return fact(w, "milk", 0, func(m *pb.Movement) {
			m.Source, m.Document, m.Line, m.Location, m.OccurredAt = source, "po-1", line, location, codec.Timestamp(w.Now().Add(-ago))
			kind(m)
		})
	}
	expect := func(quantity int64) func(m *pb.Movement) {
		return func(m *pb.Movement) {
			m.Quantity, m.Kind = quantity, &pb.Movement_SupplyExpected{SupplyExpected: &pb.Movement_Expected{DueAt: due}}
		}
	}
	cancel := func(m *pb.Movement) { m.Kind = &pb.Movement_SupplyCancelled{SupplyCancelled: &pb.Movement_Cancelled{}} }
	move := func(m *pb.Movement) {
		m.Kind = &pb.Movement_SupplyRescheduled{SupplyRescheduled: &pb.Movement_Rescheduled{DueAt: due}}
	}
	for i, x := range []struct {
		movement *pb.Movement
		want     string
	}{
		{said("shop", "1", "berlin", 20*time.Minute, expect(99)), "STATUS_OBSERVED"},
		{said("erp", "1", "berlin", 20*time.Minute, expect(10)), "STATUS_RECORDED"},
		{said("shop", "2", "hamburg", 20*time.Minute, expect(5)), "STATUS_RECORDED"}, // nobody's
		{said("legacy", "1", "", 10*time.Minute, cancel), "STATUS_OBSERVED"},         // its line goes to berlin
		{said("shop", "", "", 10*time.Minute, move), "STATUS_OBSERVED"},              // one of its lines does
		{said("shop", "2", "", 10*time.Minute, move), "STATUS_RECORDED"},
		{said("shop", "2", "berlin", 5*time.Minute, expect(5)), "STATUS_OBSERVED"},    // it would go there
		{said("shop", "1", "hamburg", 5*time.Minute, expect(5)), "STATUS_OBSERVED"},   // it would be taken from there
		{said("legacy", "3", "berlin", 40*time.Minute, expect(7)), "STATUS_RECORDED"}, // late, of its own time
		{said("erp", "3", "berlin", 40*time.Minute, expect(99)), "STATUS_OBSERVED"},   // not its time yet
		{said("wms", "1", "berlin", time.Minute, func(m *pb.Movement) { // a receipt is about what lies there
			m.Quantity, m.Kind = 4, &pb.Movement_Received_{Received: &pb.Movement_Received{}}
		}), "STATUS_RECORDED"},
		{said("erp", "3", "", time.Minute, cancel), "STATUS_RECORDED"},
	} {
		if got := statusOf(t, w, x.movement); got != x.want {
			t.Errorf("%d: %v: %s, want %s", i, x.movement, got, x.want)
		}
		if again := statusOf(t, w, x.movement); again != "STATUS_DUPLICATE" {
			t.Errorf("%d again: %s", i, again)
		}
	}
	answer, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk"})
	if err != nil {
		t.Fatal(err)
	}
	observed := 0
	for _, e := range answer.Events {
		if o := e.GetObservationRecorded(); o != nil {
			if observed++; o.Movement == "SupplyExpected" && (o.DueAt.AsTime() != due.AsTime() || o.SupplyKind != pb.SupplyKind_SUPPLY_KIND_PURCHASE_ORDER) ||
				o.Location == "" || e.Source.Document != "po-1" {
				t.Errorf("observation %v", e)
			}
		}
	}
	if observed != 6 {
		t.Errorf("%d observations, want 6", observed)
	}
}
