package stock

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// spread draws a SKU that lies at many locations, with what keeps units from being free at some of them: safety stock, holds of which some have
// ended, promises for later dates, supply that is to come.
func spread(t *rapid.T, now aggregates.Instant) *State {
	s := &State{used: true}
	few := func(what string) int64 { return max(0, rapid.Int64Range(-6, 6).Draw(t, what)) }
	for _, i := range rapid.Permutation(numbers[:rapid.IntRange(1, 60).Draw(t, "locations")]).Draw(t, "order") {
		at := fmt.Sprint("store-", i)
		s.Balances.Evolve(&StockCounted{Location: at, Delta: rapid.Int64Range(-3, 9).Draw(t, "lies there")})
		s.Balances.Evolve(&SafetyStockSet{Location: at, Quantity: few("safety stock")})
		hold := &ReservationPlaced{Splits: []Split{{Location: at, Quantity: few("held")}}, ExpiresAt: now + aggregates.Second*aggregates.Instant(rapid.IntRange(-2, 2).Draw(t, "until"))}
		if later := few("promised for later"); later > 3 {
			hold.PromiseAt = now + aggregates.Instant(later)*aggregates.Second
			s.Balances.Evolve(&SupplyExpected{Supply: []SupplyChange{{Location: at, DueAt: hold.PromiseAt - 1, Open: few("to come")}}})
		}
		if hold.Splits[0].Quantity > 0 {
			s.Balances.Evolve(hold)
		}
	}
	return s
}

// reference promises units by a look at all locations, as it is told: what is free at each of the channel's, less the buffer, first choice first.
func reference(s *State, quantity int64, p *Policy, now aggregates.Instant) (splits []Split, available int64) {
	left := quantity
	for _, site := range p.Sites {
		x := s.At(site)
		if x == nil {
			continue
		}
		free := max(0, x.OnHand[Sellable]-x.Live(now)-x.SafetyStock)
		if x.Later != nil {
			free = x.FreeAt(now, now)
		}
		available += free
		if take := min(left, free); take > 0 {
			splits = append(splits, Split{Location: site, Quantity: take})
			left -= take
		}
	}
	return splits, max(0, available-p.Buffer)
}

// However few locations a decision looks at, it takes what a look at all of them takes.
func TestPromisesAreThoseOfALookAtAllLocations(t *testing.T) {
	now, early, refused := clock("12:00"), 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := spread(t, now)
		var sites []string
		for _, i := range rapid.Permutation(numbers[:70]).Draw(t, "sourcing")[:rapid.IntRange(1, 70).Draw(t, "sites")] {
			sites = append(sites, fmt.Sprint("store-", i))
		}
		p := NewPolicy("web", sites, rapid.Int64Range(0, 9).Draw(t, "buffer"), 30)
		quantity := rapid.Int64Range(1, rapid.SampledFrom([]int64{2, 20, 200}).Draw(t, "most")).Draw(t, "quantity")
		want, available := reference(s, quantity, p, now)
		if got := s.Available(p, now); got != available {
			t.Fatalf("available %d, should be %d", got, available)
		}
		got, _, err := Reserve(s, ReserveRequest{ReservationID: "cart", Quantity: quantity}, aggregates.Metadata{RecordedAt: now}, p, now)
		var insufficient *InsufficientError
		switch {
		case quantity <= available && (err != nil || !reflect.DeepEqual(got.Splits, want)):
			t.Fatalf("%d of %d taken from %v, should be from %v: %v", quantity, available, got.Splits, want, err)
		case quantity > available && (!errors.As(err, &insufficient) || insufficient.Available != available):
			t.Fatalf("%d of %d: %v", quantity, available, err)
		case quantity > available:
			refused++
		}
		if _, ok := s.firstChoices(quantity, p, now); ok {
			early++
		}
	})
	if early == 0 || refused == 0 {
		t.Errorf("%d were taken from the first choices, %d refused", early, refused)
	}
}
