package stock

import (
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func TestReserve(t *testing.T) {
	scenario(t).given(counted("berlin", 10)).
		when(reserve("cart", 4)).
		then(recorded(&ReservationPlaced{
			ReservationID: "cart", Channel: "web", Quantity: 4, ExpiresAt: clock("12:15:02"),
			Splits: []Split{{Location: "berlin", Quantity: 4}},
		}), result(Reservation{
			ID: "cart", Channel: "web", Status: StatusHeld, Quantity: 4, Remaining: 4, Splits: []Split{{Location: "berlin", Quantity: 4}},
			ExpiresAt: clock("12:15:02"), PlacedAt: clock("12:00:02"),
		}), onHand("berlin", 10), reserved("berlin", 4), ats(6)).
		when(reserve("second", 7)).
		then(refused(&InsufficientError{Requested: 7, Available: 6}))
}

func TestReserveOfWhatNobodyKnows(t *testing.T) {
	scenario(t).when(reserve("cart", 1)).then(refused(ErrUnknownSKU))
	scenario(t).given(registered(RegisterRequest{Name: "Tea"})).
		when(reserve("cart", 1)).then(refused(&InsufficientError{Requested: 1, Available: 0}))
	scenario(t).given(received("berlin", 1)).when(reserve("cart", 1)).then(ats(0))
}

func TestReserveTakesTheFirstChoiceFirst(t *testing.T) {
	policy := NewPolicy("web", []string{"munich", "berlin", "hamburg"}, 0, 60)
	stocked := func(t *testing.T) given {
		return scenario(t).under(policy).given(counted("berlin", 5), counted("hamburg", 5), counted("munich", 3), counted("elsewhere", 99))
	}
	splits := func(want ...Split) expectation {
		return func(w *world) {
			w.t.Helper()
			recorded(&ReservationPlaced{
				ReservationID: "cart", Channel: "web", Quantity: sumOf(want), ExpiresAt: clock("12:01:05"), Splits: want,
			})(w)
		}
	}
	stocked(t).when(reserve("cart", 3)).then(splits(Split{Location: "munich", Quantity: 3}))
	stocked(t).when(reserve("cart", 4)).then(splits(Split{Location: "munich", Quantity: 3}, Split{Location: "berlin", Quantity: 1}))
	stocked(t).when(reserve("cart", 13)).then(splits(Split{Location: "munich", Quantity: 3}, Split{Location: "berlin", Quantity: 5}, Split{Location: "hamburg", Quantity: 5}))
	stocked(t).when(reserve("cart", 14)).then(refused(&InsufficientError{Requested: 14, Available: 13}))
}

func sumOf(splits []Split) (sum int64) {
	for _, x := range splits {
		sum += x.Quantity
	}
	return sum
}

func TestReserveKeepsBufferAndSafetyStock(t *testing.T) {
	scenario(t).under(NewPolicy("web", []string{"berlin", "hamburg"}, 2, 0)).
		given(
			registered(RegisterRequest{SafetyStock: []SafetyStock{{"berlin", 3}, {"hamburg", 50}}}),
			counted("berlin", 10), counted("hamburg", 10),
		).
		when(reserve("cart", 6)).then(refused(&InsufficientError{Requested: 6, Available: 5})).
		when(reserve("cart", 5)).then(reserved("berlin", 5), ats(0))
}

func TestReserveAgainIsTheFirstResult(t *testing.T) {
	first := Reservation{
		ID: "cart", Channel: "web", Status: StatusHeld, Quantity: 4, Remaining: 4, Splits: []Split{{Location: "berlin", Quantity: 4}},
		ExpiresAt: clock("12:15:02"), PlacedAt: clock("12:00:02"),
	}
	again := func(t *testing.T, then ...step) {
		t.Helper()
		scenario(t).given(counted("berlin", 10), reserve("cart", 4)).given(then...).
			when(reserve("cart", 4)).then(nothingRecorded(), result(first))
	}
	again(t)
	again(t, release("cart", 1))
	again(t, extend("cart", "13:00"))
	again(t, confirm("cart"), fulfil("cart", 0))
	again(t, release("cart", 0))
	again(t, wait(time.Hour))
	again(t, wait(time.Hour), expire(10))
	scenario(t).given(counted("berlin", 10), reserve("cart", 4)).
		when(reserve("cart", 5)).then(refused(&KeyReusedError{Key: "cart"}))
}

func TestReservationIsForgottenADayAfterItsEnd(t *testing.T) {
	scenario(t).given(counted("berlin", 10), reserve("cart", 4), wait(300*time.Second), release("cart", 0), wait(24*time.Hour-2*time.Second), sold("berlin", 1)).
		when(reserve("cart", 4)).then(nothingRecorded()).
		when(wait(time.Second)).when(sold("berlin", 1)).
		when(reserve("cart", 4)).then(ats(4), reserved("berlin", 4))
	scenario(t).given(counted("berlin", 10), reserve("cart", 4), confirm("cart"), wait(48*time.Hour), sold("berlin", 1)).
		when(reserve("cart", 4)).then(nothingRecorded())
}

func TestReserveConfirmedAtOnce(t *testing.T) {
	scenario(t).given(counted("berlin", 10)).
		when(reserveAs(ReserveRequest{ReservationID: "order", Quantity: 4, Confirmed: true})).
		then(recorded(&ReservationPlaced{ReservationID: "order", Channel: "web", Quantity: 4, Splits: []Split{{Location: "berlin", Quantity: 4}}})).
		when(wait(30*24*time.Hour)).then(ats(6), promisedNow("berlin", 4)).
		when(expire(10)).then(nothingRecorded()).
		when(confirm("order")).then(nothingRecorded())
}

func TestReserveBadRequests(t *testing.T) {
	g := scenario(t).given(counted("berlin", 10))
	g.when(reserve("cart", 0)).then(refused(&QuantityError{Quantity: 0, Min: 1, Max: MaxQuantity}))
	g.when(reserve("cart", -1)).then(refused(&QuantityError{Quantity: -1, Min: 1, Max: MaxQuantity}))
	g.when(reserve("cart", MaxQuantity+1)).then(refused(&QuantityError{Quantity: MaxQuantity + 1, Min: 1, Max: MaxQuantity}))
	g.when(reserveAs(ReserveRequest{ReservationID: "cart", Decimal: "0.5"})).then(refused(&DecimalsError{Text: "0.5"}))
	g.when(reserveAs(ReserveRequest{ReservationID: "cart", Quantity: 1, HoldSeconds: -1})).then(refused(&HoldSecondsError{Seconds: -1}))
	g.when(reserveAs(ReserveRequest{ReservationID: "cart", Quantity: 1, HoldSeconds: MaxHoldSeconds + 1})).
		then(refused(&HoldSecondsError{Seconds: MaxHoldSeconds + 1}))
	g.when(reserveAs(ReserveRequest{ReservationID: "cart", Decimal: "2.0", HoldSeconds: MaxHoldSeconds})).then(reserved("berlin", 2))
}

func TestHoldsEndOnAWholeSecond(t *testing.T) {
	scenario(t).given(counted("berlin", 10), wait(1500*time.Millisecond)).
		when(reserveAs(ReserveRequest{ReservationID: "cart", Quantity: 4, HoldSeconds: 10})).
		then(reservationIs("cart", func(r Reservation) bool { return r.ExpiresAt == clock("12:00:14") }))
}

func TestTooManyLiveReservations(t *testing.T) {
	s := &State{}
	m := at("12:00")
	s.Evolve(&StockReceived{Location: "berlin", Quantity: MaxQuantity}, m)
	s.reservations.buckets = make([]*kept, MaxLiveReservations) // a million whole reservations would only take time
	_, _, err := Reserve(s, ReserveRequest{ReservationID: "cart", Quantity: 1}, m, NewPolicy("web", []string{"berlin"}, 0, 0), clock("12:00"))
	refused(&TooManyError{Limit: MaxLiveReservations})(&world{t: t, err: err})
}

func TestConfirm(t *testing.T) {
	held := func(t *testing.T) given { return scenario(t).given(counted("berlin", 10), reserve("cart", 4)) }
	held(t).when(confirm("cart")).
		then(recorded(&ReservationConfirmed{ReservationID: "cart", ExpiredAt: clock("12:15:02"), Splits: []Split{{Location: "berlin", Quantity: 4}}}),
			result(Reservation{
				ID: "cart", Channel: "web", Status: StatusConfirmed, Quantity: 4, Remaining: 4, Splits: []Split{{Location: "berlin", Quantity: 4}},
				PlacedAt: clock("12:00:02"),
			})).
		when(wait(time.Hour)).then(promisedNow("berlin", 4), ats(6)).
		when(confirm("cart")).then(nothingRecorded(), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusConfirmed })).
		when(fulfil("cart", 0)).
		when(confirm("cart")).then(nothingRecorded(), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusFulfilled }))
	held(t).when(confirm("other")).then(refused(ErrUnknownReservation))
	held(t).given(release("cart", 0)).when(confirm("cart")).then(refused(&NotLiveError{"cart", StatusReleased}))
	held(t).given(fulfil("cart", 0)).when(confirm("cart")).then(refused(&NotLiveError{"cart", StatusFulfilled}))
	held(t).given(confirm("cart"), release("cart", 0)).when(confirm("cart")).then(refused(&NotLiveError{"cart", StatusReleased}))
	held(t).given(wait(900*time.Second - time.Second)).when(confirm("cart")).then(refused(&NotLiveError{"cart", StatusExpired}))
	held(t).given(wait(900*time.Second - 2*time.Second)).when(confirm("cart")).then(promisedNow("berlin", 4))
	held(t).given(wait(time.Hour), expire(1)).when(confirm("cart")).then(refused(&NotLiveError{"cart", StatusExpired}))
	held(t).given(release("cart", 3)).when(confirm("cart")).
		then(recorded(&ReservationConfirmed{ReservationID: "cart", ExpiredAt: clock("12:15:02"), Splits: []Split{{Location: "berlin", Quantity: 1}}}))
}

