package bench

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The shares of the best sellers are those of the till receipts that the skew is fitted to.
func TestDemandIsAsInTheReceipts(t *testing.T) {
	z := newZipf(46_698)
	share := func(best int) float64 { return z.upTo[best-1] / z.upTo[len(z.upTo)-1] }
	for _, c := range []struct {
		best int
		want float64
	}{{1, 0.012}, {10, 0.048}, {100, 0.154}, {1_000, 0.377}} {
		if got := share(c.best); math.Abs(got-c.want) > 0.03 {
			t.Errorf("the best %d SKUs make %.3f of the lines, in the receipts %.3f", c.best, got, c.want)
		}
	}
}

func TestDrawsFollowTheWeights(t *testing.T) {
	const n, draws = 20, 200_000
	z, seen := newZipf(n), make([]int, n)
	for _, rank := range z.draws(rand.New(rand.NewPCG(1, 1)), draws) {
		seen[rank]++
	}
	below := 0.0
	for i, count := range seen {
		want := (z.upTo[i] - below) / z.upTo[n-1] * draws
		below = z.upTo[i]
		if math.Abs(float64(count)-want) > 5*math.Sqrt(want) {
			t.Errorf("rank %d: drawn %d times, expected %.0f", i, count, want)
		}
	}
}

func TestBasketsAreAsInTheReceipts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var sizes []int
	var units, lines int64
	for range 50_000 {
		sizes = append(sizes, basketSize(r))
		units, lines = units+lineQuantity(r), lines+1
	}
	slices.Sort(sizes)
	if sizes[0] != 1 || sizes[25_000] < 4 || sizes[25_000] > 6 || sizes[45_000] < 20 || sizes[45_000] > 28 || sizes[49_999] > maxBasket {
		t.Errorf("smallest %d, median %d, 90th percentile %d, largest %d", sizes[0], sizes[25_000], sizes[45_000], sizes[49_999])
	}
	if mean := float64(units) / float64(lines); mean < 1.1 || mean > 1.8 {
		t.Errorf("%g units a line", mean)
	}
}

func TestACatalogueIsTheSameEachTime(t *testing.T) {
	a, b := newCatalogue(500), newCatalogue(500)
	if !reflect.DeepEqual(a, b) {
		t.Error("two catalogues differ")
	}
	p, err := newQuestions(a, 100)
	if err != nil {
		t.Fatal(err)
	}
	if q, err := newQuestions(b, 100); err != nil || !reflect.DeepEqual(p, q) {
		t.Errorf("two lists of questions differ (%v)", err)
	}
	names := slices.Concat(a.skus, a.reserve, a.hot)
	slices.Sort(names)
	if len(slices.Compact(names)) != 500+reserveSKUs+hotSKUs {
		t.Error("a SKU is there twice")
	}
	for _, sku := range names {
		if len(sku) < 6 || len(sku) > 8 {
			t.Errorf("SKU %q is no id of 6 to 8 digits", sku)
		}
	}
}

func TestEveryRoundOnAHotSKUHasItsOwn(t *testing.T) {
	hotRows := 0
	for _, r := range rows {
		if r.Name == "hot" || r.Name == "hot-1024" {
			hotRows++
		}
	}
	if hotSKUs < hotRows*(MaxRounds+1)+probes {
		t.Errorf("%d hot SKUs are too few", hotSKUs)
	}
	b := &bench{}
	if first, second := b.takeHot(6), b.takeHot(2); first != 0 || second != 6 {
		t.Errorf("%d, %d", first, second)
	}
}

