package availability_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
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