func TestExtend(t *testing.T) {
	held := func(t *testing.T) given { return scenario(t).given(counted("berlin", 10), reserve("cart", 4)) }
	held(t).when(extend("cart", "13:00")).
		then(recorded(&ReservationExtended{
			ReservationID: "cart", From: clock("12:15:02"), ExpiresAt: clock("13:00"), Splits: []Split{{Location: "berlin", Quantity: 4}},
		}), result(Reservation{
			ID: "cart", Channel: "web", Status: StatusHeld, Quantity: 4, Remaining: 4, Splits: []Split{{Location: "berlin", Quantity: 4}},
			ExpiresAt: clock("13:00"), PlacedAt: clock("12:00:02"),
		})).
		when(wait(30*time.Minute)).then(promisedNow("berlin", 4)).
		when(wait(30*time.Minute)).then(promisedNow("berlin", 0), ats(10))
	held(t).when(extend("cart", "12:05")).when(wait(5 * time.Minute)).then(ats(10))
	held(t).when(extend("cart", "12:15:02")).then(nothingRecorded())
	held(t).when(extend("cart", "12:00:03")).then(refused(&ExpiryError{ExpiresAt: clock("12:00:03"), Now: clock("12:00:03")}))
	held(t).given(confirm("cart")).when(extend("cart", "13:00")).then(refused(&NotHeldError{"cart"}))
	held(t).given(wait(time.Hour)).when(extend("cart", "14:00")).then(refused(&NotLiveError{"cart", StatusExpired}))
	held(t).given(release("cart", 0)).when(extend("cart", "14:00")).then(refused(&NotLiveError{"cart", StatusReleased}))
	held(t).when(extend("other", "14:00")).then(refused(ErrUnknownReservation))
	far := clock("12:00:03") + aggregates.Instant(MaxHoldSeconds)*aggregates.Second
	tooFar := step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Extend(w.state, ExtendRequest{ReservationID: "cart", ExpiresAt: far + 1}, m, w.now))
	}}
	held(t).when(tooFar).then(refused(&ExpiryError{ExpiresAt: far + 1, Now: clock("12:00:03")}))
}

