package load

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOpeningFollowsTheRule(t *testing.T) {
	o, err := ParseOpening(DefaultOpening)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sku        string
		sold, want int64
	}{
		{"1082185", 10, 15}, {"1082185", 1, 2}, {"1082185", 3, 5}, // half as much again, rounded up
		{"995249", 7, 7},                    // ends in 9: sells out
		{"995240", 10, 9}, {"995240", 9, 9}, // ends in 0: too little was counted
		{"995240", 0, 0}, {"1082185", -4, 0}, // nothing sold, more came back than was sold
	} {
		if got, err := o.Units(c.sku, c.sold); err != nil || got != c.want {
			t.Errorf("SKU %s, sold %d: opening %d, %v; want %d", c.sku, c.sold, got, err, c.want)
		}
	}
}

// The rule, computed again with exact fractions and the shares by hand.
func TestOpeningAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sku := rapid.StringMatching(`[0-9]{5,8}`).Draw(t, "sku")
		sold := rapid.Int64Range(1, maxOpening/2).Draw(t, "sold")
		share := big.NewRat(3, 2)
		switch sku[len(sku)-1] {
		case '9':
			share = big.NewRat(1, 1)
		case '0':
			share = big.NewRat(9, 10)
		}
		exact := new(big.Rat).Mul(share, new(big.Rat).SetInt64(sold))
		want := new(big.Int).Div(new(big.Int).Add(exact.Num(), new(big.Int).Sub(exact.Denom(), big.NewInt(1))), exact.Denom())
		o, _ := ParseOpening(DefaultOpening)
		if got, err := o.Units(sku, sold); err != nil || got != want.Int64() {
			t.Fatalf("opening %d, %v; want %s", got, err, want)
		}
	})
}

func TestOpeningRefusesWhatDoesNotFit(t *testing.T) {
	o, err := ParseOpening("1000%")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Units("milk", maxOpening/2); err == nil || !strings.Contains(err.Error(), `SKU "milk" is 5000000000000000, more than`) {
		t.Errorf("got %v", err)
	}
	if o, _ = ParseOpening("100000%"); o.None() {
		t.Error("a rule of percentages counts")
	}
	if _, err := o.Units("milk", 1<<62); err == nil || !strings.Contains(err.Error(), "overflows") {
		t.Errorf("got %v", err)
	}
}

func TestOpeningNone(t *testing.T) {
	o, err := ParseOpening("none")
	if units, _ := o.Units("milk", 10); err != nil || !o.None() || units != 0 || o.String() != "none" {
		t.Errorf("got %v %v %d", o, err, units)
	}
}

func TestBadRulesAreExplained(t *testing.T) {
	for rule, problem := range map[string]string{
		"":             "must be a percentage",
		"150":          `"150" must be a percentage`,
		"-1%":          "must be a percentage of 0%",
		"100001%":      "to 100000%",
		"x%":           "must be a percentage",
		"9:100%":       "needs a percentage for every other SKU",
		"10%,20%":      "two percentages for every SKU",
		"10%,:20%":     "names no ending",
		"10%,9:20":     `"9:20" must be a percentage`,
		"150%,9:100%,": "must be a percentage",
	} {
		if _, err := ParseOpening(rule); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("rule %q: got %v, want %q", rule, err, problem)
		}
	}
}
