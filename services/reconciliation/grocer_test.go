package reconciliation_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// receipts are the first till receipts of the demonstration data.
const receipts = 3_000

type lying struct{ sku, location string }

// grocer has recorded receipts of a grocer, and knows by a sum of its own what lies where.
type grocer struct {
	*shop
	truth map[lying]int64
	sales map[lying][]*pb.Movement
}

// Each item opens with 1,000 units at each of its stores.
func startGrocer(t *testing.T) *grocer {
	t.Helper()
	g := &grocer{shop: &shop{t: t, clock: servicetest.NewClock()}, truth: map[lying]int64{}, sales: map[lying][]*pb.Movement{}}
	g.World = servicetest.Start(t, servicetest.Options{Now: g.clock.Now})
	file, err := os.Open("../../deploy/demo/pos-sales.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(unzipped)
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	var movements []*pb.Movement
	stores := map[string]bool{}
	for n := range receipts {
		line, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339, line[0])
		quantity, _ := strconv.ParseInt(line[4], 10, 64)
		k := lying{line[3], line[1]}
		if stores[k.location] = true; g.truth[k] == 0 {
			g.truth[k] = 1_000
		}
		if quantity == 0 || quantity > 20 { // fuel is another matter
			continue
		}
		g.truth[k] -= quantity
		m := &pb.Movement{MovementId: strconv.Itoa(n), Source: "pos", Document: line[2], Line: strconv.Itoa(n), Sku: k.sku, Location: k.location, Quantity: quantity,
			OccurredAt: timestamppb.New(at), Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}}
		movements = append(movements, m)
		g.sales[k] = append(g.sales[k], m)
	}
	for store := range stores {
		g.Location(store)
	}
	var opening []*pb.Movement
	for k := range g.truth {
		opening = append(opening, &pb.Movement{MovementId: k.sku + "/" + k.location, Source: "erp", Sku: k.sku, Location: k.location, Quantity: 1_000,
			OccurredAt: timestamppb.New(time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	}
	g.record(append(opening, movements...)...)
	g.clock.Advance(time.Hour)
	g.asOf = g.Now()
	return g
}

func (g *grocer) record(movements ...*pb.Movement) {
	g.t.Helper()
	for chunk := range slices.Chunk(movements, 1_000) {
		if _, err := g.StockClient().RecordMovements(g.t.Context(), &pb.RecordMovementsRequest{Movements: chunk}); err != nil {
			g.t.Fatal(err)
		}
	}
}

// The ERP's snapshot is derived from the data, with an error planted at one place in twenty, in turn of each kind that the data can have: all are found, in their
// classes, and nothing else is.
func TestErrorsPlantedInAGrocersSnapshotAreAllFound(t *testing.T) {
	g := startGrocer(t)
	places := slices.SortedFunc(maps.Keys(g.truth), func(a, b lying) int {
		return slices.Compare([]string{a.sku, a.location}, []string{b.sku, b.location})
	})
	want := map[lying]pb.DiscrepancyClass{}
	var rows []*pb.SourceRow
	var later []*pb.Movement
	for i, k := range places {
		said := g.truth[k]
		if i%20 == 0 {
			kind := i / 20 % 6
			if len(g.sales[k]) == 0 && kind >= 3 {
				kind = 0
			}
			said, later = g.plant(k, kind, said, want, later)
		}
		rows = append(rows, &pb.SourceRow{Sku: k.sku, Location: k.location, Quantity: said})
	}
	g.clock.Advance(time.Minute)
	g.record(later...)
	g.clock.Advance(time.Second)
	rows = append(rows, &pb.SourceRow{Sku: rows[0].Sku, Location: rows[0].Location, Quantity: rows[0].Quantity})
	want[places[0]] = pb.DiscrepancyClass_DISCREPANCY_CLASS_DUPLICATE
	h := g.header("quarter end")
	h.Location = ""
	run, list := g.found(h, rows...)
	if len(list) != len(want) || len(want) < 50 {
		t.Errorf("%d discrepancies found, %d planted", len(list), len(want))
	}
	for _, d := range list {
		if k := (lying{d.Sku, d.Location}); d.Class != want[k] {
			t.Errorf("%v: found %v, planted %v: %v", k, d.Class, want[k], d)
		}
	}
	if run.Totals.Matched != int64(len(rows)-len(want)-1) {
		t.Errorf("totals %v of %d rows", run.Totals, len(rows))
	}
}

// plant plants an error of a kind at a place.
func (g *grocer) plant(k lying, kind int, said int64, want map[lying]pb.DiscrepancyClass, later []*pb.Movement) (int64, []*pb.Movement) {
	sold := func(id string) *pb.Movement {
		return &pb.Movement{MovementId: id + k.sku + "/" + k.location, Source: "pos", Document: id, Sku: k.sku, Location: k.location, Quantity: 3,
			OccurredAt: timestamppb.New(g.asOf.Time().Add(-time.Hour)), Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}}
	}
	switch kind {
	case 0: // lost in the ERP
		want[k], said = pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED, said-7
	case 1: // a case for a unit
		want[k], said = pb.DiscrepancyClass_DISCREPANCY_CLASS_UNIT_MISTAKE, said*12
	case 2: // a till that was offline
		want[k], said = pb.DiscrepancyClass_DISCREPANCY_CLASS_LATE_EVENT, said-3
		later = append(later, sold("offline"))
	case 3: // a till that used an id again, for another sale
		m := sold("reused")
		m.MovementId = g.sales[k][0].MovementId
		want[k], said = pb.DiscrepancyClass_DISCREPANCY_CLASS_DEAD_LETTER, said-3
		later = append(later, m)
	case 4: // a till that sent a receipt twice, under two ids
		again := g.sales[k][0]
		m := &pb.Movement{MovementId: "again" + again.MovementId, Source: again.Source, Document: again.Document, Line: again.Line, Sku: again.Sku,
			Location: again.Location, Quantity: again.Quantity, OccurredAt: again.OccurredAt, Kind: again.Kind}
		want[k] = pb.DiscrepancyClass_DISCREPANCY_CLASS_DUPLICATE
		g.record(m)
	case 5: // another count in the ERP's books
		want[k] = pb.DiscrepancyClass_DISCREPANCY_CLASS_CONFLICTING_COUNTS
		g.record(&pb.Movement{MovementId: "recount" + k.sku + k.location, Source: "wms", Sku: k.sku, Location: k.location, Quantity: said + 40,
			OccurredAt: timestamppb.New(g.asOf.Time().Add(-time.Minute)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	default:
		g.t.Fatal(fmt.Sprint("kind ", kind))
	}
	return said, later
}