func TestRelease(t *testing.T) {
	split := func(t *testing.T) given {
		return scenario(t).given(counted("berlin", 3), counted("hamburg", 3), reserve("cart", 5))
	}
	until := clock("12:15:03")
	split(t).when(release("cart", 0)).
		then(recorded(&ReservationReleased{
			ReservationID: "cart", Splits: []Split{{Location: "berlin", Quantity: 3}, {Location: "hamburg", Quantity: 2}}, ExpiresAt: until, Closed: true, Reason: "cart emptied",
		}), result(Reservation{
			ID: "cart", Channel: "web", Status: StatusReleased, Quantity: 5, Released: 5, ExpiresAt: until, PlacedAt: clock("12:00:03"),
		}), ats(6))
	split(t).when(release("cart", 3)).
		then(recorded(&ReservationReleased{
			ReservationID: "cart", Splits: []Split{{Location: "berlin", Quantity: 1}, {Location: "hamburg", Quantity: 2}}, ExpiresAt: until, Reason: "cart emptied",
		}), result(Reservation{
			ID: "cart", Channel: "web", Status: StatusHeld, Quantity: 5, Remaining: 2, Released: 3, Splits: []Split{{Location: "berlin", Quantity: 2}},
			ExpiresAt: until, PlacedAt: clock("12:00:03"),
		}), reserved("berlin", 2), reserved("hamburg", 0)).
		when(release("cart", 3)).then(refused(&ExceedsError{"cart", 3, 2})).
		when(release("cart", -1)).then(refused(&QuantityError{Quantity: -1, Max: MaxQuantity})).
		when(release("cart", 2)).then(ats(6))
	split(t).when(release("other", 0)).then(refused(ErrUnknownReservation))
}

