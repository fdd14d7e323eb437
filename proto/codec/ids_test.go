package codec

import (
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

func idsOf(t *testing.T, r aggregates.Record) (list []string, recorded aggregates.Instant) {
	t.Helper()
	recorded, err := EachID(&r, func(kind IDKind, id []byte) { list = append(list, kind.String()+" "+string(id)) })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list, recorded
}

var metaIDs = []string{"cause msg-1", "correlation order-9", "document asn-1", "message 1"}

func TestTheIDsOfAnEventAreFoundInItsBytes(t *testing.T) {
	for _, x := range []struct {
		event aggregates.Event
		more  []string
	}{
		{&stock.StockSold{Location: "berlin", Quantity: 2, ReservationID: "cart-1"}, []string{"reservation cart-1"}},
		{&stock.StockSold{Location: "berlin", Quantity: 2}, nil},
		{&stock.ReservationOrdered{ReservationID: "o-1#2", OrderID: "o-1", Version: 3}, []string{"order o-1", "reservation o-1#2"}},
		{&stock.SupplyExpected{Document: "asn-7", Location: "berlin", Quantity: 4}, []string{"document asn-7"}},
		{&stock.TransferShipped{TransferID: "t-1", Location: "berlin", Destination: "köln", Quantity: 4}, []string{"document t-1"}},
		{&stock.StockAdjusted{Location: "berlin", Delta: 1, Reason: "cart-1"}, nil},
	} {
		r, _ := sealed(t, x.event, Seal{})
		want := append(slices.Clone(metaIDs), x.more...)
		slices.Sort(want)
		if got, at := idsOf(t, r); !slices.Equal(got, want) || at != meta.RecordedAt {
			t.Errorf("%+v: %q, recorded %d", x.event, got, at)
		}
	}
}

func TestDamagedBytesHaveNoIDs(t *testing.T) {
	whole, _ := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2, ReservationID: "cart-1"}, Seal{})
	failed := 0
	for cut := SealBytes; cut < len(whole.Data); cut++ { // must not panic
		r := whole
		r.Data = whole.Data[:cut]
		if _, err := EachID(&r, func(IDKind, []byte) {}); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no cut was noticed")
	}
}

func BenchmarkEachID(b *testing.B) {
	m := meta
	data, _ := Encode(nil, &stock.StockSold{Location: "berlin", Quantity: 2, Channel: "pos"}, &m)
	r := aggregates.Record{NewEvent: aggregates.NewEvent{Type: "StockSold", Data: data}, Stream: "sku-1"}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		_, _ = EachID(&r, func(IDKind, []byte) { n++ })
	}
}
