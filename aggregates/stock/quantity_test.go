package stock

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	tests := []struct {
		text     string
		decimals int
		want     int64
	}{
		{"5", 0, 5}, {"5", 3, 5000}, {"+5.5", 1, 55}, {"-0.05", 2, -5}, {"007.10", 2, 710}, {"0", 9, 0}, {"-0.0", 0, 0},
		{"5.000", 0, 5}, {"1000000000000000", 0, MaxQuantity}, {"1000000.000000000", 9, MaxQuantity},
	}
	for _, x := range tests {
		if got, err := parseDecimal(x.text, x.decimals); err != nil || got != x.want {
			t.Errorf("%q with %d decimals: %d, %v", x.text, x.decimals, got, err)
		}
	}
	for _, text := range []string{"", "-", "+", ".", "5.", ".5", "1e3", "1,5", "1.2.3", " 1", "٣", "--1", "0x1", "1_0", "Inf"} {
		var bad *NumberError
		if got, err := parseDecimal(text, 3); !errors.As(err, &bad) || bad.Text != text {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"1000000000000001", "99999999999999999999999999", "1000000.000000001"} {
		var bad *NumberError
		if _, err := parseDecimal(text, 9); !errors.As(err, &bad) || bad.Rule != "is too large" {
			t.Errorf("%q: %v", text, err)
		}
	}
	var many *DecimalsError
	if _, err := parseDecimal("1.005", 2); !errors.As(err, &many) {
		t.Error(err)
	}
}

// A decimal number is read exactly as arithmetic of any length reads it, or refused.
func TestParseDecimalIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[+-]?[0-9]{1,18}(\.[0-9]{1,12})?`).Draw(t, "text")
		decimals := rapid.IntRange(0, MaxDecimals).Draw(t, "decimals")
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		want.Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
		fits := want.IsInt() && new(big.Rat).Abs(want).Cmp(new(big.Rat).SetInt64(MaxQuantity)) <= 0
		got, err := parseDecimal(text, decimals)
		if (err == nil) != fits || fits && new(big.Rat).SetInt64(got).Cmp(want) != 0 {
			t.Fatalf("%q with %d decimals: %d, %v", text, decimals, got, err)
		}
	})
}

func TestCheckedSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edges := rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64})
		number := rapid.OneOf(edges, rapid.Int64())
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		check := func(got int64, ok bool, want *big.Int) {
			if ok != want.IsInt64() || ok && got != want.Int64() {
				t.Fatalf("%d and %d: %d, %v, expected %s", a, b, got, ok, want)
			}
		}
		got, ok := add(a, b)
		check(got, ok, new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
		got, ok = sub(a, b)
		check(got, ok, new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
	})
}