func TestReleaseOfWhatHasEnded(t *testing.T) {
	held := func(t *testing.T) given { return scenario(t).given(counted("berlin", 10), reserve("cart", 4)) }
	held(t).given(release("cart", 0)).when(release("cart", 0)).
		then(nothingRecorded(), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusReleased }))
	held(t).given(fulfil("cart", 1), release("cart", 0)).when(release("cart", 0)).
		then(nothingRecorded(), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusFulfilled && r.Released == 3 }))
	expired := Reservation{
		ID: "cart", Channel: "web", Status: StatusExpired, Quantity: 4, Expired: 4, ExpiresAt: clock("12:15:02"), PlacedAt: clock("12:00:02"),
	}
	held(t).given(wait(time.Hour)).when(release("cart", 0)).then(nothingRecorded(), result(expired))
	held(t).given(wait(time.Hour), expire(1)).when(release("cart", 0)).then(nothingRecorded(), result(expired))
	held(t).given(fulfil("cart", 0)).when(release("cart", 0)).then(refused(&NotLiveError{"cart", StatusFulfilled}))
	held(t).given(release("cart", 0)).when(release("cart", 1)).then(refused(&NotLiveError{"cart", StatusReleased}))
}

func TestFulfil(t *testing.T) {
	split := func(t *testing.T) given {
		return scenario(t).given(counted("berlin", 3), counted("hamburg", 4), reserve("cart", 5))
	}
	until := clock("12:15:03")
	split(t).when(fulfil("cart", 4)).
		then(recorded(&ReservationFulfilled{ReservationID: "cart", ExpiresAt: until, Splits: []FulfilledSplit{
			{Location: "berlin", ReservedAt: "berlin", Quantity: 3}, {Location: "hamburg", ReservedAt: "hamburg", Quantity: 1},
		}}), result(Reservation{
			ID: "cart", Channel: "web", Status: StatusHeld, Quantity: 5, Remaining: 1, Fulfilled: 4, Splits: []Split{{Location: "hamburg", Quantity: 1}},
			ExpiresAt: until, PlacedAt: clock("12:00:03"),
		}), onHand("berlin", 0), onHand("hamburg", 3), reserved("hamburg", 1), ats(2)).
		when(fulfil("cart", 2)).then(refused(&ExceedsError{"cart", 2, 1})).
		when(fulfil("cart", 0)).then(onHand("hamburg", 2), reserved("hamburg", 0)).
		when(fulfil("cart", 0)).then(nothingRecorded()).
		when(fulfil("cart", 1)).then(refused(&NotLiveError{"cart", StatusFulfilled}))
	split(t).when(fulfil("cart", 2)).
		then(recorded(&ReservationFulfilled{ReservationID: "cart", ExpiresAt: until, Splits: []FulfilledSplit{
			{Location: "berlin", ReservedAt: "berlin", Quantity: 2},
		}}))
	split(t).when(fulfilFrom("cart", 3, "hamburg")).
		then(recorded(&ReservationFulfilled{ReservationID: "cart", ExpiresAt: until, Splits: []FulfilledSplit{
			{Location: "hamburg", ReservedAt: "hamburg", Quantity: 2}, {Location: "hamburg", ReservedAt: "berlin", Quantity: 1},
		}}), onHand("hamburg", 1), onHand("berlin", 3), reserved("berlin", 2), reserved("hamburg", 0))
	split(t).given(confirm("cart")).when(fulfil("cart", 0)).
		then(recorded(&ReservationFulfilled{ReservationID: "cart", Closed: true, Splits: []FulfilledSplit{
			{Location: "berlin", ReservedAt: "berlin", Quantity: 3}, {Location: "hamburg", ReservedAt: "hamburg", Quantity: 2},
		}}))
	split(t).given(wait(time.Hour)).when(fulfil("cart", 0)).then(refused(&NotLiveError{"cart", StatusExpired}))
	split(t).given(release("cart", 0)).when(fulfil("cart", 0)).then(refused(&NotLiveError{"cart", StatusReleased}))
	split(t).when(fulfil("other", 0)).then(refused(ErrUnknownReservation))
	split(t).when(fulfil("cart", -2)).then(refused(&QuantityError{Quantity: -2, Max: MaxQuantity}))
}

