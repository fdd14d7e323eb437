package stock

import "testing"

// What is promised for a later date changes, moves and goes over to an order as that: for its date, and under the guard of its date.

func dated(id string, quantity int64) expectation {
	return reservationIs(id, func(r Reservation) bool { return r.Remaining == quantity && r.PromiseAt == day(5) })
}

func TestAPromiseForADateChangesItsQuantity(t *testing.T) {
	scenario(t).given(counted("berlin", 5), expected("po", "berlin", 10, day(4)), reserveFor("r", 8, day(5))).
		when(changeTo("r", 12)).
		then(recorded(&ReservationChanged{ReservationID: "r", Added: splits("berlin", 4), PromiseAt: day(5)}), dated("r", 12), ats(3), atp(day(5), 3)).
		when(changeTo("r", 16)).then(refused(&InsufficientError{Requested: 16, Available: 15, PromiseAt: day(5)})).
		when(changeTo("r", 9)).
		then(recorded(&ReservationChanged{ReservationID: "r", Removed: splits("berlin", 3), PromiseAt: day(5)}), dated("r", 9), ats(5), atp(day(5), 6)).
		given2(wait(6*24*60*60*1e9), received("berlin", 7)). // its date has come, the order has not
		when(changeTo("r", 12)).then(dated("r", 12), ats(0)).
		when(changeTo("r", 13)).then(refused(&InsufficientError{Requested: 13, Available: 12})).
		when(release("r", 0)).then(ats(12), reserved("berlin", 0))
}

func TestAPromiseForADateMovesToWhereItCanBeKeptThen(t *testing.T) {
	scenario(t).
		given(expected("po-1", "berlin", 10, day(4)), expected("po-2", "hamburg", 4, day(5)), expected("po-3", "munich", 9, day(6))).
		given(reserveFor("r", 10, day(5))).
		when(reallocate("r", "berlin", "hamburg", "munich")).then(nothingRecorded()). // nothing lies there, nor need it
		given2(expected("po-1", "berlin", 3, day(4))).
		when(reallocate("r", "berlin", "hamburg", "munich")). // 7 will be missing; munich's come too late
		then(recorded(&ReservationReallocated{ReservationID: "r", From: splits("berlin", 4), To: splits("hamburg", 4), Reason: "closed", Cause: CauseShort, PromiseAt: day(5)}),
			dated("r", 10), reserved("berlin", 6), reserved("hamburg", 4), atp(day(5), 0), atp(day(6), 9)).
		when(reallocate("r", "hamburg", "munich")).then(nothingRecorded()).
		when(release("r", 0)).then(reserved("berlin", 0), reserved("hamburg", 0), atp(day(6), 16))
}

// What is promised for later is no reason to move what is promised for now.
func TestAPromiseForNowStandsWhereLaterOnesDoNot(t *testing.T) {
	scenario(t).given(counted("berlin", 5), counted("munich", 9), expected("po", "berlin", 10, day(4))).
		given(reserve("r", 5), reserveFor("later", 10, day(5)), cancelled("po")).
		when(reallocate("r", "berlin", "munich")).then(nothingRecorded()).
		when(reallocate("later", "berlin", "munich")).then(reserved("berlin", 6), reserved("munich", 9))
}

func TestACartForADateSeesWhatItHoldsAsAvailable(t *testing.T) {
	scenario(t).given(counted("berlin", 5), reserveFor("r", 4, day(5))).
		when(wait(0)).then(ats(1), func(w *world) {
		if got := w.state.AvailableTo("r", w.policy, w.now); got != 5 {
			t.Errorf("%d available to it, expected 5", got)
		}
	})
}

func TestAnOrderTakesAPromiseForADateOver(t *testing.T) {
	takes := func(version uint64, quantity int64, sold bool) step {
		r := OrderRequest{ReservationID: "cart", OrderID: "o", Version: version, Sold: sold, Confirmed: sold, TakesOver: true, ExpiresAt: clock("13:00")}
		if quantity > 0 {
			r.Lines = []int64{quantity}
		}
		return ordering(r)
	}
	held := reserveAs(ReserveRequest{ReservationID: "cart", Quantity: 8, PromiseAt: day(5), HoldSeconds: 600})
	stocked := []step{counted("berlin", 5), expected("po", "berlin", 10, day(4)), held}
	scenario(t).given(stocked...).
		when(takes(1, 9, false)).then(dated("cart", 9), ats(5), atp(day(5), 6)). // extended, and one more
		when(takes(2, 16, false)).then(refused(&InsufficientError{Requested: 16, Available: 15, PromiseAt: day(5)})).
		when(takes(2, 8, true)).then(dated("cart", 8), ats(5), atp(day(5), 7)). // confirmed
		when(takes(3, 18, true)).
		then(dated("cart", 18), reserved("berlin", 18), ats(0), atp(day(5), 0),
			shortfall(ShortfallDetected{Location: "berlin", At: day(5), Missing: 3, Promises: []BrokenPromise{{"cart", day(5), 3}}}),
			func(w *world) {
				if got := w.result.(Ordered); len(got.Oversold) > 0 || len(got.Breaks) > 0 {
					t.Errorf("oversold %+v for now", got)
				}
			}).
		when(takes(4, 0, true)).then(reserved("berlin", 0), ats(5), atp(day(5), 15))
}

// A marketplace has sold what is kept for later: it counts, breaks the later promise, and no promise for later makes up for what is
// missing now.
func TestWhatIsSoldAlreadyMayBreakALaterPromise(t *testing.T) {
	scenario(t).given(counted("berlin", 10), reserveFor("party", 8, day(3))).
		when(soldElsewhere("m", 5)).
		then(shortfall(ShortfallDetected{Location: "berlin", At: day(3), Missing: 3, Promises: []BrokenPromise{{"party", day(3), 3}}})).
		given2(expected("po", "berlin", 9, day(2)), reserveFor("younger", 1, day(2))).
		when(soldElsewhere("n", 7)).
		then(func(w *world) {
			got := w.result.(Ordered)
			if len(got.Oversold) != 1 || got.Oversold[0] != (OversoldDetected{Location: "berlin", OnHand: 10, Reserved: 12}) {
				t.Errorf("oversold %+v", got.Oversold)
			}
			if len(got.Breaks) != 1 || got.Breaks[0] != (Break{"m", "berlin", 2}) {
				t.Errorf("proposed %+v", got.Breaks)
			}
		})
}
