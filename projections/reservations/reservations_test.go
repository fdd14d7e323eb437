package reservations_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
)

const day = 24 * 60 * 60 * aggregates.Second

func placed(id string, quantity int64, until aggregates.Instant) aggregates.Event {
	return &stock.ReservationPlaced{ReservationID: id, Channel: "web", Quantity: quantity, Splits: at("berlin", quantity), ExpiresAt: until}
}

func released(id string, quantity int64, closed bool) aggregates.Event {
	return &stock.ReservationReleased{ReservationID: id, Splits: at("berlin", quantity), Closed: closed}
}

func at(location string, quantity int64) []stock.Split {
	return []stock.Split{{Location: location, Quantity: quantity}}
}

func TestReservationIsFoundThroughItsLife(t *testing.T) {
	s := start(t)
	until := s.Now.CeilSecond() + 60*aggregates.Second
	first := s.SKU(t, "shoe", placed("r", 10, until))
	r := s.get("r")
	if r.SKU != "shoe" || r.Status != stock.StatusHeld || r.Remaining != 10 || r.ExpiresAt != until || r.Placed != first || !r.Live() {
		t.Fatalf("placed: %+v", r)
	}
	s.SKU(t, "shoe", &stock.ReservationExtended{ReservationID: "r", From: until, ExpiresAt: until + aggregates.Second, Splits: at("berlin", 10)})
	s.seen()
	if r = s.get("r"); r.ExpiresAt != until+aggregates.Second || r.Status != stock.StatusHeld {
		t.Fatalf("extended: %+v", r)
	}
	s.SKU(t, "shoe", &stock.ReservationConfirmed{ReservationID: "r", ExpiredAt: until, Splits: at("berlin", 10)}, released("r", 3, false))
	s.seen()
	if r = s.get("r"); r.ExpiresAt != 0 || r.Status != stock.StatusConfirmed || r.Remaining != 7 || r.Released != 3 || r.Splits[0].Quantity != 7 {
		t.Fatalf("confirmed and released in part: %+v", r)
	}
	last := s.SKU(t, "shoe", &stock.ReservationFulfilled{ReservationID: "r", Closed: true, Splits: []stock.FulfilledSplit{
		{Location: "hamburg", ReservedAt: "berlin", Quantity: 7}}})
	s.seen()
	if r = s.get("r"); r.Status != stock.StatusFulfilled || r.Remaining != 0 || r.Fulfilled != 7 || len(r.Splits) != 0 ||
		r.Position != last || r.Placed != first || r.EndedAt == 0 || r.Live() {
		t.Fatalf("fulfilled: %+v", r)
	}
}

func TestReservationIsChangedAndMoved(t *testing.T) {
	s := start(t)
	until := s.Now.CeilSecond() + 60*aggregates.Second
	s.SKU(t, "shoe", placed("r", 10, until),
		&stock.ReservationOrdered{ReservationID: "r", OrderID: "o", Version: 1},
		&stock.ReservationChanged{ReservationID: "r", Added: []stock.Split{{Location: "berlin", Quantity: 2}, {Location: "köln", Quantity: 3}}, ExpiresAt: until},
		&stock.ReservationChanged{ReservationID: "r", Removed: at("köln", 1), ExpiresAt: until},
		&stock.ReservationReallocated{ReservationID: "r", From: at("berlin", 12), To: []stock.Split{{Location: "köln", Quantity: 4}, {Location: "bonn", Quantity: 8}}, ExpiresAt: until},
		&stock.ReservationBarred{ReservationID: "never", OrderID: "o", Version: 2})
	s.seen()
	r := s.get("r")
	if r.Quantity != 15 || r.Remaining != 14 || r.Released != 1 || fmt.Sprint(r.Splits) != "[{köln 6 false} {bonn 8 false}]" || r.ExpiresAt != until {
		t.Fatalf("%+v", r)
	}
}

func TestExpiredReservation(t *testing.T) {
	s := start(t)
	until := s.Now.CeilSecond()
	s.SKU(t, "shoe", placed("r", 10, until), &stock.ReservationExpired{ReservationID: "r", Splits: at("berlin", 10), ExpiresAt: until})
	s.seen()
	if r := s.get("r"); r.Status != stock.StatusExpired || r.Expired != 10 || r.ExpiresAt != until {
		t.Fatalf("%+v", r)
	}
}

