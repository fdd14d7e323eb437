package availability_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

func received(location string, quantity int64) aggregates.Event {
	return &stock.StockReceived{Location: location, Quantity: quantity}
}

func sold(location string, quantity int64) aggregates.Event {
	return &stock.StockSold{Location: location, Quantity: quantity}
}

func TestAvailabilityFollowsTheEvents(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Location(t, "hamburg")
	s.Channel(t, "web", 2, "berlin", "hamburg")
	s.Channel(t, "store", 0, "berlin")
	at := s.SKU(t, "shoe", &stock.ItemRegistered{Name: "Shoe", Decimals: 2}, received("berlin", 10), received("hamburg", 5))
	s.seen()
	a := s.want("shoe", "web", 13)
	if !a.Known || a.Decimals != 2 || a.Position != at || a.RecordedAt != s.Now-aggregates.Second/1000 {
		t.Fatalf("got %+v", a)
	}
	s.want("shoe", "store", 10)
	s.SKU(t, "shoe", sold("berlin", 4), &stock.SafetyStockSet{Location: "berlin", Quantity: 1})
	s.seen()
	s.want("shoe", "web", 8)
	s.want("shoe", "store", 5)
}

func TestUnknownSKUHasNothing(t *testing.T) {
	s := start(t)
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	if a := s.want("nobody's", "web", 0); a.Known || a.Position != 0 {
		t.Fatalf("got %+v", a)
	}
	if d, err := s.Stock(t.Context(), "nobody's"); d != nil || err != nil {
		t.Fatalf("got %+v, %v", d, err)
	}
}

func TestUnknownChannelIsAnError(t *testing.T) {
	s := start(t)
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	if _, err := s.Get(t.Context(), "shoe", "web"); !errors.Is(err, availability.ErrUnknownChannel) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.BatchGet(t.Context(), "web", []string{"shoe"}, nil); !errors.Is(err, availability.ErrUnknownChannel) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Watch(t.Context(), "web", nil, availability.FromStart); !errors.Is(err, availability.ErrUnknownChannel) {
		t.Fatalf("got %v", err)
	}
}

// A hold that has ended counts until its end is recorded, or until the next event after its end.
func TestHoldsCountByRecordedTimeAlone(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	until := s.Now.CeilSecond() + 10*aggregates.Second
	splits := []stock.Split{{Location: "berlin", Quantity: 4}}
	s.SKU(t, "shoe", received("berlin", 10),
		&stock.ReservationPlaced{ReservationID: "r", Quantity: 4, Splits: splits, ExpiresAt: until})
	s.seen()
	s.want("shoe", "web", 6)
	s.Now = until
	s.SKU(t, "boot", received("berlin", 1)) // says nothing of the shoe
	s.seen()
	s.want("shoe", "web", 6)
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	s.want("shoe", "web", 11)
	s.SKU(t, "shoe", &stock.ReservationExpired{ReservationID: "r", Splits: splits, ExpiresAt: until})
	s.seen()
	s.want("shoe", "web", 11)
}

func TestBatchGetAnswersInTheOrderAsked(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	for i := range 10 {
		s.SKU(t, fmt.Sprint(i), received("berlin", int64(i)))
	}
	s.seen()
	list, err := s.BatchGet(t.Context(), "web", []string{"7", "no", "3", "7"}, make([]availability.Availability, 1, 8))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, a := range list[1:] {
		got = append(got, a.ATS)
	}
	if !slices.Equal(got, []int64{7, 0, 3, 7}) || list[2].Known || list[2].SKU != "no" {
		t.Fatalf("got %+v", list)
	}
}

func TestStockShowsBalancesAndEveryChannel(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	channel := s.Channel(t, "web", 1, "berlin")
	s.Channel(t, "app", 0, "berlin")
	at := s.SKU(t, "shoe", &stock.StockReceived{Location: "berlin", Condition: stock.Damaged, Quantity: 2}, received("berlin", 7))
	s.seen()
	d, err := s.Stock(t.Context(), "shoe")
	if err != nil {
		t.Fatal(err)
	}
	if b := d.Balances.At("berlin"); b == nil || b.OnHand[stock.Damaged] != 2 || b.OnHand[stock.Sellable] != 7 || d.Position != at {
		t.Fatalf("document %+v", d)
	}
	list := d.Channels()
	if len(list) != 2 || list[0].Channel != "app" || list[0].ATS != 7 || list[1].ATS != 6 || list[1].Position != at || list[1].Policy != channel {
		t.Fatalf("channels %+v", list)
	}
}

