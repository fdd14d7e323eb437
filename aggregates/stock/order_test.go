package stock

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// wants asks for units as an order does, as of a version of the order.
func wants(version uint64, lines ...int64) step {
	return ordering(OrderRequest{ReservationID: "o#1", OrderID: "o", Version: version, Lines: lines, ExpiresAt: clock("13:00")})
}

func ordering(r OrderRequest) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Order(w.state, r, m, w.policy, w.now))
	}}
}

func soldElsewhere(id string, quantity int64) step {
	return ordering(OrderRequest{ReservationID: id, OrderID: id, Version: 1, Lines: []int64{quantity}, Sold: true})
}

func changeTo(id string, quantity int64) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Change(w.state, ChangeRequest{ReservationID: id, Quantity: quantity}, m, w.policy, w.now))
	}}
}

func reallocate(id string, sites ...string) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Reallocate(w.state, ReallocateRequest{ReservationID: id, Reason: "closed"}, m, NewPolicy("web", sites, 0, 900), w.now))
	}}
}

func splits(pairs ...any) (list []Split) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, Split{Location: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return list
}

func TestAnOrderPromisesItsLinesTogether(t *testing.T) {
	placed := &ReservationPlaced{ReservationID: "o#1", Channel: "web", Quantity: 7, Splits: splits("berlin", 7), ExpiresAt: clock("13:00")}
	mark := &ReservationOrdered{ReservationID: "o#1", OrderID: "o", Version: 1}
	scenario(t).given(counted("berlin", 10)).
		when(wants(1, 4, 3)).then(recorded(placed, mark), ats(3)).
		when(wants(1, 4, 3)).then(nothingRecorded(), ats(3))
	scenario(t).given(counted("berlin", 6)).
		when(wants(1, 4, 3)).then(refused(&InsufficientError{Requested: 7, Available: 6}), ats(6))
	scenario(t).
		when(wants(1, 1)).then(refused(ErrUnknownSKU))
}

func TestLinesAreAcceptedOneByOneWhenSomeMayBe(t *testing.T) {
	r := OrderRequest{ReservationID: "o#1", OrderID: "o", Version: 1, Lines: []int64{4, 3, 2}, Partial: true, ExpiresAt: clock("13:00")}
	accepted := func(w *world) {
		if got := fmt.Sprint(w.result.(Ordered).Accepted); got != "[true false true]" {
			t.Errorf("accepted %s", got)
		}
	}
	scenario(t).given(counted("berlin", 6)).
		when(ordering(r)).then(accepted, ats(0)).
		when(ordering(r)).then(nothingRecorded(), accepted)
	scenario(t).given(counted("berlin", 1)).
		when(ordering(r)).then(refused(&InsufficientError{Requested: 9, Available: 1}))
}

func TestWhatAnOlderVersionWantedIsNotDone(t *testing.T) {
	scenario(t).given(counted("berlin", 10), wants(1, 5), wants(3, 2)).
		when(wants(2, 9)).then(nothingRecorded(), promisedNow("berlin", 2)).
		when(wants(4, 8)).then(promisedNow("berlin", 8)).
		when(wants(5)).then(promisedNow("berlin", 0), ats(10)).
		when(wants(6)).then(nothingRecorded())
}

func TestWhoPlacesAfterTheOrderEndedComesTooLate(t *testing.T) {
	scenario(t).given(counted("berlin", 10)).
		when(wants(3)).then(recorded(&ReservationBarred{ReservationID: "o#1", OrderID: "o", Version: 3})).
		when(wants(2, 5)).then(nothingRecorded(), promisedNow("berlin", 0)).
		when(wants(4, 5)).then(refused(&NotLiveError{ReservationID: "o#1", Status: StatusReleased}))
	scenario(t).
		when(wants(3)).then(nothingRecorded()) // nothing can be placed of a SKU that nobody knows
}

func TestAnOrderTakesACartsHoldOver(t *testing.T) {
	confirmed := OrderRequest{ReservationID: "cart", OrderID: "o", Version: 2, Lines: []int64{5}, Confirmed: true}
	scenario(t).given(counted("berlin", 6), reserve("cart", 3)).
		when(ordering(confirmed)).
		then(promisedNow("berlin", 5), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusConfirmed && r.Quantity == 5 })).
		when(ordering(OrderRequest{ReservationID: "cart", OrderID: "other", Version: 1, Lines: []int64{1}})).
		then(refused(&KeyReusedError{Key: "cart"})).
		when(reserve("cart", 3)).then(nothingRecorded(), reservedAsPlaced(3))
	scenario(t).given(counted("berlin", 6), reserve("cart", 3), wait(20*60*1e9)).
		when(ordering(confirmed)).then(refused(&NotLiveError{ReservationID: "cart", Status: StatusExpired}))
}

