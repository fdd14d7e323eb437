package availability_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
)

const sharedRules = aggregates.PolicyPrefix + aggregates.SharedRules

// stored is a fact and its stream.
type stored struct {
	stream string
	fact   aggregates.Event
}

// convergent are stock events of one SKU, in their order, and rules of every kind, in theirs.
func convergent() (sku, policy []stored) {
	own := func(facts ...aggregates.Event) {
		for _, f := range facts {
			sku = append(sku, stored{aggregates.SKUPrefix + "milk", f})
		}
	}
	own(&stock.ItemRegistered{Name: "Milk", Unit: "each", Category: "dairy"}, &stock.StockReceived{Location: "berlin", Quantity: 20},
		&stock.StockReceived{Location: "hamburg", Quantity: 9}, &stock.SafetyStockSet{Location: "hamburg", BasisPoints: 1000},
		&stock.ReservationPlaced{ReservationID: "a", Channel: "web", Quantity: 2, Splits: []stock.Split{{Location: "berlin", Quantity: 2}}},
		&stock.AllocationSet{Channel: "market", Locations: []string{"berlin"}, Fence: 5, Opening: []stock.Opening{{Channel: "web", Location: "berlin", Quantity: 2}}},
		&stock.SellingRuleSet{Rule: stock.SellingRule{Channel: "web", Backorders: 7, LowStock: 50}},
		&stock.ReservationPlaced{ReservationID: "b", Channel: "market", Quantity: 1, Splits: []stock.Split{{Location: "berlin", Quantity: 1}}},
		&stock.StockSold{Location: "berlin", Quantity: 1, Channel: "market"})
	policy = []stored{
		{aggregates.LocationPrefix + "berlin", &location.Defined{Name: "Berlin", Kind: "store", TimeZone: "UTC"}},
		{aggregates.LocationPrefix + "hamburg", &location.Defined{Name: "Hamburg", Kind: "dc", TimeZone: "UTC"}},
		{aggregates.ChannelPrefix + "web", &channel.Defined{Name: "web", Sourcing: []string{"berlin"}, HoldSeconds: 900}},
		{sharedRules, &rules.GroupDefined{Group: "north", Locations: []string{"hamburg"}}},
		{aggregates.ChannelPrefix + "web", &channel.Defined{Name: "web", Sourcing: []string{"berlin"}, HoldSeconds: 900,
			Terms: channel.Terms{SourcingGroups: []string{"north"}, BufferBasisPoints: 1000, SellOut: 1}}},
		{sharedRules, &rules.SafetySet{Rule: stock.SafetyRule{Category: "dairy", Portion: stock.Portion{Units: 3}}}},
		{sharedRules, &rules.SafetySet{Rule: stock.SafetyRule{Channel: "market", Portion: stock.Portion{Units: 1}}}},
		{aggregates.ChannelPrefix + "market", &channel.Defined{Name: "market", Sourcing: []string{"berlin", "hamburg"}, HoldSeconds: 900}},
		{aggregates.LocationPrefix + "berlin", &location.Disabled{}},
		{aggregates.LocationPrefix + "berlin", &location.Enabled{}},
		{sharedRules, &rules.FulfilmentSet{Method: "ship", Rule: stock.Method{CutOff: stock.NoCutOff}}},
	}
	return sku, policy
}

// However rules and stock events are mixed, each in their own order, what can be sold in the end is the same.
func TestRulesAndStockConvergeInAnyOrder(t *testing.T) {
	var want string
	for round := range 12 {
		s := prepare(t)
		s.run()
		sku, policy := convergent()
		r := rand.New(rand.NewPCG(uint64(round), 1))
		for len(sku)+len(policy) > 0 {
			from := &sku
			if len(sku) == 0 || len(policy) > 0 && r.IntN(2) == 0 {
				from = &policy
			}
			s.Add(t, (*from)[0].stream, (*from)[0].fact)
			if *from = (*from)[1:]; r.IntN(4) == 0 {
				s.seen()
			}
		}
		s.seen()
		got := ""
		for _, c := range []string{"market", "web"} {
			a, err := s.Get(t.Context(), "milk", c)
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%s %+v\n", c, a.Offer)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("round %d:\n%sbefore:\n%s", round, got, want)
		}
		d, err := s.Stock(t.Context(), "milk")
		if err != nil {
			t.Fatal(err)
		}
		s.restart()
		s.seen()
		again, err := s.Stock(t.Context(), "milk")
		if err != nil || fmt.Sprintf("%+v", again.Balances.Rules()) != fmt.Sprintf("%+v", d.Balances.Rules()) || !slices.Equal(again.Channels(), d.Channels()) {
			t.Fatalf("restarted: %+v, %v", again, err)
		}
	}
	if want != "market {ATS:21 Beyond:0 Standing:in stock NextAt:0}\nweb {ATS:15 Beyond:7 Standing:low stock NextAt:0}\n" {
		t.Fatalf("ends with %s", want)
	}
}

// BenchmarkLiveBesideAPolicyChange is the time from the return of an append to its being readable while a shared rule has 100,000 SKUs computed anew
// again and again, beside the time when nothing else goes on.
func BenchmarkLiveBesideAPolicyChange(b *testing.B) {
	const skus = 100_000
	s := measured(b)
	sales(b, s, 1_000, 200)
	for i := range skus {
		s.Append(b, fmt.Sprint(aggregates.SKUPrefix, "shelf-", i), till(b, s.History, "shelf", i))
	}
	s.run()
	s.seen()
	live := func(n int) time.Duration {
		took := make([]time.Duration, 0, n)
		for i := range n {
			at := s.Append(b, aggregates.SKUPrefix+skuNames[i%len(skuNames)], till(b, s.History, skuNames[i%len(skuNames)], i))
			begun := time.Now()
			if err := s.Projection.WaitFor(context.Background(), at); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	for b.Loop() {
		quiet := live(500)
		begun := time.Now()
		s.Add(b, sharedRules, &rules.SafetySet{Rule: stock.SafetyRule{Channel: "web", Portion: stock.Portion{Units: int64(b.N%7 + 1)}}})
		busy := live(500)
		s.seen()
		b.ReportMetric(float64(busy)/float64(quiet), "busy/quiet")
		b.ReportMetric(time.Since(begun).Seconds(), "s/pass-at-most")
	}
}
