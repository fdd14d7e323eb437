package codec

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

func benchRecord(b *testing.B) aggregates.Record {
	b.Helper()
	data, err := Encode(nil, &stock.ReservationPlaced{ReservationID: "cart-1", Channel: "web", Quantity: 2, ExpiresAt: noon,
		Splits: []stock.Split{{Location: "berlin", Quantity: 2}}}, &aggregates.Metadata{OccurredAt: noon, RecordedAt: noon, CorrelationID: "order-9",
		Actor: "web", IdempotencyKey: "r:cart-1", Fingerprint: 1 << 60})
	if err != nil {
		b.Fatal(err)
	}
	return aggregates.Record{NewEvent: aggregates.NewEvent{Type: "ReservationPlaced", Data: data}}
}

func BenchmarkJSON(b *testing.B) {
	r := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := JSON(r.Type, r.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	r := benchRecord(b)
	body, meta, err := JSON(r.Type, r.Data)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromJSON(r.Type, body, meta); err != nil {
			b.Fatal(err)
		}
	}
}