func TestScanListsEverySKUInBytewiseOrder(t *testing.T) {
	s := prepare(t)
	s.cache = 1 // from the read model
	s.run()
	s.Channel(t, "web", 0, "berlin")
	want := []string{"a", "a/b", "b", "B", "ä", "日本", "%", " ", "\xff"}
	for _, sku := range want {
		s.SKU(t, sku, received("berlin", 1))
	}
	s.seen()
	slices.Sort(want)
	var got []string
	for after := ""; ; {
		page, err := s.Scan(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			got = append(got, d.SKU)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// A policy that was put is in force for every read with its token, long before all documents are computed anew.
func TestPolicyChangeIsVisibleAtOnce(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		gate := make(chan struct{})
		s.wrap = func(m availability.ReadModel) availability.ReadModel { return &slowScan{ReadModel: m, gate: gate} }
		s.run()
		s.Location(t, "berlin")
		s.Location(t, "hamburg")
		s.Channel(t, "web", 0, "berlin")
		for i := range 20 {
			s.SKU(t, fmt.Sprint(i), received("berlin", int64(i)), received("hamburg", 100))
		}
		s.seen()
		at := s.Channel(t, "web", 1, "hamburg")
		s.seen()
		for i := range 20 {
			if a := s.want(fmt.Sprint(i), "web", 99); a.Position != at {
				t.Fatalf("position %d, want the policy's %d", a.Position, at)
			}
			d, err := s.Stock(t.Context(), fmt.Sprint(i))
			if err != nil || d.Channels()[0].ATS != 99 {
				t.Fatalf("document %+v, %v", d, err)
			}
		}
		s.Channel(t, "app", 3, "hamburg") // a channel that no document has a value for yet
		s.Add(t, "location-hamburg", &location.Disabled{})
		s.seen()
		s.want("7", "web", 0)
		s.want("7", "app", 0)
		close(gate)
		s.documents()
		s.wantOracle()
		s.stop()
	}
}

// slowScan holds up the pass over all documents until the gate opens.
type slowScan struct {
	availability.ReadModel
	gate chan struct{}
}

func (s *slowScan) Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error) {
	select {
	case <-s.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.ReadModel.Scan(ctx, after, limit)
}

// Documents and policies change at once; in the end everything stored is right.
func TestPolicyChangesConvergeUnderLiveUpdates(t *testing.T) {
	s := prepare(t)
	s.cache = 20_000
	s.run()
	facts := viewtest.NewFacts(3)
	facts.SKUs = 1000
	facts.Policies = true
	for i := range 300 {
		s.SKU(t, fmt.Sprintf("bulk %03d", i), received("place 1", int64(i)))
	}
	for range 20 {
		facts.Add(t, s.History, 40)
		s.seen()
		s.wantOracle()
	}
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// wantFreshFold builds the read model from scratch, and compares the stored documents byte by byte.
func (s *scenario) wantFreshFold(stored string) {
	s.Helper()
	fresh := prepare(s.TB)
	fresh.History, fresh.workers = s.History, 1
	fresh.run()
	defer fresh.stop()
	if whole := fresh.documents(); whole != stored {
		s.Fatalf("built at once:\n%s\nbuilt in steps:\n%s", firstDifference(whole, stored), firstDifference(stored, whole))
	}
}

func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return line
		}
	}
	return "(a prefix)"
}

func TestSameEventsSameBytes(t *testing.T) {
	for seed := range uint64(4) {
		s := prepare(t)
		facts := viewtest.NewFacts(seed)
		facts.Policies = true
		facts.Add(t, s.History, 600)
		var stored string
		for _, workers := range []int{1, 8} {
			s.workers = workers
			s.run()
			got := s.documents()
			s.wantOracle()
			if stored != "" && got != stored {
				t.Fatalf("%d workers made other bytes:\n%s", workers, firstDifference(got, stored))
			}
			stored = got
			if err := s.db.Availability().Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.stop()
		}
	}
}

