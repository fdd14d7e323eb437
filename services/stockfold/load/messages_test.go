package load

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

var noon = time.Date(2017, 1, 2, 12, 0, 0, 0, time.UTC)

func TestABasketIsOneSaleOfItsStore(t *testing.T) {
	m, err := sale(&Basket{At: noon, Store: "367", ID: "b1", Lines: []Line{{"milk", 2}, {"coupon", 0}, {"eggs", -3}}})
	if err != nil {
		t.Fatal(err)
	}
	want := &pb.Sale{Document: "b1", Location: "367", Channel: "store", Lines: []*pb.SaleLine{
		{Sku: "milk", Quantity: 2}, {Sku: "coupon"}, {Sku: "eggs", Quantity: 3, Returned: true}}}
	var got pb.Sale
	if err := protojson.Unmarshal(m.Value, &got); err != nil || !proto.Equal(&got, want) {
		t.Errorf("got %v, %v", &got, err)
	}
	if m.Topic != "stockfold.sales.v1" || string(m.Key) != "367" {
		t.Errorf("goes to topic %s with key %s", m.Topic, m.Key)
	}
	wantHeaders(t, m, map[string]string{"ce_specversion": "1.0", "ce_type": "stockfold.sale.v1", "ce_source": "pos-367", "ce_id": "b1",
		"ce_time": "2017-01-02T12:00:00Z", "content-type": "application/json"})
}

func TestACountIsAMovementOfItsSKU(t *testing.T) {
	m, err := count("milk", "367", 15, "150%", noon)
	if err != nil {
		t.Fatal(err)
	}
	var got pb.Movement
	if err := protojson.Unmarshal(m.Value, &got); err != nil || got.Sku != "milk" || got.Location != "367" || got.Quantity != 15 || got.GetCounted() == nil {
		t.Errorf("got %v, %v", &got, err)
	}
	if m.Topic != "stockfold.movements.v1" || string(m.Key) != "milk" {
		t.Errorf("goes to topic %s with key %s", m.Topic, m.Key)
	}
	wantHeaders(t, m, map[string]string{"ce_type": "stockfold.movement.v1", "ce_source": "stocktake", "ce_time": "2017-01-02T12:00:00Z",
		"ce_id": headerValue(m, "ce_id")})
}

func TestTheSameCountHasTheSameID(t *testing.T) {
	id := func(sku, store, rule string, at time.Time) string {
		m, err := count(sku, store, 15, rule, at)
		if err != nil {
			t.Fatal(err)
		}
		return headerValue(m, "ce_id")
	}
	first := id("milk", "1", "150%", noon)
	if first != id("milk", "1", "150%", noon.In(time.FixedZone("", 3600))) {
		t.Error("the same count has another id")
	}
	for _, other := range []string{id("eggs", "1", "150%", noon), id("milk", "2", "150%", noon), id("milk", "1", "100%", noon), id("milk", "1", "150%", noon.Add(time.Second))} {
		if other == first {
			t.Error("another count has the same id")
		}
	}
}

func TestAFactIsCheckedBeforeItIsSent(t *testing.T) {
	for name, f := range map[string]Fact{
		"kind":     {Kind: "return", Data: []byte(`{}`)},
		"order":    {Kind: "order", Data: []byte(`{"order_id":"o-1","sent":{}}`)},
		"movement": {Kind: "movement", Data: []byte(`{"sky":"milk"}`)},
		"sale":     {Kind: "sale", Data: []byte(`[]`)},
	} {
		if m, err := f.message(); err == nil {
			t.Errorf("%s: got %v", name, m)
		}
	}
	m, err := Fact{Kind: "movement", Data: []byte(`{"sku":"milk"}`), Source: "wms", At: noon}.message()
	if err != nil || string(m.Key) != "milk" || headerValue(m, "ce_id") == "" || headerValue(m, "ce_source") != "wms" {
		t.Errorf("got %v, %v", m, err)
	}
	m, err = Fact{Kind: "sale", Data: []byte(`{"location":"367"}`), Source: "till", ID: "r-1", At: noon}.message()
	if err != nil || string(m.Key) != "367" || headerValue(m, "ce_id") != "r-1" {
		t.Errorf("got %v, %v", m, err)
	}
	m, err = Fact{Kind: "order", Data: []byte(`{"order_id":"o-1","cancelled":{}}`), Source: "shop", ID: "m-1", At: noon, Sequence: "4"}.message()
	if err != nil || m.Topic != "stockfold.orders.v1" || string(m.Key) != "o-1" {
		t.Errorf("got %v, %v", m, err)
	}
	wantHeaders(t, m, map[string]string{"ce_type": "stockfold.order.v1", "ce_source": "shop", "ce_id": "m-1", "ce_sequence": "4"})
}

func wantHeaders(t *testing.T, m kafka.Message, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := headerValue(m, key); got != value {
			t.Errorf("header %s is %q, want %q", key, got, value)
		}
	}
}