// reservedAsPlaced expects that a repeated call has the quantity of the first.
func reservedAsPlaced(quantity int64) expectation {
	return func(w *world) {
		if got := w.result.(Reservation).Quantity; got != quantity {
			w.t.Errorf("reserved %d the first time, now it is said to have been %d", quantity, got)
		}
	}
}

func TestWhatIsSoldAlreadyCountsAndSaysWhatBreaks(t *testing.T) {
	breaks := func(want ...Break) expectation {
		return func(w *world) {
			if got := w.result.(Ordered).Breaks; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("proposed %v, expected %v", got, want)
			}
		}
	}
	scenario(t).given(counted("berlin", 5), counted("hamburg", 4), reserve("first", 3), reserve("second", 2), reserve("far", 3)).
		when(soldElsewhere("m", 5)).
		then(promisedNow("berlin", 9), promisedNow("hamburg", 4), ats(0), breaks(Break{"second", "berlin", 2}, Break{"first", "berlin", 2}))
	scenario(t).given(counted("berlin", 5), reserve("firm", 3), confirm("firm"), reserve("hold", 2)).
		when(soldElsewhere("m", 3)).then(breaks(Break{"hold", "berlin", 2}, Break{"firm", "berlin", 1}))
	scenario(t).
		when(soldElsewhere("m", 3)).then(promisedNow("berlin", 3), breaks())
	scenario(t).under(NewPolicy("web", nil, 0, 900)).
		when(soldElsewhere("m", 3)).then(refused(&NoSiteError{Channel: "web"}))
}

func TestSafetyStockIsSoldBeforeAnythingIsOversold(t *testing.T) {
	scenario(t).given(counted("berlin", 5), counted("hamburg", 4)).
		given(step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
			return nil, []aggregates.Event{&SafetyStockSet{Location: "hamburg", Quantity: 3}}, nil
		}}).
		when(soldElsewhere("m", 9)).then(promisedNow("berlin", 5), promisedNow("hamburg", 4), func(w *world) {
		if got := w.result.(Ordered).Oversold; len(got) > 0 {
			t.Errorf("oversold %+v", got)
		}
	})
}

func TestUnitsComeFromTheLocationThatALineAsksFor(t *testing.T) {
	pickup := OrderRequest{ReservationID: "o#1", OrderID: "o", Version: 1, Lines: []int64{2}, Location: "munich", ExpiresAt: clock("13:00")}
	scenario(t).given(counted("berlin", 5), counted("munich", 3)).
		when(ordering(pickup)).then(promisedNow("munich", 2), promisedNow("berlin", 0))
	scenario(t).given(counted("berlin", 5), counted("munich", 1)).
		when(ordering(pickup)).then(refused(&InsufficientError{Requested: 2, Available: 1}))
}

func TestAReservationChangesItsQuantity(t *testing.T) {
	scenario(t).given(counted("berlin", 5), counted("hamburg", 4), reserve("r", 4)).
		when(changeTo("r", 7)).
		then(recorded(&ReservationChanged{ReservationID: "r", Added: splits("berlin", 1, "hamburg", 2), ExpiresAt: clock("12:15:03").CeilSecond()}), ats(2)).
		when(changeTo("r", 7)).then(nothingRecorded()).
		when(changeTo("r", 10)).then(refused(&InsufficientError{Requested: 10, Available: 9}), ats(2)).
		when(changeTo("r", 2)).then(promisedNow("berlin", 2), promisedNow("hamburg", 0), ats(7),
		reservationIs("r", func(r Reservation) bool { return r.Quantity == 7 && r.Released == 5 && r.Remaining == 2 })).
		when(changeTo("none", 2)).then(refused(ErrUnknownReservation)).
		when(changeTo("r", 0)).then(refused(&QuantityError{Quantity: 0, Min: 1, Max: MaxQuantity}))
	scenario(t).given(counted("berlin", 9), reserve("r", 2), changeTo("r", 5).key("k", "5"), changeTo("r", 3)).
		when(changeTo("r", 5).key("k", "5")).then(nothingRecorded(), promisedNow("berlin", 3)).
		when(changeTo("r", 6).key("k", "6")).then(refused(&KeyReusedError{Key: "k"}))
}

