package availability_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Values that follow from the locations that changed are those of a look at all of them: whatever happens, and however much time passes.
func TestValuesFollowFromWhatChanged(t *testing.T) {
	followed := 0
	for seed := range uint64(3) {
		s := start(t)
		random := rand.New(rand.NewPCG(seed, 3))
		facts := viewtest.NewFacts(seed + 20)
		facts.SKUs, facts.Locations, facts.Policies = 8, 12, true
		var places []string
		for i := range facts.Locations {
			places = append(places, fmt.Sprint("place ", i))
			s.Location(t, places[i])
		}
		for i := range facts.Channels {
			s.Channel(t, fmt.Sprint("channel ", i), int64(i), places[i:]...)
		}
		for range 80 {
			facts.Policies = random.IntN(8) == 0
			facts.Add(t, s.History, 1+random.IntN(12))
			s.seen()
			page, err := s.Scan(t.Context(), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page {
				d, err := s.Stock(t.Context(), x.SKU)
				if err != nil {
					t.Fatal(err)
				}
				wrong, summed := d.Wrong()
				if wrong != "" {
					t.Fatalf("seed %d, SKU %q: %s", seed, d.SKU, wrong)
				}
				if summed {
					followed++
				}
			}
		}
		s.wantOracle()
		s.stop()
	}
	if followed < 100 {
		t.Errorf("only %d documents knew what their values were added up from", followed)
	}
}

// A hold at a location that no event is about ends: the next event of the SKU, at another location, shows that.
func TestValuesFollowTheTime(t *testing.T) {
	s := start(t)
	for _, at := range []string{"aachen", "berlin", "celle"} {
		s.Location(t, at)
	}
	s.Channel(t, "web", 1, "aachen", "berlin", "celle")
	s.Channel(t, "store", 0, "aachen")
	until := s.Now.CeilSecond() + 10*aggregates.Second
	s.SKU(t, "shoe", received("aachen", 10), received("berlin", 10), received("celle", 10), &stock.ReservationPlaced{ReservationID: "r", Quantity: 4,
		Splits: []stock.Split{{Location: "berlin", Quantity: 4}}, ExpiresAt: until})
	s.seen()
	s.want("shoe", "web", 25)
	s.SKU(t, "shoe", sold("aachen", 1))
	s.seen()
	s.want("shoe", "web", 24)
	s.want("shoe", "store", 9)
	s.Now = until
	s.SKU(t, "shoe", sold("celle", 1))
	s.seen()
	s.want("shoe", "web", 27)
	s.want("shoe", "store", 9)
	s.SKU(t, "shoe", &stock.ReservationExpired{ReservationID: "r", Splits: []stock.Split{{Location: "berlin", Quantity: 4}}, ExpiresAt: until})
	s.seen()
	s.want("shoe", "web", 27)
	if d, err := s.Stock(t.Context(), "shoe"); err != nil || d == nil {
		t.Fatal(d, err)
	} else if wrong, _ := d.Wrong(); wrong != "" {
		t.Fatal(wrong)
	}
}
