package stock

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func TestProportionIsThatOfBigNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value, part, whole := rapid.Int64().Draw(t, "value"), rapid.Int64().Draw(t, "part"), rapid.Int64().Draw(t, "whole")
		got, ok := Proportion(value, part, whole)
		if whole == 0 {
			if ok {
				t.Fatal("a part of nothing")
			}
			return
		}
		// |value part / whole| rounded half up is floor((2 |value part| + |whole|) / (2 |whole|))
		n := new(big.Int).Mul(big.NewInt(value), big.NewInt(part))
		negative := (n.Sign() < 0) != (whole < 0)
		w := new(big.Int).Abs(big.NewInt(whole))
		n.Abs(n).Lsh(n, 1).Add(n, w)
		n.Div(n, w.Lsh(w, 1))
		if negative {
			n.Neg(n)
		}
		if fits := n.IsInt64() && n.Int64() != math.MinInt64; ok != fits || ok && got != n.Int64() {
			t.Fatalf("%d * %d / %d is %v, told as %d, %v", value, part, whole, n, got, ok)
		}
	})
}

// A receipt is worth its quantity in the item's unit times the cost of one, rounded once.
func TestReceiptIsWorthWhatItsUnitsCost(t *testing.T) {
	s := &State{}
	s.Evolve(&ItemRegistered{Unit: "kg", Decimals: 3}, aggregates.Metadata{})
	r := Movement{Kind: KindReceived, Location: "berlin", Decimal: "5.5", Cost: &Cost{Unit: 249, Currency: "EUR"}}
	_, events, err := Move(s, r, aggregates.Metadata{OccurredAt: clock("10:00"), RecordedAt: clock("10:00"), IdempotencyKey: "k"}, clock("10:00"))
	if err != nil {
		t.Fatal(err)
	}
	if cost := events[0].(*StockReceived).Cost; cost == nil || *cost != (Cost{Unit: 249, Currency: "EUR", Value: 1370}) {
		t.Fatalf("5.5 kg at 2.49 cost %+v, should cost 13.70 (13.695 rounded)", cost)
	}
	r.Decimal, r.Quantity, r.Cost = "", MaxQuantity, &Cost{Unit: MaxUnitCost, Currency: "EUR"}
	_, _, err = Move(s, r, aggregates.Metadata{OccurredAt: clock("10:00"), RecordedAt: clock("10:00"), IdempotencyKey: "l"}, clock("10:00"))
	if refused := (*CostError)(nil); !errors.As(err, &refused) {
		t.Fatalf("a receipt beyond any value: %v", err)
	}
}

func TestCorrectionIsTheDifferenceOfWhatUnitsCost(t *testing.T) {
	s := &State{}
	r := Movement{Kind: KindCostCorrected, Location: "berlin", Quantity: 7, Cost: &Cost{Unit: 90, Currency: "EUR"}, InsteadOf: 100}
	_, events, err := Move(s, r, aggregates.Metadata{OccurredAt: clock("10:00"), RecordedAt: clock("10:00"), IdempotencyKey: "k"}, clock("10:00"))
	if err != nil {
		t.Fatal(err)
	}
	e, ok := events[len(events)-1].(*ReceiptCostCorrected)
	if !ok || e.Value != -70 || e.Quantity != 7 {
		t.Fatalf("%+v", events)
	}
}
