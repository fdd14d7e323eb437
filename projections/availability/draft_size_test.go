package availability

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// What is not written yet is bounded by what the drafts are counted as: a draft keeps the document before it alive.
func TestDraftsAreCountedAsWhatTheyTake(t *testing.T) {
	const skus, places = 100, 500
	var stored [][]byte
	var encoder Encoder
	for i := range skus {
		d := &Document{SKU: fmt.Sprint("sku-", i), Position: 1, RecordedAt: aggregates.Second}
		for p := range places {
			d.Balances.Evolve(&stock.StockReceived{Location: fmt.Sprintf("place-%04d", p), Quantity: 5})
		}
		b, err := encoder.Append(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, b)
	}
	s := shard{drafts: map[string]draft{}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, b := range stored {
		was, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		d := s.begin(was.SKU, was)
		d.Balances.Evolve(&stock.StockSold{Location: "place-0000", Quantity: 1})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	taken := int(after.HeapAlloc - before.HeapAlloc)
	if taken > 3*s.bytes/2 || s.bytes > 3*taken/2 {
		t.Errorf("drafts that take %d bytes are counted as %d", taken, s.bytes)
	}
	runtime.KeepAlive(&s)
}
