package availability_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

// kit defines a kit of pairs of SKU and quantity, as PolicyService does: its components know of it first.
func (s *scenario) kit(sku string, version uint64, pairs ...any) uint64 {
	s.Helper()
	var components []stock.Component
	for i := 0; i < len(pairs); i += 2 {
		c := stock.Component{SKU: pairs[i].(string), Quantity: int64(pairs[i+1].(int))}
		components = append(components, c)
		s.SKU(s, c.SKU, &stock.KitMembershipSet{Kit: sku, Version: version})
	}
	return s.SKU(s, sku, &stock.KitDefined{Components: components, Version: version})
}

// tea is a shop with a tea set of 4 cups and a pot.
func tea(t testing.TB) *scenario {
	s := shop(t)
	s.SKU(t, "cup", received("berlin", 10))
	s.SKU(t, "pot", received("berlin", 3))
	s.kit("set", 1, "cup", 4, "pot", 1)
	s.seen()
	return s
}

func TestAKitsATSFollowsFromItsComponents(t *testing.T) {
	s := tea(t)
	s.want("set", "web", 2)
	at := s.SKU(t, "cup", received("berlin", 100))
	s.seen()
	if a := s.want("set", "web", 3); a.Position != at || a.Standing != stock.InStock || !a.Known {
		t.Errorf("got %+v, expected it as of position %d", a, at)
	}
	at = s.SKU(t, "pot", sold("berlin", 3))
	s.seen()
	if a := s.want("set", "web", 0); a.Position != at || a.Standing != stock.OutOfStock {
		t.Errorf("got %+v", a)
	}
	s.restart() // nothing is left in memory
	s.seen()
	s.want("set", "web", 0)
	list, err := s.BatchGet(t.Context(), "web", []string{"set", "cup"}, nil)
	if err != nil || list[0].ATS != 0 || list[1].ATS != 110 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestAKitOfWhatNobodyKnowsHasNothing(t *testing.T) {
	s := shop(t)
	s.SKU(t, "set", &stock.KitDefined{Components: []stock.Component{{SKU: "ghost", Quantity: 1}}, Version: 1})
	s.seen()
	if a := s.want("set", "web", 0); a.Standing != stock.OutOfStock {
		t.Errorf("got %+v", a)
	}
}

func TestWatchersOfAKitHearOfItsComponents(t *testing.T) {
	s := tea(t)
	for _, skus := range [][]string{nil, {"set"}} {
		v := s.watch("web", availability.FromStart, skus...)
		v.until("set", 2)
		at := s.SKU(t, "pot", sold("berlin", 2))
		v.until("set", 1)
		if a := v.values["web set"]; a.Position != at {
			t.Errorf("got %+v, expected it as of position %d", a, at)
		}
		v.resume()
		s.SKU(t, "pot", received("berlin", 2))
		v.until("set", 2)
		s.Channel(t, "web", 2, "berlin") // keeps 2 of each component back
		v.until("set", 1)
		s.Channel(t, "web", 0, "berlin")
		v.until("set", 2)
	}
}

// What changes nothing of a kit is not told of it.
func TestWatchersOfAKitHearOnlyOfWhatChangesIt(t *testing.T) {
	s := tea(t)
	v := s.watch("web", availability.FromNow, "set")
	s.SKU(t, "cup", sold("berlin", 1)) // 9 are as many sets as 10
	s.SKU(t, "set", &stock.KitReservationPlaced{ReservationID: "cart", Channel: "web", Quantity: 1, OrderID: "kit-reservation:cart"})
	s.SKU(t, "cup", sold("berlin", 2))
	v.until("set", 1)
	if n := len(v.values); n != 1 || v.messages > 2 { // the first says that it is caught up
		t.Errorf("%d values in %d messages", n, v.messages)
	}
}

func TestAWatcherHearsThatAKitIsDefinedAnewAndEnds(t *testing.T) {
	s := tea(t)
	for _, skus := range [][]string{nil, {"set"}} {
		v := s.watch("web", availability.FromStart, skus...)
		v.until("set", 2)
		s.kit("set", 2, "cup", 2, "pot", 1)
		v.until("set", 3)
		s.SKU(t, "set", &stock.KitDefined{Version: 3})
		v.until("set", 0)
		s.kit("set", 4, "cup", 4, "pot", 1)
		v.until("set", 2)
	}
}

// kitOracle is what each kit gives on each channel, from a fold of its components apart.
func (s *scenario) kitOracle(kits map[string][]stock.Component) map[string]int64 {
	s.Helper()
	all, want := s.oracle(), map[string]int64{}
	for sku, components := range kits {
		for _, c := range s.dir.Channels() {
			fewest := int64(1 << 60)
			for _, x := range components {
				fewest = min(fewest, all[x.SKU][c.ID]/x.Quantity)
			}
			if len(c.Policy.Sites) == 0 {
				fewest = 0
			}
			want[c.ID+" "+sku] = fewest
		}
	}
	return want
}

// Over random histories of components, channels and locations, with restarts, reads and watchers end with the same of every kit as a fold
// of its components apart.
func TestKitsOverRandomHistories(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := prepare(t)
			s.cache = 4 << 10 // next to nothing stays in memory
			s.run()
			facts := viewtest.NewFacts(seed)
			facts.Policies = true
			for i := range 4 {
				s.Location(t, fmt.Sprint("place ", i))
			}
			for i := range 3 {
				s.Channel(t, fmt.Sprint("channel ", i), int64(i), "place 0", "place 1", "place 2")
			}
			facts.Add(t, s.History, 200)
			skus := slices.Sorted(func(yield func(string) bool) {
				for sku := range s.oracle() {
					if !yield(sku) {
						return
					}
				}
			})
			random, kits := rand.New(rand.NewPCG(seed, 3)), map[string][]stock.Component{}
			for n := range 4 {
				sku := fmt.Sprint("kit ", n)
				for _, i := range random.Perm(len(skus))[:1+random.IntN(3)] {
					c := stock.Component{SKU: skus[i], Quantity: 1 + random.Int64N(4)}
					kits[sku] = append(kits[sku], c)
					s.SKU(t, c.SKU, &stock.KitMembershipSet{Kit: sku, Version: 1})
				}
				s.SKU(t, sku, &stock.KitDefined{Components: kits[sku], Version: 1})
			}
			viewers := []*viewer{s.watch("", availability.FromStart), s.watch("", availability.FromStart, "kit 0", "kit 1", "kit 2", "kit 3")}
			for round := range 6 {
				facts.Add(t, s.History, 60)
				s.converged()
				want := s.kitOracle(kits)
				for key, ats := range want {
					s.want(key[len("channel 0 "):], key[:len("channel 0")], ats)
				}
				for _, v := range viewers {
					v.kits(want)
				}
				if round == 2 {
					s.restart()
					for _, v := range viewers {
						v.resume()
					}
				}
			}
		})
	}
}