// What was placed before the call is found, without a token, however far behind the projection is.
func TestGetWaitsForWhatWasPlacedBefore(t *testing.T) {
	s := prepare(t)
	s.run()
	for i := range 200 {
		id := fmt.Sprint("r", i)
		s.SKU(t, "shoe", placed(id, 1, 0))
		if s.get(id) == nil {
			t.Fatalf("%q was placed and is not found", id)
		}
	}
	if r := s.get("nobody's"); r != nil {
		t.Fatalf("found %+v", r)
	}
	if _, err := s.Get(t.Context(), "nobody's"); !errors.Is(err, reservations.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

// stuck is a read model that cannot be written.
type stuck struct{ reservations.ReadModel }

func (stuck) Write(context.Context, []reservations.Change, projections.Progress) error {
	return errors.New("read-only")
}

func TestGetOfAMissSaysThatItCouldNotWait(t *testing.T) {
	s := prepare(t)
	s.wrap = func(m reservations.ReadModel) reservations.ReadModel { return stuck{m} }
	s.run()
	s.SKU(t, "shoe", placed("r", 1, 0))
	gone := errors.New("deadline")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := s.Get(ctx, "r"); errors.Is(err, reservations.ErrNotFound) || !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
}

func TestIDOnSeveralSKUs(t *testing.T) {
	for _, cache := range []int64{0, 1} {
		s := prepare(t)
		s.cache = cache
		s.run()
		for _, sku := range []string{"shoe", "boot", "sock"} {
			s.SKU(t, sku, placed("cart", 2, 0))
			s.get2("cart")
		}
		s.SKU(t, "boot", released("cart", 2, true))
		s.seen()
		list := s.get2("cart")
		if len(list) != 3 || list[0].SKU != "boot" || list[0].Live() || list[1].SKU != "shoe" || !list[2].Live() {
			t.Fatalf("%+v", list)
		}
		s.stop()
	}
}

func (s *scenario) get2(id string) []*reservations.Record {
	s.Helper()
	s.seen()
	list, err := s.Get(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return list
}

func TestIDUsedAgainAfterItsEnd(t *testing.T) {
	s := start(t)
	s.SKU(t, "shoe", placed("r", 5, 0), placed("s", 1, 0), released("r", 5, true))
	s.seen()
	again := s.SKU(t, "shoe", placed("r", 7, 0))
	s.seen()
	if r := s.get("r"); r.Quantity != 7 || r.Released != 0 || r.Placed != again || !r.Live() || r.EndedAt != 0 {
		t.Fatalf("%+v", r)
	}
	list := s.listed("shoe", false, 10)
	if len(list) != 2 || list[0].ID != "s" || list[1].ID != "r" {
		t.Fatalf("listed %+v", list)
	}
}

func TestListIsOldestFirst(t *testing.T) {
	s := start(t)
	for i := range 25 {
		s.SKU(t, "shoe", placed(fmt.Sprint("r", (i*7)%25), 1, 0))
		s.SKU(t, "boot", placed(fmt.Sprint("b", i), 1, 0))
	}
	for i := range 10 {
		s.SKU(t, "shoe", released(fmt.Sprint("r", (2*i*7)%25), 1, true))
	}
	s.seen()
	all, live := s.listed("shoe", false, 4), s.listed("shoe", true, 4)
	if len(all) != 25 || len(live) != 15 {
		t.Fatalf("%d, %d live", len(all), len(live))
	}
	for i, r := range all {
		if r.ID != fmt.Sprint("r", (i*7)%25) {
			t.Fatalf("%d-th is %q", i, r.ID)
		}
	}
	for _, r := range live {
		if !r.Live() {
			t.Fatalf("%+v is listed as live", r)
		}
	}
	if page, next, err := s.List(t.Context(), "nobody's", false, 0, 10); len(page) != 0 || next != 0 || err != nil {
		t.Fatalf("got %v, %d, %v", page, next, err)
	}
}

func TestDueHoldsComeByTheirEnd(t *testing.T) {
	s := start(t)
	base := s.Now.CeilSecond()
	in := func(seconds int) aggregates.Instant { return base + aggregates.Instant(seconds)*aggregates.Second }
	want := func(now aggregates.Instant, limit int, next aggregates.Instant, ids ...string) {
		t.Helper()
		s.seen()
		due, after, err := s.Due(t.Context(), now, nil, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range due {
			got = append(got, d.ReservationID)
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) || after != next {
			t.Fatalf("due %q, next %v, want %q, %v", got, after.Time(), ids, next.Time())
		}
	}
	want(in(100), 10, 0)
	s.SKU(t, "shoe", placed("late", 1, in(30)), placed("soon", 1, in(10)), placed("kept", 1, 0))
	s.SKU(t, "boot", placed("mid", 1, in(20)))
	want(in(9), 10, in(10))
	want(in(10), 10, in(20), "soon")
	want(in(25), 10, in(30), "soon", "mid")
	want(in(25), 1, in(20), "soon")
	s.SKU(t, "shoe", &stock.ReservationExpired{ReservationID: "soon", Splits: at("berlin", 1), ExpiresAt: in(10)})
	want(in(25), 10, in(30), "mid")
	s.SKU(t, "boot", &stock.ReservationConfirmed{ReservationID: "mid", ExpiredAt: in(20), Splits: at("berlin", 1)})
	want(in(29), 10, in(30))
	s.SKU(t, "sock", placed("early", 1, in(5))) // before all that were known
	want(in(29), 10, in(30), "early")
	s.SKU(t, "shoe", &stock.ReservationExtended{ReservationID: "late", From: in(30), ExpiresAt: in(90), Splits: at("berlin", 1)})
	want(in(60), 10, in(90), "early")
	s.restart()
	want(in(60), 10, in(90), "early")
	want(in(90), 10, 0, "early", "late")
}

func TestEndedReservationsAreKeptForThirtyDays(t *testing.T) {
	s := start(t)
	s.SKU(t, "shoe", placed("ended", 1, 0), placed("lives", 1, 0), released("ended", 1, true))
	s.Now += 29 * day
	s.SKU(t, "shoe", placed("later", 1, 0))
	if r := s.get("ended"); r == nil {
		t.Fatal("gone after 29 days")
	}
	s.Now += 2 * day
	s.SKU(t, "boot", &stock.StockReceived{Location: "berlin", Quantity: 1}) // not about reservations
	s.seen()
	if r := s.get("ended"); r == nil {
		t.Fatal("gone without a later reservation event")
	}
	s.SKU(t, "boot", placed("new", 1, 0))
	s.seen()
	s.swept("ended")
	if s.get("lives") == nil || s.get("later") == nil || s.get("new") == nil {
		t.Fatal("a live one is gone")
	}
	if list := s.listed("shoe", false, 10); len(list) != 2 {
		t.Fatalf("listed %+v", list)
	}
	s.restart()
	if s.get("ended") != nil {
		t.Fatal("it is back after a restart")
	}
}

// swept waits until a record is gone.
func (s *scenario) swept(id string) {
	s.Helper()
	ctx, done := s.patience()
	defer done()
	for {
		_, err := s.Get(ctx, id)
		if errors.Is(err, reservations.ErrNotFound) {
			return
		}
		if err != nil {
			s.Fatal(err)
		}
	}
}

// eager is a read model that takes live records, and those that ended just now, for ended long ago.
type eager struct{ reservations.ReadModel }

func (e eager) Ended(ctx context.Context, before aggregates.Instant, after *reservations.Record, limit int) ([]*reservations.Record, error) {
	if after != nil {
		return nil, nil
	}
	return e.List(ctx, "shoe", false, 0, limit)
}

// Between being found and being removed, a reservation may have been placed anew.
func TestOnlyWhatIsStillEndedIsSwept(t *testing.T) {
	s := prepare(t)
	s.wrap = func(m reservations.ReadModel) reservations.ReadModel { return eager{m} }
	s.run()
	s.SKU(t, "shoe", placed("ended", 1, 0), released("ended", 1, true), placed("lives", 1, 0))
	s.Now += 31 * day
	s.SKU(t, "shoe", placed("just now", 1, 0), released("just now", 1, true))
	s.swept("ended")
	if s.get("lives") == nil || s.get("just now") == nil {
		t.Fatal("another one is gone")
	}
}

// doubtful is a read model whose next writes seem to fail, though they are done.
type doubtful struct {
	reservations.ReadModel
	times atomic.Int32
}

func (d *doubtful) Write(ctx context.Context, changes []reservations.Change, p projections.Progress) error {
	err := d.ReadModel.Write(ctx, changes, p)
	if err == nil && d.times.Add(-1) >= 0 {
		return errors.New("connection lost")
	}
	return err
}

func TestWritesInDoubtAreSeen(t *testing.T) {
	s := prepare(t)
	model := &doubtful{}
	s.wrap = func(m reservations.ReadModel) reservations.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.SKU(t, "shoe", placed("r", 5, 0))
	if r := s.get("r"); !r.Live() {
		t.Fatalf("%+v", r)
	}
	model.times.Store(1)
	s.SKU(t, "shoe", released("r", 5, true))
	s.seen()
	if r := s.get("r"); r.Live() {
		t.Fatalf("%+v", r)
	}
}

func TestManyEndedReservationsAreSwept(t *testing.T) {
	s := start(t)
	const n = 700
	for i := range n {
		s.SKU(t, fmt.Sprint("sku", i%5), placed(fmt.Sprint(i), 1, 0), released(fmt.Sprint(i), 1, true))
	}
	s.seen()
	s.Now += 31 * day
	s.SKU(t, "shoe", placed("new", 1, 0))
	for i := range n {
		s.swept(fmt.Sprint(i))
	}
	for i := range 5 {
		if list := s.listed(fmt.Sprint("sku", i), false, 10); len(list) != 0 {
			t.Fatalf("%d are left", len(list))
		}
	}
}
