package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

// How demand is spread, fitted to half a year of a US grocer's till receipts (65,740 baskets, 46,698 SKUs): the best
// seller makes 1% of the lines, the best 100 SKUs 15%, the best 1,000 38%. Beyond them the receipts' tail is thinner
// than this one's (the best 10,000 make 82% there, 69% here), which gives a cache the harder time.
const (
	zipfExponent = 0.8
	zipfShift    = 2 // ranks: flattens the very top
)

// zipf draws ranks from 0, each less likely than the one before: weight 1/(rank+1+shift)^exponent.
type zipf struct{ upTo []float64 }

func newZipf(n int) zipf {
	z := zipf{upTo: make([]float64, n)}
	total := 0.0
	for i := range z.upTo {
		total += math.Pow(float64(i+1+zipfShift), -zipfExponent)
		z.upTo[i] = total
	}
	return z
}

// draw returns a rank below n.
func (z zipf) draw(r *rand.Rand) int {
	x := r.Float64() * z.upTo[len(z.upTo)-1]
	i, _ := slices.BinarySearch(z.upTo, x)
	return min(i, len(z.upTo)-1)
}

// draws returns many ranks at once, so that drawing costs nothing while the clock runs.
func (z zipf) draws(r *rand.Rand, n int) []int32 {
	ranks := make([]int32, n)
	for i := range ranks {
		ranks[i] = int32(z.draw(r))
	}
	return ranks
}

// Size of baskets and quantity of lines, from the same receipts: half of the baskets have up to 5 lines, a tenth 24
// or more; four lines of five are of one unit.
const (
	basketMedian = 5.0
	basketSpread = 1.2 // standard deviation of the logarithm
	maxBasket    = 160
)

// basketSize draws how many lines a till receipt has.
func basketSize(r *rand.Rand) int {
	n := math.Round(basketMedian * math.Exp(basketSpread*r.NormFloat64()))
	return int(min(max(n, 1), maxBasket))
}

// lineQuantity draws how many units a line sells.
func lineQuantity(r *rand.Rand) int64 {
	switch x := r.Float64(); {
	case x < 0.80:
		return 1
	case x < 0.95:
		return 2
	case x < 0.98:
		return 3
	default:
		return 4 + int64(r.IntN(17))
	}
}
