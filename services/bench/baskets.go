package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Topic and type of the contract.
const (
	salesTopic = "stockfold.sales.v1"
	saleType   = "stockfold.sale.v1"
	tillSource = "pos-"
)

// tills draws the baskets of a shopping day.
type tills struct {
	c    *catalogue
	r    *rand.Rand
	last int // basket made
}

func newTills(c *catalogue) *tills { return &tills{c: c, r: rand.New(rand.NewPCG(seed, 5))} }

// sell draws baskets with this many lines altogether, and takes what they sell from the catalogue's sums.
func (t *tills) sell(lines int) []*pb.Sale {
	var sales []*pb.Sale
	for lines > 0 {
		n := min(basketSize(t.r), lines)
		lines -= n
		t.last++
		shop := t.r.IntN(locationCount)
		s := &pb.Sale{Document: fmt.Sprintf("3152%07d", t.last), Location: t.c.locations[shop], Channel: channels[webChannel].id}
		for range n {
			sku, units := t.stocked(shop), lineQuantity(t.r)
			t.c.onHand[sku][shop] -= units
			s.Lines = append(s.Lines, &pb.SaleLine{Sku: t.c.skus[sku], Quantity: units})
		}
		sales = append(sales, s)
	}
	return sales
}

// stocked draws a SKU that lies in a shop.
func (t *tills) stocked(shop int) int {
	for {
		sku := t.c.demand.draw(t.r)
		for _, l := range t.c.shelves[sku] {
			if l == shop {
				return sku
			}
		}
	}
}

// messages are the sales as tills publish them: CloudEvents in binary mode, keyed and numbered by the shop.
func messages(sales []*pb.Sale, at time.Time) ([]kafka.Message, error) {
	all, numbers := make([]kafka.Message, len(sales)), map[string]int{}
	for i, s := range sales {
		numbers[s.Location]++
		value, err := protojson.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("sale %q: %w", s.Document, err)
		}
		all[i] = kafka.Message{Key: []byte(s.Location), Value: value, Headers: []kafka.Header{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_type", Value: []byte(saleType)},
			{Key: "ce_source", Value: []byte(tillSource + s.Location)},
			{Key: "ce_id", Value: []byte(s.Document)},
			{Key: "ce_time", Value: []byte(at.UTC().Format(time.RFC3339Nano))},
			{Key: "ce_sequence", Value: []byte(strconv.Itoa(numbers[s.Location]))},
			{Key: "content-type", Value: []byte("application/json")},
		}}
	}
	return all, nil
}
