package bench

import (
	"fmt"
	"math/rand/v2"
)

// Shape of the retailer that the bench plays.
const (
	seed           = 20170123 // of every draw: two runs ask the same
	locationCount  = 8
	shelvesPerSKU  = 3 // locations at which a SKU lies
	maxOnShelf     = 400
	reserveSKUs    = 1_000
	plenty         = int64(1_000_000_000)     // units of SKUs that are reserved: they must not run out
	hotSKUs        = 2*(MaxRounds+1) + probes // one for each round on a hot SKU and its warm-up, and one for each probe
	sentinelSKU    = "bench-sentinel"
	benchSource    = "stockfold-bench"
	firstProductID = 600_000
)

// channels of the retailer: which locations they sell from, as numbers, and what is kept back from them.
var channels = []struct {
	id     string
	from   []int
	buffer int64
}{
	{"web", []int{0, 1, 2, 3, 4, 5, 6, 7}, 0},
	{"marketplace", []int{0, 1, 2, 3}, 2},
	{"store-5", []int{5}, 1},
}

// webChannel is the channel that reserves.
const webChannel = 0

// catalogue is what is sold and where it lies. The bench keeps its own sums in it.
type catalogue struct {
	locations []string
	skus      []string  // best seller first
	shelves   [][]int   // locations at which each of skus lies
	onHand    [][]int64 // of skus, by location
	reserve   []string  // SKUs that only reservations change
	hot       []string
	demand    zipf // over skus
}

// newCatalogue draws a catalogue of n SKUs with ids like the grocer's: numbers of 6 to 8 digits, without order.
func newCatalogue(n int) *catalogue {
	r := rand.New(rand.NewPCG(seed, 1))
	c := &catalogue{demand: newZipf(n), onHand: make([][]int64, n)}
	for i := range locationCount {
		c.locations = append(c.locations, fmt.Sprintf("store-%d", i))
	}
	ids := productIDs(r, n+reserveSKUs+hotSKUs)
	c.skus, c.reserve, c.hot = ids[:n:n], ids[n:n+reserveSKUs:n+reserveSKUs], ids[n+reserveSKUs:]
	for i := range c.onHand {
		c.onHand[i] = make([]int64, locationCount)
		c.shelves = append(c.shelves, r.Perm(locationCount)[:shelvesPerSKU])
		for _, l := range c.shelves[i] {
			c.onHand[i][l] = r.Int64N(maxOnShelf + 1)
		}
	}
	return c
}

// productIDs are n different ones; half of them have 6 or 7 digits, the rest mostly 8.
func productIDs(r *rand.Rand, n int) []string {
	ids, taken := make([]string, 0, n), make(map[int]bool, n)
	for len(ids) < n {
		id := firstProductID + r.IntN(2_000_000)
		if r.IntN(2) == 0 {
			id = 10_000_000 + r.IntN(9_000_000)
		}
		if !taken[id] {
			taken[id] = true
			ids = append(ids, fmt.Sprint(id))
		}
	}
	return ids
}

// ats is what a SKU that nobody reserves has available on a channel: what lies where the channel sells from, less the
// channel's buffer. It is worked out apart from the service.
func (c *catalogue) ats(sku, channel int) int64 {
	total := -channels[channel].buffer
	for _, l := range channels[channel].from {
		total += max(0, c.onHand[sku][l])
	}
	return max(0, total)
}