// The bench's own sums: what lies where a channel sells from, less its buffer, never below 0.
func TestExpectedATS(t *testing.T) {
	c := &catalogue{onHand: [][]int64{{5, 0, 0, 7, 0, 3, 0, 0}, {1, 0, 0, 0, 0, 1, 0, 0}, {-4, 0, 0, 6, 0, 0, 0, 0}}}
	for sku, want := range [][]int64{{15, 10, 2}, {2, 0, 0}, {6, 4, 0}} {
		for channel := range channels {
			if got := c.ats(sku, channel); got != want[channel] {
				t.Errorf("SKU %d on %s: %d, expected %d", sku, channels[channel].id, got, want[channel])
			}
		}
	}
}

func TestAQuestionKnowsItsAnswer(t *testing.T) {
	q := question{"1000001", "web", 5}
	right := pb.Availability{Sku: "1000001", Channel: "web", Ats: 5, Known: true}
	if err := q.check(&right); err != nil {
		t.Error(err)
	}
	for name, wrongly := range map[string]*pb.Availability{
		"nothing": nil, "ATS": {Sku: "1000001", Channel: "web", Ats: 6, Known: true}, "SKU": {Sku: "1000002", Channel: "web", Ats: 5, Known: true},
		"channel": {Sku: "1000001", Channel: "store", Ats: 5, Known: true}, "unknown": {Sku: "1000001", Channel: "web", Ats: 5}} {
		if q.check(wrongly) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	x := batch{answers: []question{q, q}}
	if x.check([]*pb.Availability{&right, &right}) != nil || x.check([]*pb.Availability{&right}) == nil ||
		x.check([]*pb.Availability{&right, nil}) == nil {
		t.Error("batches are checked wrongly")
	}
}

// Sales must leave the catalogue's sums, and sell only where something lies.
func TestTillsSellWhatTheyTakeFromTheSums(t *testing.T) {
	c := newCatalogue(200)
	before := newCatalogue(200)
	tills := newTills(c)
	sales := tills.sell(5_000)
	place := map[string]int{}
	for i, l := range c.locations {
		place[l] = i
	}
	number := map[string]int{}
	for i, s := range c.skus {
		number[s] = i
	}
	lines, documents := 0, map[string]bool{}
	for _, s := range sales {
		documents[s.Document] = true
		for _, line := range s.Lines {
			lines++
			sku, shop := number[line.Sku], place[s.Location]
			before.onHand[sku][shop] -= line.Quantity
			if !slices.Contains(c.shelves[sku], shop) {
				t.Fatalf("SKU %q does not lie in %s", line.Sku, s.Location)
			}
		}
	}
	if lines != 5_000 || len(documents) != len(sales) || !reflect.DeepEqual(before.onHand, c.onHand) {
		t.Errorf("%d lines in %d sales of %d documents; sums agree: %t", lines, len(sales), len(documents),
			reflect.DeepEqual(before.onHand, c.onHand))
	}
	if more := tills.sell(10); documents[more[0].Document] {
		t.Error("a document was used twice")
	}
}

func TestSalesArePublishedAsCloudEvents(t *testing.T) {
	c := newCatalogue(200)
	sales := newTills(c).sell(50)
	all, err := messages(sales, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]int{}
	for i, m := range all {
		numbers[sales[i].Location]++
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = string(h.Value)
		}
		want := map[string]string{"ce_specversion": "1.0", "ce_type": saleType, "ce_source": "pos-" + sales[i].Location,
			"ce_id": sales[i].Document, "ce_time": "2026-01-02T03:04:05Z", "content-type": "application/json", "ce_sequence": strconv.Itoa(numbers[sales[i].Location])}
		if !reflect.DeepEqual(headers, want) {
			t.Errorf("headers %v, expected %v", headers, want)
		}
		var back pb.Sale
		if err := protojson.Unmarshal(m.Value, &back); err != nil || back.Document != sales[i].Document || len(back.Lines) != len(sales[i].Lines) {
			t.Errorf("value %s: %v", m.Value, err)
		}
	}
}

func TestCartsHaveDifferentIds(t *testing.T) {
	var c carts
	seen := map[string]bool{}
	for range 5_000 {
		id := c.next()
		if len(id) != 36 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
