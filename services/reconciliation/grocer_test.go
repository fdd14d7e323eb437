package reconciliation_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

type lying struct{ sku, location string }

// grocer has recorded receipts of a grocer, and knows by a sum of its own what lies where.
type grocer struct {
	*shop
	truth map[lying]int64
	sales map[lying][]*pb.Movement
	log   endOfLog

	want    map[lying]pb.DiscrepancyClass // what is planted
	later   []*pb.Movement                // that come after the as-of time
	numbers []ingest.Message              // of which some are missing
	unread  []ingest.Message              // that cannot be read as facts
	queued  []ingest.Message              // that are taken in after the as-of time
}

// endOfLog says of every log that it had so many messages.
type endOfLog struct{ end int64 }

func (l *endOfLog) EndAt(context.Context, string, int32, time.Time) (int64, bool) { return l.end, true }

// Each item opens with 1,000 units at each of its stores.
func startGrocer(t *testing.T) *grocer {
	t.Helper()
	g := &grocer{shop: &shop{t: t, clock: servicetest.NewClock()}, truth: map[lying]int64{}, sales: map[lying][]*pb.Movement{}, want: map[lying]pb.DiscrepancyClass{}}
	g.World = servicetest.Start(t, servicetest.Options{Now: g.clock.Now, MessageLog: &g.log})
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
	for n := 0; ; n++ {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
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

// The ERP's snapshot is derived from the data, with an error planted at one place in ten, in turn of each kind that places have: all are found, in their classes, and
// nothing else is.
func TestErrorsPlantedInAGrocersSnapshotAreAllFound(t *testing.T) {
	g := startGrocer(t)
	places := slices.SortedFunc(maps.Keys(g.truth), func(a, b lying) int {
		return slices.Compare([]string{a.sku, a.location}, []string{b.sku, b.location})
	})
	var rows []*pb.SourceRow
	planted := ""
	for i, k := range places {
		said := g.truth[k]
		if i%10 == 0 && k.sku != planted { // once for a SKU: what is missing may be about each of its places
			planted = k.sku
			said = g.plant(k, len(g.want)%len(kinds), said)
		}
		rows = append(rows, &pb.SourceRow{Sku: k.sku, Location: k.location, Quantity: said})
	}
	rows = append(rows, g.depot(places[1].sku))
	g.numbers = append(g.numbers, g.unread...)
	g.Ingest(ingest.TopicMovements, 0, g.numbers...)
	g.clock.Advance(time.Minute)
	g.record(g.later...)
	g.log.end = int64(len(g.numbers) + len(g.queued))
	g.Ingest(ingest.TopicMovements, int64(len(g.numbers)), g.queued...)
	g.clock.Advance(time.Second)
	rows = append(rows, &pb.SourceRow{Sku: rows[0].Sku, Location: rows[0].Location, Quantity: rows[0].Quantity})
	g.want[places[0]] = pb.DiscrepancyClass_DISCREPANCY_CLASS_DUPLICATE
	h := g.header("quarter end")
	h.Location = ""
	run, list := g.found(h, rows...)
	classes := map[pb.DiscrepancyClass]int{}
	for _, d := range list {
		k := lying{d.Sku, d.Location}
		if classes[d.Class]++; d.Class != g.want[k] {
			t.Errorf("%v: found %v, planted %v: %v", k, d.Class, g.want[k], d)
		}
	}
	t.Logf("%d rows, %d planted, found by class: %v", len(rows), len(g.want), classes)
	if len(list) != len(g.want) || len(list) < 500 || len(classes) != 9 { // what a channel was not told of is no error of a stock list
		t.Errorf("%d discrepancies in %d classes found, %d planted", len(list), len(classes), len(g.want))
	}
	if run.Totals.Matched != int64(len(rows)-len(list)-1) {
		t.Errorf("totals %v of %d rows", run.Totals, len(rows))
	}
}

// depot is a place where the ERP is not believed, and what it says of it.
func (g *grocer) depot(sku string) *pb.SourceRow {
	g.Location("depot")
	_, err := g.PolicyClient().PutOwners(g.t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "depot", Ownerships: []*pb.Ownership{
		{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"wms"}}}}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.record(&pb.Movement{MovementId: "depot", Source: "wms", Sku: sku, Location: "depot", Quantity: 50,
		OccurredAt: timestamppb.New(g.asOf.Time().Add(-time.Hour)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	g.want[lying{sku, "depot"}] = pb.DiscrepancyClass_DISCREPANCY_CLASS_NOT_OWNER
	return &pb.SourceRow{Sku: sku, Location: "depot", Quantity: 43}
}

// sold is a sale of three units an hour before the as-of time.
func (g *grocer) sold(k lying, id string) *pb.Movement {
	return &pb.Movement{MovementId: id + k.sku + "/" + k.location, Source: "pos", Document: id, Sku: k.sku, Location: k.location, Quantity: 3,
		OccurredAt: timestamppb.New(g.asOf.Time().Add(-time.Hour)), Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}}
}

// message is such a sale by the message log, numbered within the SKU unless the number is empty.
func (g *grocer) message(k lying, id, number string) ingest.Message {
	return servicetest.Event(ingest.TypeMovement, id+k.sku+"/"+k.location, "scanner", number, k.sku, g.asOf.Add(-time.Hour),
		fmt.Sprintf(`{"sku": %q, "location": %q, "quantity": 3, "sold": {}}`, k.sku, k.location))
}

// kinds are the errors that are planted: each gives what the ERP says of a place, of which the truth was another before.
var kinds = []struct {
	class pb.DiscrepancyClass
	plant func(g *grocer, k lying, truth int64) int64
}{
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED, func(_ *grocer, _ lying, truth int64) int64 { return truth - 7 }},   // lost in the ERP
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_UNIT_MISTAKE, func(_ *grocer, _ lying, truth int64) int64 { return truth * 12 }}, // a case for a unit
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_LATE_EVENT, func(g *grocer, k lying, truth int64) int64 { // a till that was offline
		g.later = append(g.later, g.sold(k, "offline"))
		return truth - 3
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_QUEUED_EVENT, func(g *grocer, k lying, truth int64) int64 { // it was in the log, and not taken in
		g.queued = append(g.queued, g.message(k, "queued", ""))
		return truth - 3
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_DEAD_LETTER, func(g *grocer, k lying, truth int64) int64 { // a till that used an id again, for another sale
		g.later = append(g.later, g.sold(k, "reused"))
		g.later[len(g.later)-1].MovementId = g.sales[k][0].MovementId
		return truth - 3
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_DEAD_LETTER, func(g *grocer, k lying, truth int64) int64 { // a till whose messages break a rule
		m := g.message(k, "unruly", "")
		m.Value = bytes.Replace(m.Value, []byte(`"sold": {}`), []byte(`"sold": {"till": 4}`), 1)
		g.unread = append(g.unread, m)
		return truth - 3
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_DEAD_LETTER, func(g *grocer, k lying, truth int64) int64 { // a scanner whose messages are cut off; its key is the SKU
		m := g.message(k, "cut", "")
		m.Value = m.Value[:len(m.Value)/6]
		g.unread = append(g.unread, m)
		return truth - 4
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_SEQUENCE_GAP, func(g *grocer, k lying, truth int64) int64 { // the second of three did not come
		g.numbers = append(g.numbers, g.message(k, "first", "1"), g.message(k, "third", "3"))
		return truth - 9
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_DUPLICATE, func(g *grocer, k lying, truth int64) int64 { // a till that sent a receipt twice, under two ids
		again := proto.CloneOf(g.sales[k][0])
		again.MovementId = "again" + again.MovementId
		g.record(again)
		return truth
	}},
	{pb.DiscrepancyClass_DISCREPANCY_CLASS_CONFLICTING_COUNTS, func(g *grocer, k lying, truth int64) int64 { // another count in the ERP's books
		g.record(&pb.Movement{MovementId: "recount" + k.sku + k.location, Source: "wms", Sku: k.sku, Location: k.location, Quantity: truth + 40,
			OccurredAt: timestamppb.New(g.asOf.Time().Add(-time.Minute)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
		return truth
	}},
}

// plant plants an error of a kind at a place; where nothing was sold, another one.
func (g *grocer) plant(k lying, kind int, truth int64) (said int64) {
	if len(g.sales[k]) == 0 {
		kind = 0
	}
	g.want[k] = kinds[kind].class
	return kinds[kind].plant(g, k, truth)
}
