package load

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// DefaultOpening is the rule for opening counts: one and a half times what the file sells, but SKUs that end in 9
// open with just what they sell, so that they sell out, and SKUs that end in 0 with less, so that tills sell what nobody
// had counted, as happens in shops.
const DefaultOpening = "150%,9:100%,0:90%"

// maxPercent bounds a rule's percentages.
const maxPercent = 100_000

// Opening says how many units of a SKU were counted in a store before the first sale of the file.
type Opening struct {
	percent int64 // of what the file sells; -1: nothing is counted
	endings []ending
	text    string
}

type ending struct {
	suffix  string
	percent int64
}

// ParseOpening reads a rule: "none", or a percentage of what the file sells of the SKU in the store, with others for
// SKUs with certain endings, e.g. "150%,9:100%,0:90%". The first ending that fits counts.
func ParseOpening(rule string) (Opening, error) {
	o := Opening{percent: -1, text: rule}
	if rule == "none" {
		return o, nil
	}
	for part := range strings.SplitSeq(rule, ",") {
		suffix, number, special := strings.Cut(part, ":")
		if !special {
			number = part
		}
		percent, err := strconv.ParseInt(strings.TrimSuffix(number, "%"), 10, 64)
		if err != nil || !strings.HasSuffix(number, "%") || percent < 0 || percent > maxPercent {
			return o, fmt.Errorf("opening rule %q: %q must be a percentage of 0%% to %d%%, e.g. 150%% or 9:100%%", rule, part, maxPercent)
		}
		switch {
		case special && suffix == "":
			return o, fmt.Errorf("opening rule %q: %q names no ending of a SKU", rule, part)
		case special:
			o.endings = append(o.endings, ending{suffix, percent})
		case o.percent >= 0:
			return o, fmt.Errorf("opening rule %q has two percentages for every SKU", rule)
		default:
			o.percent = percent
		}
	}
	if o.percent < 0 {
		return o, fmt.Errorf("opening rule %q needs a percentage for every other SKU, e.g. 150%%", rule)
	}
	return o, nil
}

// None tells whether nothing is counted.
func (o Opening) None() bool { return o.percent < 0 }

// String is the rule as it was written.
func (o Opening) String() string { return o.text }

// Units is the opening count of a SKU in a store where the file sells sold units, in base units, rounded up. It
// is 0 where more came back than was sold.
func (o Opening) Units(sku string, sold int64) (int64, error) {
	if sold <= 0 || o.None() {
		return 0, nil
	}
	percent := o.percent
	for _, e := range o.endings {
		if strings.HasSuffix(sku, e.suffix) {
			percent = e.percent
			break
		}
	}
	high, low := bits.Mul64(uint64(sold), uint64(percent))
	low, carry := bits.Add64(low, 99, 0)
	high += carry
	if high >= 100 {
		return 0, fmt.Errorf("opening count of SKU %q overflows: %d%% of %d", sku, percent, sold)
	}
	units, _ := bits.Div64(high, low, 100)
	if units > maxOpening {
		return 0, fmt.Errorf("opening count of SKU %q is %d, more than %d", sku, units, int64(maxOpening))
	}
	return int64(units), nil
}