// kits takes messages until the viewer has these values.
func (v *viewer) kits(want map[string]int64) {
	v.Helper()
	for key, ats := range want {
		for {
			if a, ok := v.values[key]; ok && a.ATS == ats {
				break
			}
			ctx, done := v.patience()
			if _, err := v.nextWithin(ctx); err != nil {
				v.Fatalf("waiting for %d of %s: %v", ats, key, err)
			}
			done()
		}
	}
}

// unread is a read model that cannot read one SKU while it is told not to.
type unread struct {
	availability.ReadModel
	sku  string
	fail atomic.Bool
}

func (m *unread) Read(ctx context.Context, sku string) (*availability.Document, error) {
	if sku == m.sku && m.fail.Load() {
		return nil, errors.New("not now")
	}
	return m.ReadModel.Read(ctx, sku)
}

// When a kit cannot be looked at as a change of its components is published, nothing is lost: watchers go back to the documents.
func TestNewsOfAKitThatCannotBeReadIsNotLost(t *testing.T) {
	s := prepare(t)
	broken := &unread{sku: "pot"}
	s.wrap = func(m availability.ReadModel) availability.ReadModel {
		broken.ReadModel = m
		return broken
	}
	s.cache = 1
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "cup", received("berlin", 10))
	s.SKU(t, "pot", received("berlin", 3))
	s.kit("set", 1, "cup", 4, "pot", 1)
	s.seen()
	v := s.watch("web", availability.FromStart, "set")
	v.until("set", 2)
	broken.fail.Store(true)
	s.SKU(t, "cup", sold("berlin", 6))
	s.seen()
	if a, err := s.Get(t.Context(), "set", "web"); !errors.Is(err, availability.ErrUnreadable) && a.ATS != 1 { // its pots may be in memory
		t.Errorf("a kit of what cannot be read is %+v, %v", a, err)
	}
	broken.fail.Store(false)
	v.until("set", 1)
}

// meanwhile is a read model in which something happens while one SKU is read for the first time by whoever says so in the
// context: the projection itself, which reads too, cannot wait for what happens.
type meanwhile struct {
	availability.ReadModel
	sku string
	do  atomic.Pointer[func()]
}

func (m *meanwhile) Read(ctx context.Context, sku string) (*availability.Document, error) {
	if sku == m.sku && ctx.Value(m) != nil {
		if do := m.do.Swap(nil); do != nil {
			(*do)()
		}
	}
	return m.ReadModel.Read(ctx, sku)
}

// A kit that is defined anew while it is read is never shown as of a position at which it was another already: positions would go back.
func TestAKitThatIsDefinedAnewWhileItIsReadDoesNotGoBack(t *testing.T) {
	s := prepare(t)
	model := &meanwhile{sku: "cup"}
	s.wrap = func(m availability.ReadModel) availability.ReadModel {
		model.ReadModel = m
		return model
	}
	s.cache = 1
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "cup", received("berlin", 10))
	s.SKU(t, "pot", received("berlin", 3))
	s.kit("set", 1, "cup", 4)
	s.seen()
	s.restart() // nothing is left in memory
	s.seen()
	anew := func() {
		s.kit("set", 2, "pot", 1)
		s.SKU(t, "cup", sold("berlin", 1))
		s.seen()
	}
	model.do.Store(&anew)
	first, err := s.Get(context.WithValue(t.Context(), model, true), "set", "web")
	if err != nil {
		t.Fatal(err)
	}
	if model.do.Load() != nil {
		t.Fatal("cups were in memory")
	}
	if second := s.want("set", "web", 3); second.Position < first.Position || second.Position == first.Position && second.ATS != first.ATS {
		t.Errorf("%d sets as of position %d, then %d as of %d", first.ATS, first.Position, second.ATS, second.Position)
	}
}
