package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/ingest"
)

// supplyLook is what the SKU knows of supply.
type supplyLook struct{ list []domain.SupplyLine }

func (l *supplyLook) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	l.list = s.SupplyLines()
	return nil, nil
}

// The facts about a purchase order and a transfer come twice each, in any order, and come to the same end.
func TestSupplyComesOutOfOrderAndTwice(t *testing.T) {
	const due = `"2026-04-01T18:00:00Z"`
	facts := []ingest.Message{
		ce(ingest.TypeMovement, "e1", `{"sku":"a","location":"berlin","quantity":"100","document":"po-1","line":"1","supplyExpected":{"dueAt":`+due+`}}`),
		with(ce(ingest.TypeMovement, "e2", `{"sku":"a","location":"berlin","quantity":80,"document":"po-1","line":"1","supply_expected":{"kind":"SUPPLY_KIND_PURCHASE_ORDER","due_at":`+due+`}}`),
			"ce_time", "2026-03-04T11:00:01Z"),
		with(ce(ingest.TypeMovement, "e3", `{"sku":"a","document":"po-1","supplyRescheduled":{"dueAt":"2026-04-02T18:00:00Z"}}`), "ce_time", "2026-03-04T11:00:02Z"),
		ce(ingest.TypeMovement, "e4", `{"sku":"a","location":"berlin","quantity":30,"document":"po-1","line":"1","received":{}}`),
		ce(ingest.TypeMovement, "e5", `{"sku":"a","location":"hamburg","quantity":9,"transferShipped":{"destination":"berlin","transferId":"t","dueAt":`+due+`}}`),
		ce(ingest.TypeMovement, "e6", `{"sku":"a","location":"berlin","quantity":4,"transferReceived":{"origin":"hamburg","transferId":"t"}}`),
		with(ce(ingest.TypeMovement, "e8", `{"sku":"a","location":"berlin","quantity":20,"document":"asn-1","line":"1","supplyExpected":{"kind":"SUPPLY_KIND_SHIPPING_NOTICE","dueAt":`+due+`,"orderDocument":"po-1","orderLine":"1"}}`),
			"ce_time", "2026-03-04T11:00:04Z"),
		with(ce(ingest.TypeMovement, "e7", `{"sku":"a","document":"t","supplyCancelled":{"kind":"SUPPLY_KIND_TRANSFER","reason":"burnt"}}`), "ce_time", "2026-03-04T11:00:03Z"),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		w := newWorld(t)
		log := newLog(topic, 2)
		for _, partition := range []int32{0, 1} {
			for _, i := range random.Perm(len(facts)) {
				log.append(partition, facts[i])
			}
		}
		stop := run(t, w.service(log))
		for _, partition := range []int32{0, 1} {
			w.ledger.await(t, topic, partition, int64(len(facts)))
		}
		stop()
		if letters := w.letters(t); len(letters) != 0 {
			t.Fatalf("dead letters %v", letters)
		}
		var known supplyLook
		if _, err := w.streams.Do(context.Background(), "a", aggregates.Metadata{IdempotencyKey: "read"}, &known); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range known.list {
			got = append(got, fmt.Sprint(l.Document, l.Line, l.Expected, l.Received, l.Open, l.Lost, l.Closed, l.DueAt.Time().Day()))
		}
		if want := []string{"asn-1120 0 20 0 false 1", "po-1180 30 30 0 false 2", "tberlin9 4 0 5 true 1"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("lines %q, expected %q", got, want)
		}
		if units, _ := w.sellable(t, "a", "berlin"); units != 34 {
			t.Errorf("%d units at berlin", units)
		}
	}
}

func TestSupplyWithoutWhatItNeedsBecomesADeadLetter(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, ce(ingest.TypeMovement, "e1", `{"sku":"a","location":"berlin","quantity":1,"supplyExpected":{}}`))
	log.append(0, ce(ingest.TypeMovement, "e2", `{"sku":"a","location":"atlantis","quantity":1,"document":"po","supplyExpected":{"dueAt":"2026-04-01T00:00:00Z"}}`))
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, 2)
	letters := w.letters(t)
	if len(letters) != 2 || letters[0].Reason == letters[1].Reason {
		t.Errorf("dead letters %v", letters)
	}
}
