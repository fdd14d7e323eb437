package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Bytes of every version that was ever written mean for ever what they meant then: beside the golden bytes lies, as JSON, what was read from them
// first. A change that reads them as something else needs a new format and a function that reads the old one.
func TestGoldenBytesKeepTheirMeaning(t *testing.T) {
	for _, e := range samples() {
		for i, data := range golden(t, e.EventType()) {
			r := record(t, e)
			r.Data = data
			got, m, err := Decode(r)
			if err != nil {
				t.Errorf("%s version %d: %v", r.Type, i+1, err)
				continue
			}
			means(t, fmt.Sprintf("%s.v%d.json", r.Type, i+1), map[string]any{"fact": got, "metadata": m})
		}
	}
}

// means compares with what is kept.
func means(t *testing.T, name string, x any) {
	t.Helper()
	file := filepath.Join("testdata", "meaning", name)
	text, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.IsNotExist(err) {
		t.Errorf("new golden bytes need what they mean: go test ./proto/codec -update")
		return
	}
	var was, is any
	if json.Unmarshal(kept, &was) != nil || json.Unmarshal(text, &is) != nil || !holds(is, was) {
		t.Errorf("%s meant\n%s\nis read as\n%s", name, kept, text)
	}
}

// holds tells whether a value has all that another one has; what is more was added later, and means nothing that was not so.
func holds(is, was any) bool {
	if x, ok := was.([]any); ok {
		y, ok := is.([]any)
		return ok && slices.EqualFunc(y, x, holds)
	}
	x, ok := was.(map[string]any)
	if !ok {
		return reflect.DeepEqual(is, was)
	}
	y, ok := is.(map[string]any)
	for name, value := range x {
		ok = ok && holds(y[name], value)
	}
	return ok
}

// A type gets a new format: a sale whose quantity was in dozens once. Events of both formats are read as they were meant, and
// those of a format to come are not read at all.
func TestEventsOfAnEarlierFormatAreReadAsTheyWereMeant(t *testing.T) {
	old := record(t, &stock.StockSold{Location: "berlin", Quantity: 2})
	upcasts[stock.TypeStockSold] = []upcast{func(p *pb.Event) { p.GetStockSold().Quantity *= 12 }}
	defer delete(upcasts, stock.TypeStockSold)
	for quantity, r := range map[int64]string{24: string(old.Data), 5: string(record(t, &stock.StockSold{Location: "berlin", Quantity: 5}).Data)} {
		x := old
		x.Data = []byte(r)
		if e, _, err := Decode(x); err != nil || e.(*stock.StockSold).Quantity != quantity {
			t.Errorf("%+v, %v; want %d", e, err, quantity)
		}
	}
	newer := record(t, &stock.StockSold{Location: "berlin", Quantity: 5})
	delete(upcasts, stock.TypeStockSold)
	var unknown *FormatError
	if _, _, err := Decode(newer); !errors.As(err, &unknown) || unknown.Format != 1 {
		t.Errorf("a format to come: %v", err)
	}
	body, meta, err := JSON(newer.Type, newer.Data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := FromJSON(newer.Type, body, meta); err != nil || string(again) != string(newer.Data) {
		t.Errorf("the format is lost in JSON: %s, %v", meta, err)
	}
}