func TestExpire(t *testing.T) {
	hold := func(id string, seconds int64) step {
		return reserveAs(ReserveRequest{ReservationID: id, Quantity: 2, HoldSeconds: seconds})
	}
	ended := func(id string, at string) *ReservationExpired {
		return &ReservationExpired{ReservationID: id, Splits: []Split{{Location: "berlin", Quantity: 2}}, ExpiresAt: clock(at)}
	}
	carts := func(t *testing.T) given {
		return scenario(t).given(counted("berlin", 10), hold("c", 30), hold("a", 10), hold("b", 20), hold("d", 7200))
	}
	carts(t).when(expire(10)).then(nothingRecorded(), reserved("berlin", 8))
	carts(t).given(wait(time.Hour)).when(expire(10)).
		then(recorded(ended("a", "12:00:13"), ended("b", "12:00:24"), ended("c", "12:00:32")), reserved("berlin", 2)).
		then(reservationIs("a", func(r Reservation) bool { return r.Status == StatusExpired && r.Expired == 2 && r.Remaining == 0 })).
		when(expire(10)).then(nothingRecorded())
	carts(t).given(wait(time.Hour)).when(expire(2)).then(recorded(ended("a", "12:00:13"), ended("b", "12:00:24"))).
		when(expire(2)).then(recorded(ended("c", "12:00:32")))
	carts(t).given(wait(time.Hour)).when(expire(0)).then(nothingRecorded())
	carts(t).given(confirm("a"), release("b", 0), extend("c", "14:00"), wait(time.Hour)).when(expire(10)).then(nothingRecorded())
	// Decisions do not wait for it.
	carts(t).given(wait(time.Hour)).when(reserve("more", 8)).then(ats(0), reserved("berlin", 16), promisedNow("berlin", 10)).
		when(expire(10)).then(ats(0), reserved("berlin", 10))
}

func TestAnEndIsOverAtItsVeryInstant(t *testing.T) {
	g := scenario(t).given(counted("berlin", 10), reserve("cart", 4))
	g.w.now = clock("12:15:02") - 1
	then(g, ats(6))
	if events := Expire(g.w.state, g.w.now, 1); events != nil {
		t.Fatal(shown(events))
	}
	g.w.now++
	then(g, ats(10), reservationIs("cart", func(r Reservation) bool { return r.Status == StatusExpired && r.Splits == nil }))
	if events := Expire(g.w.state, g.w.now, 1); len(events) != 1 {
		t.Fatal(shown(events))
	}
}

func then(g given, list ...expectation) {
	for _, e := range list {
		e(g.w)
	}
}

func TestNextDue(t *testing.T) {
	g := scenario(t).given(counted("berlin", 10))
	if _, ok := g.w.state.NextDue(); ok {
		t.Fatal("nothing is held")
	}
	g.given(reserve("late", 1), reserveAs(ReserveRequest{ReservationID: "soon", Quantity: 1, HoldSeconds: 5}))
	if at, ok := g.w.state.NextDue(); !ok || at != clock("12:00:08") {
		t.Fatal(at, ok)
	}
	g.given(confirm("soon"))
	if at, ok := g.w.state.NextDue(); !ok || at != clock("12:15:02") || g.w.state.Live() != 2 {
		t.Fatal(at, ok)
	}
}

func TestFindUnknown(t *testing.T) {
	g := scenario(t).given(counted("berlin", 10))
	_, g.w.err = Find(g.w.state, "cart", g.w.now)
	refused(ErrUnknownReservation)(g.w)
}