func TestAPromiseMovesAwayFromWhereItCannotBeKept(t *testing.T) {
	scenario(t).given(counted("berlin", 5), counted("hamburg", 2), counted("munich", 9), reserve("r", 4)).
		when(reallocate("r", "berlin", "hamburg", "munich")).then(nothingRecorded()).
		when(reallocate("r", "hamburg", "munich")).
		then(promisedNow("berlin", 0), promisedNow("hamburg", 2), promisedNow("munich", 2)).
		given2(counted("munich", 1), counted("berlin", 9)).
		when(reallocate("r", "berlin", "hamburg", "munich")).
		then(promisedNow("berlin", 1), promisedNow("hamburg", 2), promisedNow("munich", 1))
	scenario(t).given(counted("berlin", 5), counted("hamburg", 1), reserve("r", 4)).
		when(reallocate("r", "hamburg")).then(promisedNow("berlin", 3), promisedNow("hamburg", 1)).
		when(reallocate("r", "hamburg")).then(nothingRecorded())
}

// given2 does more of what must succeed.
func (x when) given2(steps ...step) when {
	x.w.t.Helper()
	given(x).given(steps...)
	return x
}

func TestACartSeesItsOwnHoldAsAvailable(t *testing.T) {
	own := func(id, channel string, want int64) expectation {
		return func(w *world) {
			if got := w.state.AvailableTo(id, NewPolicy(channel, []string{"berlin"}, 0, 900), w.now); got != want {
				w.t.Errorf("available to %s on %s: %d, expected %d", id, channel, got, want)
			}
		}
	}
	scenario(t).given(counted("berlin", 5), reserve("r", 3), reserve("other", 1)).
		when(wait(1e9)).then(ats(1), own("r", "web", 4), own("other", "web", 2), own("none", "web", 1), own("r", "store", 1)).
		when(wait(20 * 60 * 1e9)).then(own("r", "web", 5)) // all have ended
}

// Whatever is asked in whichever order, the reservation holds what the highest version that was asked wants, guarded orders
// never take more than there is, and the invariants hold.
func TestOrdersConvergeOnTheHighestVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now, p := &State{}, clock("12:00"), NewPolicy("web", []string{"berlin", "hamburg"}, 0, 900)
		evolve := func(events []aggregates.Event) {
			for _, e := range events {
				s.Evolve(e, aggregates.Metadata{RecordedAt: now, OccurredAt: now})
				if err := s.Check(); err != nil {
					t.Fatalf("after %s: %v", e.EventType(), err)
				}
			}
		}
		evolve([]aggregates.Event{&StockReceived{Location: "berlin", Quantity: 20}, &StockReceived{Location: "hamburg", Quantity: 10}})
		type told struct {
			version  uint64
			quantity int64
			ended    bool
		}
		orders := map[string]*told{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += aggregates.Second
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "order")
			x := orders[id]
			if x == nil {
				x = &told{}
				orders[id] = x
			}
			r := OrderRequest{ReservationID: id + "#1", OrderID: id, Version: uint64(rapid.IntRange(1, 30).Draw(t, "version")),
				Sold: rapid.IntRange(0, 5).Draw(t, "sold") == 0, ExpiresAt: clock("18:00"), Partial: rapid.Bool().Draw(t, "partial")}
			for range rapid.IntRange(0, 3).Draw(t, "lines") {
				r.Lines = append(r.Lines, int64(rapid.IntRange(1, 9).Draw(t, "units")))
			}
			before := s.Available(p, now)
			result, events, err := Order(s, r, aggregates.Metadata{RecordedAt: now}, p, now)
			var short *InsufficientError
			var ended *NotLiveError
			switch {
			case errors.As(err, &ended) && x.ended, errors.As(err, &short) && !r.Sold:
			case err != nil:
				t.Fatal(err)
			case r.Version > x.version && !x.ended:
				if x.quantity, x.ended = result.Reservation.Remaining, len(r.Lines) == 0; len(events) > 0 || x.version > 0 {
					if !x.ended {
						x.version = r.Version
					}
				}
				if sum := total64(r.Lines); result.Accepted == nil && x.quantity != sum {
					t.Fatalf("%d wanted, %d held", sum, x.quantity)
				}
			default:
				if len(events) > 0 {
					t.Fatalf("version %d after %d recorded %s", r.Version, x.version, shown(events))
				}
			}
			if taken := before - (s.Available(p, now)); taken < 0 {
				t.Fatal("a decision changed the state")
			}
			had := s.Available(p, now)
			evolve(events)
			if !r.Sold && had-s.Available(p, now) > had {
				t.Fatalf("more was promised than the %d available", had)
			}
			for id, x := range orders {
				if v, err := Find(s, id+"#1", now); err == nil && v.Remaining != x.quantity {
					t.Fatalf("order %s holds %d, expected %d", id, v.Remaining, x.quantity)
				}
			}
		}
	})
}

func total64(list []int64) (sum int64) {
	for _, x := range list {
		sum += x
	}
	return sum
}
