package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// maxMismatches bounds how many differences are listed; all are counted.
const maxMismatches = 20

// Mismatch is a balance that differs from the file's.
type Mismatch struct {
	SKU, Store string
	Want, Got  int64
}

func (m Mismatch) String() string {
	return fmt.Sprintf("SKU %s at store %s: the file gives %d, the service says %d", m.SKU, m.Store, m.Want, m.Got)
}

// Verification is the outcome of comparing every balance.
type Verification struct {
	Pairs      int // balances compared
	Negative   int // of them, those below 0: tills sold what nobody had counted
	SoldOut    int // of them, those at 0
	Wrong      int
	Mismatches []Mismatch // the first of the wrong ones
}

// verify computes every final balance from the file alone, opening count less what was sold, and compares it with
// what the service says is on hand, for every SKU and store, units at other places included.
func (l *loader) verify(ctx context.Context, done func(int)) (*Verification, error) {
	var mu sync.Mutex
	v := &Verification{}
	err := each(ctx, l.survey.SKUs, func(ctx context.Context, sku SKU) error {
		want, err := l.closing(sku)
		if err != nil {
			return err
		}
		got, err := l.onHand(ctx, sku.ID)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		v.add(sku.ID, want, got)
		done(1)
		return nil
	})
	return v, err
}

// closing is what lies in each store after all of the file.
func (l *loader) closing(sku SKU) (map[string]int64, error) {
	want := make(map[string]int64, len(sku.Sold))
	for _, at := range sku.Sold {
		opening, err := l.Opening.Units(sku.ID, at.Units)
		if err != nil {
			return nil, err
		}
		want[at.Store] = opening - at.Units
	}
	return want, nil
}

// onHand asks the service what is sellable at each location.
func (l *loader) onHand(ctx context.Context, sku string) (map[string]int64, error) {
	answer, err := l.stock.GetStock(ctx, &pb.GetStockRequest{Sku: sku})
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stock of SKU %q: %w", sku, err)
	}
	got := make(map[string]int64, len(answer.Stock.Locations))
	for _, at := range answer.Stock.Locations {
		got[at.Location] = at.Sellable
	}
	return got, nil
}

func (v *Verification) add(sku string, want, got map[string]int64) {
	for _, store := range slices.Sorted(maps.Keys(want)) {
		v.Pairs++
		switch {
		case want[store] < 0:
			v.Negative++
		case want[store] == 0:
			v.SoldOut++
		}
		if g, ok := got[store]; !ok || g != want[store] {
			v.wrong(Mismatch{sku, store, want[store], g})
		}
	}
	for _, place := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[place]; !ok && got[place] != 0 {
			v.wrong(Mismatch{sku, place, 0, got[place]})
		}
	}
}

func (v *Verification) wrong(m Mismatch) {
	v.Wrong++
	if len(v.Mismatches) < maxMismatches {
		v.Mismatches = append(v.Mismatches, m)
	}
}
