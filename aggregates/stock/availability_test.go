package stock

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func TestAvailable(t *testing.T) {
	policy := func(buffer int64, sites ...string) *Policy { return NewPolicy("web", sites, buffer, 0) }
	base := func(t *testing.T) given {
		return scenario(t).given(
			registered(RegisterRequest{SafetyStock: []SafetyStock{{"berlin", 2}}}),
			counted("berlin", 10), counted("hamburg", 5), reserve("cart", 3),
			move(Movement{Kind: KindCounted, Location: "berlin", Quantity: 100, Condition: Damaged}),
		)
	}
	tests := []struct {
		name   string
		policy *Policy
		want   int64
	}{
		{"on hand less reserved less safety stock", policy(0, "berlin"), 5},
		{"over all sites", policy(0, "berlin", "hamburg"), 10},
		{"a site named twice counts once", policy(0, "berlin", "berlin"), 5},
		{"a site without the SKU adds nothing", policy(0, "berlin", "munich"), 5},
		{"no site, nothing", policy(0), 0},
		{"less the buffer", policy(4, "berlin", "hamburg"), 6},
		{"never negative", policy(11, "berlin", "hamburg"), 0},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) { then(base(t).under(x.policy), ats(x.want)) })
	}
}

func TestOneSitesDebtIsNotAnothers(t *testing.T) {
	scenario(t).given(counted("berlin", 10), sold("hamburg", 4), reserve("cart", 10)).
		when(counted("hamburg", 3)).then(ats(3)).
		when(sold("berlin", 8)).then(ats(3))
}

func TestPolicyDefaults(t *testing.T) {
	p := NewPolicy("web", []string{"b", "a", "b"}, 3, 0)
	if p.HoldSeconds != DefaultHoldSeconds || !slices.Equal(p.Sites, []string{"b", "a"}) || p.Buffer != 3 || p.Channel != "web" {
		t.Fatalf("%+v", p)
	}
}

// The sum over sites is the same, whichever list it goes by, and never wraps.
func TestAvailableAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Balances
		site := func(i int) string { return fmt.Sprint("site ", i) }
		amount := rapid.SampledFrom([]int64{0, 1, 7, 1 << 40, math.MaxInt64})
		for i := range rapid.IntRange(0, 40).Draw(t, "locations") {
			x := Balance{Location: site(i), SafetyStock: amount.Draw(t, "safety"), Reserved: amount.Draw(t, "reserved")}
			x.OnHand[Sellable] = amount.Draw(t, "on hand") - rapid.SampledFrom([]int64{0, 3}).Draw(t, "less")
			if x.Reserved > 1 {
				x.Holds.Add(10*aggregates.Second, x.Reserved/2)
			}
			b.Put(x)
		}
		var sites []string
		for range rapid.IntRange(0, 45).Draw(t, "sites") {
			sites = append(sites, site(rapid.IntRange(0, 50).Draw(t, "site")))
		}
		p := NewPolicy("web", sites, amount.Draw(t, "buffer"), 0)
		now := aggregates.Instant(rapid.SampledFrom([]int64{9, 10, 11}).Draw(t, "now")) * aggregates.Second

		pool, free := 0.0, 0.0
		for _, name := range p.Sites {
			if x := b.At(name); x != nil {
				reserved := float64(x.Reserved)
				if now >= 10*aggregates.Second {
					reserved -= float64(x.Reserved / 2)
				}
				pool += max(0, float64(x.OnHand[Sellable])-reserved-float64(x.SafetyStock))
			}
		}
		for _, x := range b.Free(p, now, nil) {
			free += float64(x.Quantity)
			if p.Sites[x.Rank] != x.Location || x.Quantity <= 0 {
				t.Fatalf("%+v", x)
			}
		}
		want := min(float64(math.MaxInt64), pool) - float64(p.Buffer)
		got := float64(b.Available(p, now))
		if math.Abs(got-max(0, want)) > 4096 || math.Abs(pool-free) > 4096 {
			t.Fatalf("available %g of %g, expected %g", got, free, want)
		}
	})
}

func TestAllocateFillsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "sites")
		ranks := rapid.Permutation(slices.Collect(count(n))).Draw(t, "ranks")
		free := make([]Free, n)
		byRank := make([]int64, n)
		var total int64
		for i, rank := range ranks {
			q := rapid.Int64Range(1, 9).Draw(t, "free")
			free[i], byRank[rank] = Free{Location: fmt.Sprint(rank), Rank: rank, Quantity: q}, q
			total += q
		}
		quantity := rapid.Int64Range(1, total).Draw(t, "quantity")
		left := quantity
		for i, x := range allocate(free, quantity) {
			if x.Location != fmt.Sprint(i) || x.Quantity != min(left, byRank[i]) {
				t.Fatalf("split %d is %+v of %v", i, x, byRank)
			}
			left -= x.Quantity
		}
		if left != 0 {
			t.Fatalf("%d of %d not allocated", left, quantity)
		}
	})
}

func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}
}

func TestBalancesAloneAreTheStatesBalances(t *testing.T) {
	g := scenario(t).given(counted("munich", 10), counted("berlin", 5), reserve("cart", 7), release("cart", 1), extend("cart", "13:00"))
	g.given(fulfil("cart", 2), confirm("cart"), move(Movement{Kind: KindTransferShipped, Location: "munich", Other: "aachen", Quantity: 1}))
	g.given(registered(RegisterRequest{Name: "Tea", SafetyStock: []SafetyStock{{"hamburg", 1}}}), reserve("second", 1), wait(1e12), expire(9))
	var alone Balances
	for _, x := range g.w.log {
		alone.Evolve(x.event)
	}
	if alone.Item != g.w.state.Item || alone.Len() != g.w.state.Len() {
		t.Fatal(alone)
	}
	restored := Balances{Item: alone.Item}
	for x := range alone.Each {
		kept := g.w.state.At(x.Location)
		if fmt.Sprint(*x) != fmt.Sprint(withoutJournal(*kept)) {
			t.Fatalf("%+v\n%+v", *x, *kept)
		}
		restored.Put(*x)
	}
	if contents(&restored) != contents(&alone) {
		t.Fatal("what is put is not what there is")
	}
	if !slices.IsSortedFunc(alone.list, func(a, b *Balance) int { return order(a.Location < b.Location) }) {
		t.Fatal(alone.list)
	}
	if alone.At("nowhere") != nil {
		t.Fatal("a balance where there is none")
	}
}

func withoutJournal(x Balance) Balance { x.journal = nil; return x }

func TestCloneSharesNothing(t *testing.T) {
	g := scenario(t).given(counted("berlin", 10), reserve("cart", 4))
	c := g.w.state.Clone()
	before := contents(&c)
	g.given(sold("berlin", 1), reserve("second", 1), counted("aachen", 1), registered(RegisterRequest{Name: "Tea"}))
	if contents(&c) != before || c.At("berlin").journal != nil {
		t.Fatalf("%s\n%s", before, contents(&c))
	}
}

// contents tells all that balances say.
func contents(b *Balances) string {
	text := fmt.Sprintf("%+v %+v %+v %d", b.Item, b.rules, b.bundle, b.futures)
	for x := range b.Each {
		bare := withoutJournal(*x)
		bare.Later = nil
		text += fmt.Sprintf("\n%+v %+v", bare, x.Later)
	}
	return text
}

func TestEvolveOfAConditionOfTomorrow(t *testing.T) {
	var s State
	s.Evolve(&StockReceived{Location: "berlin", Condition: conditions, Quantity: 5}, at("12:00"))
	s.Evolve(&StockCounted{Location: "berlin", Condition: conditions, Delta: 5}, at("12:00"))
	if s.Version != 2 || s.Available(NewPolicy("web", []string{"berlin"}, 0, 0), clock("12:00")) != 0 {
		t.Fatal(s.Version)
	}
}