// Stopped or cut off at any moment, the projection comes to the same documents as if nothing had happened.
func TestRestartsAndCrashesChangeNothing(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		s.run()
		facts := viewtest.NewFacts(9)
		facts.Policies = true
		random := rand.New(rand.NewPCG(5, 5))
		for range 40 {
			facts.Add(t, s.History, 1+random.IntN(30))
			s.workers = 1 + random.IntN(8)
			switch random.IntN(3) {
			case 0:
				s.restart()
			case 1:
				s.crash(random.IntN(101), random)
			default:
				s.seen()
				s.wantOracle()
			}
		}
		stored := s.documents()
		s.wantOracle()
		s.stop()
		s.wantFreshFold(stored)
	}
}

// behind is a read model whose progress seems to have been lost: it is written by somebody who is ahead.
type behind struct{ availability.ReadModel }

func (behind) Progress(context.Context) (projections.Progress, error) {
	return projections.Progress{}, nil
}

func TestEventsThatADocumentIncludesAreNotCountedAgain(t *testing.T) {
	s := start(t)
	facts := viewtest.NewFacts(2)
	facts.Policies = true
	facts.Add(t, s.History, 300)
	s.seen()
	s.wrap = func(m availability.ReadModel) availability.ReadModel { return behind{m} }
	s.restart()
	facts.Add(t, s.History, 1)
	s.seen()
	s.wantOracle()
	s.stop()
	s.wrap = func(m availability.ReadModel) availability.ReadModel { return m }
	s.run()
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// A document that a reader holds does not change when its SKU does.
func TestDocumentsAreImmutable(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 10), &stock.ReservationPlaced{ReservationID: "r", Quantity: 2,
		Splits: []stock.Split{{Location: "berlin", Quantity: 2}}, ExpiresAt: s.Now.CeilSecond() + 100*aggregates.Second})
	s.seen()
	d, err := s.Stock(t.Context(), "shoe")
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%+v %+v", d.Balances, d.Channels())
	for range 20 {
		s.SKU(t, "shoe", sold("berlin", 1), received("a", 1), &stock.ReservationPlaced{ReservationID: "r2", Quantity: 2,
			Splits: []stock.Split{{Location: "berlin", Quantity: 2}}, ExpiresAt: s.Now.CeilSecond() + 99*aggregates.Second})
		s.seen()
	}
	if after := fmt.Sprintf("%+v %+v", d.Balances, d.Channels()); after != before {
		t.Fatalf("was %s\nnow %s", before, after)
	}
}

// Readers see the versions of a SKU only grow, with a cache too small for anything.
func TestReadersNeverGoBack(t *testing.T) {
	s := prepare(t)
	s.cache = 1
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	var readers sync.WaitGroup
	done := make(chan struct{})
	for r := range 3 {
		readers.Go(func() {
			last := map[string]uint64{}
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				sku := fmt.Sprint((i + r) % 4)
				var at uint64
				switch i % 3 {
				case 0:
					a, err := s.Get(t.Context(), sku, "web")
					report(t, err)
					at = a.Position
				case 1:
					if d, err := s.Stock(t.Context(), sku); err == nil && d != nil {
						at = d.Channels()[0].Position
					}
				default:
					page, err := s.Scan(t.Context(), "", 10)
					report(t, err)
					for _, d := range page {
						if d.SKU == sku {
							at = d.Channels()[0].Position
						}
					}
				}
				if at < last[sku] {
					t.Errorf("%q went back from %d to %d (%d)", sku, last[sku], at, i%3)
					return
				}
				last[sku] = max(at, last[sku])
			}
		})
	}
	for i := range 600 {
		if i%50 == 0 {
			s.Channel(t, "web", int64(i%7), "berlin")
		}
		s.SKU(t, fmt.Sprint(i%4), received("berlin", 1))
	}
	s.seen()
	close(done)
	readers.Wait()
	s.wantOracle()
}

func TestGetOfADocumentInMemoryAllocatesNothing(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 3))
	s.seen()
	s.want("shoe", "web", 3)
	if n := testing.AllocsPerRun(100, func() { s.want("shoe", "web", 3) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
