package views_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Of many documents those that are not quiet are found, each once and in order, in pages of any size.
func TestScanLoudFindsWhatIsNotQuiet(t *testing.T) {
	d, err := views.Open("views", views.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var all []*availability.Document
	var loud []string
	for i := range 500 {
		x := &availability.Document{SKU: fmt.Sprintf("sku-%03d", i), Position: uint64(i + 1)}
		x.Balances.Put(stock.Balance{Location: "berlin", OnHand: [4]int64{5}, Reserved: int64(i % 7 / 6)})
		if all = append(all, x); i%7 == 6 {
			loud = append(loud, x.SKU)
		}
	}
	m := d.Availability()
	if err := m.Write(t.Context(), all, projections.Progress{Position: 500}); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 10, 1000} {
		var found []string
		for after, more := "", true; more; {
			page, reached, err := m.ScanLoud(t.Context(), after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("%d documents, %v", len(page), err)
			}
			for _, x := range page {
				found = append(found, x.SKU)
			}
			after, more = reached, reached != ""
		}
		if !slices.Equal(found, loud) {
			t.Errorf("pages of %d: found %v, want %v", limit, found, loud)
		}
	}
}
